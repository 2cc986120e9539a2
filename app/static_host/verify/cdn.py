"""Who has answered, and whether from a cache: CDNs and caches by their header fields.

Rule: a CDN is known by a field that it alone writes; several may have passed an answer on, the nearest to the visitor
first. Whether an answer came from a cache is read from the field that is most exact: RFC 9211's Cache-Status, then the
CDN's own, then Age. Where nothing tells, the state is "", never a guess.
"""

from __future__ import annotations

import re

from static_host.verify.response import ReceivedResponse

CDN_SIGNATURES: tuple[tuple[str, str, str], ...] = (
    ("CloudFront", "x-amz-cf-id", r"."),
    ("CloudFront", "via", r"\(CloudFront\)"),
    ("Cloudflare", "cf-ray", r"."),
    ("Cloudflare", "server", r"^cloudflare"),
    ("Fastly", "x-fastly-request-id", r"."),
    ("Fastly", "x-served-by", r"^cache-"),
    ("Fastly", "x-timer", r"^S[0-9.]+,VS"),
    ("Varnish", "x-varnish", r"."),
    ("Varnish", "via", r"varnish"),
    ("nginx", "server", r"^nginx"),
)
"""CDN, the field that gives it away, and a pattern that is found in its value."""
HIT, MISS, BYPASS = "hit", "miss", "bypass"

_STATE_PATTERNS = (
    (HIT, r"\bHIT\b|\bREFRESHHIT\b|\bREVALIDATED\b|\bSTALE\b|\bUPDATING\b"),
    (BYPASS, r"\bBYPASS\b|\bDYNAMIC\b|\bPASS\b"),
    (MISS, r"\bMISS\b|\bEXPIRED\b"),
)


def identify_cdns(answer: ReceivedResponse) -> tuple[str, ...]:
    """Return the names of the CDNs that wrote into the answer; Fastly's Varnish counts as Fastly alone."""
    names = {name: None for name, field, pattern in CDN_SIGNATURES if _has(pattern, answer.headers.get(field, ""))}
    if "Fastly" in names:
        names.pop("Varnish", None)
    return tuple(names)


def parse_cache_state(answer: ReceivedResponse) -> str:
    """Return "hit", "miss" or "bypass" (not to be kept), or "" where no field tells."""
    fields = answer.headers
    if "cache-status" in fields:
        return _parse_cache_status(fields["cache-status"])
    for name in ("cf-cache-status", "x-cache", "x-cache-status", "x-proxy-cache"):
        # Several caches may speak in one field; a visitor does not mind which of them has the file.
        found = next((word for word, pattern in _STATE_PATTERNS if _has(pattern, fields.get(name, ""))), "")
        if found:
            return found
    if "x-varnish" in fields:  # the number of this request and, in a hit, that of the one that brought the answer
        return HIT if len(fields["x-varnish"].split()) == 2 else MISS
    return HIT if answer.age else ""


def _parse_cache_status(field: str) -> str:
    """Read Cache-Status (RFC 9211 §2): a list of caches with their parameters."""
    if _has(r";\s*hit\s*(?:[;,]|$)", field):
        return HIT
    if _has(r";\s*fwd\s*=\s*(?:bypass|method|request)", field):
        return BYPASS
    return MISS if _has(r";\s*fwd\s*=", field) else ""


def _has(pattern: str, value: str) -> bool:
    return bool(re.search(pattern, value, re.IGNORECASE))
