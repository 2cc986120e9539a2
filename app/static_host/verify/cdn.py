"""Identifies CDNs, and whether a response comes from a cache, by their header fields.

Rule: a header field that only one CDN writes identifies it. Several CDNs may have passed on a response; the one nearest
to the visitor comes first. The most exact field decides whether a cache had the response: Cache-Status (RFC 9211), then
the CDN's own, then Age. Without any of these the state is "", never a guess.
"""

from __future__ import annotations

import re

from static_host.verify.received_response import ReceivedResponse

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
"""CDN, the header field that identifies it, and a pattern for its value."""
HIT, MISS, BYPASS = "hit", "miss", "bypass"

_STATE_PATTERNS = (
    (HIT, r"\bHIT\b|\bREFRESHHIT\b|\bREVALIDATED\b|\bSTALE\b|\bUPDATING\b"),
    (BYPASS, r"\bBYPASS\b|\bDYNAMIC\b|\bPASS\b"),
    (MISS, r"\bMISS\b|\bEXPIRED\b"),
)


def identify_cdns(response: ReceivedResponse) -> tuple[str, ...]:
    """Return the names of the CDNs that passed on the response. Fastly's Varnish counts as Fastly only."""
    names = {name: None for name, field, pattern in CDN_SIGNATURES if _has(pattern, response.headers.get(field, ""))}
    if "Fastly" in names:
        names.pop("Varnish", None)
    return tuple(names)


def find_nearest_cdn(response: ReceivedResponse) -> str:
    """Return the name of the CDN that is nearest to the visitor, or ""."""
    return next(iter(identify_cdns(response)), "")


def parse_cache_state(response: ReceivedResponse) -> str:
    """Return "hit", "miss" or "bypass" (the cache does not store it), or "" if no field says so."""
    fields = response.headers
    if "cache-status" in fields:
        return _parse_cache_status(fields["cache-status"])
    for name in ("cf-cache-status", "x-cache", "x-cache-status", "x-proxy-cache"):
        # Several caches may write one field; any hit counts.
        found = next((word for word, pattern in _STATE_PATTERNS if _has(pattern, fields.get(name, ""))), "")
        if found:
            return found
    if "x-varnish" in fields:  # the request's number and, for a hit, that of the request that filled the cache
        return HIT if len(fields["x-varnish"].split()) == 2 else MISS
    return HIT if response.age else ""


def _parse_cache_status(field: str) -> str:
    """Read Cache-Status (RFC 9211 §2): a list of caches with their parameters."""
    if _has(r";\s*hit\s*(?:[;,]|$)", field):
        return HIT
    if _has(r";\s*fwd\s*=\s*(?:bypass|method|request)", field):
        return BYPASS
    return MISS if _has(r";\s*fwd\s*=", field) else ""


def _has(pattern: str, value: str) -> bool:
    return bool(re.search(pattern, value, re.IGNORECASE))
