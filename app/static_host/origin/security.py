"""What Django's SecurityMiddleware does to a response, for static ones: HSTS, the redirect to https, and two policies.

Rule: the project's settings decide, as in Django. A request is secure by the field of SECURE_PROXY_SSL_HEADER, else by
its scheme. No cache keeps the redirect: one that does not tell http from https would lead visitors in a circle.

Strategy: the fields are a part of the prepared header blocks, so they cost nothing. A response to an insecure request
goes out without HSTS (RFC 6797 §7.2). Only where HSTS or the redirect is on does anything depend on the scheme.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from static_host.origin.headers import Headers, build_error_headers
from static_host.origin.own_fields import explain_invalid_field
from static_host.origin.percent_decoding import unescape
from static_host.origin.request_head import HOST
from static_host.origin.response import Response

log = logging.getLogger("static_host.origin")

MAX_EXEMPT_BYTES = 1024
"""Maximum length of a raw path that SECURE_REDIRECT_EXEMPT is matched against: patterns may take quadratic time."""
MAX_HOST_BYTES = 300
"""Maximum length of the host that a request names."""
_DOCUMENT_TYPES = ("text/html", "application/xhtml+xml", "image/svg+xml", "application/xml", "text/xml")
_SAFE = "/%[]=:;$&()+,!?*@'~"
"""Characters besides letters, digits, ``_.-`` that a path or a query keeps, as in Django's iri_to_uri."""


@dataclass(frozen=True, slots=True)
class SecurityPolicy:
    """The fields of static responses, and when a request is redirected. Without arguments: none, and never."""

    hsts: Headers = ()
    """Strict-Transport-Security, for secure requests."""
    referrer_policy: Headers = ()
    opener_policy: Headers = ()
    """Cross-Origin-Opener-Policy, for documents: browsers ignore it elsewhere."""
    proxy_header: tuple[bytes, bytes] | None = None
    """Name, in lower case, and secure value."""
    is_redirecting: bool = False
    redirect_host: bytes = b""
    exempt: tuple[re.Pattern[str], ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    host_fields: tuple[bytes, ...] = (b"host",)

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> SecurityPolicy:
        """Return the policy of a project, as its worker describes it; nothing from no facts."""
        if not facts:
            return cls()
        name, value = facts["proxy_header"] or ("", "")
        return cls(
            hsts=_make_field("strict-transport-security", facts["hsts"]),
            referrer_policy=_make_field("referrer-policy", facts["referrer_policy"]),
            opener_policy=_make_field("cross-origin-opener-policy", facts["opener_policy"]),
            proxy_header=(name.encode(), value.encode("latin-1", "replace")) if name else None,
            is_redirecting=facts["redirects"],
            redirect_host=quote(facts["redirect_host"], _SAFE).encode(),
            exempt=tuple(_compile_patterns(facts["redirect_exempt"])),
            allowed_hosts=tuple(facts["allowed_hosts"]),
            host_fields=(b"x-forwarded-host", b"host") if facts["uses_forwarded_host"] else (b"host",),
        )

    @property
    def depends_on_scheme(self) -> bool:
        """Whether a response can depend on whether its request is secure."""
        return bool(self.hsts) or self.is_redirecting

    @property
    def scheme_fields(self) -> tuple[str, ...]:
        """The request fields that decide whether a request is secure, in lower case; none if nothing depends on it."""
        if not self.depends_on_scheme:
            return ()
        own = (self.proxy_header[0].decode(),) if self.proxy_header else ()
        return tuple(dict.fromkeys((*own, "x-forwarded-proto")))

    def select_fields(self, media_type: str) -> Headers:
        """Return the fields of a static response with this media type."""
        is_document = media_type.partition(";")[0].strip().lower() in _DOCUMENT_TYPES
        return (*self.hsts, *self.referrer_policy, *(self.opener_policy if is_document else ()))

    def is_secure(self, scheme: str, fields: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether Django would call a request secure; names of `fields` are in lower case."""
        if self.proxy_header is not None:
            values = [value for name, value in fields if name == self.proxy_header[0]]
            if values:
                return values[0].partition(b",")[0].strip() == self.proxy_header[1]
        return scheme == "https"

    def requires_redirect(self, path: bytes) -> bool:
        """Whether an insecure request for a raw path is redirected."""
        if not self.is_redirecting:
            return False
        if not self.exempt or len(path) > MAX_EXEMPT_BYTES:
            return True
        text = unescape(path).decode("utf-8", "replace").lstrip("/")
        return not any(pattern.search(text) for pattern in self.exempt)

    def build_redirect(self, method: str, path: bytes, query: bytes, fields: Iterable[tuple[bytes, bytes]]) -> Response:
        """Return the redirect to https, or 400 if the request names no host of the project."""
        host = self.redirect_host or self._find_host(dict(fields))
        if not host:
            text = b"Bad Request\n"
            return Response(400, build_error_headers(text), () if method == "HEAD" else (text,))
        target = quote(path, _SAFE) + (f"?{quote(query, _SAFE)}" if query else "")
        return Response(301, build_error_headers(b"", (b"location", b"https://" + host + target.encode())))

    def adapt(self, response: Response, *, is_secure: bool) -> Response:
        """Return a response as it is sent: without HSTS to an insecure request (RFC 6797 §7.2)."""
        if is_secure or not self.hsts or self.hsts[0] not in response.headers:
            return response
        return replace(response, headers=tuple(field for field in response.headers if field != self.hsts[0]))

    def _find_host(self, fields: Mapping[bytes, bytes]) -> bytes:
        """Return the host of a request if it is one of ALLOWED_HOSTS, with its port; else nothing."""
        host = next((fields[name].strip(b" \t") for name in self.host_fields if name in fields), b"")
        if len(host) > MAX_HOST_BYTES or not HOST.fullmatch(host):
            return b""
        text = host.decode().lower()
        domain = text.rpartition(":")[0] if text.rpartition("]")[2].count(":") else text
        return host if any(_matches(domain.removesuffix("."), allowed) for allowed in self.allowed_hosts) else b""


def _matches(domain: str, allowed: str) -> bool:
    return allowed in ("*", domain) or (allowed[:1] == "." and (domain == allowed[1:] or domain.endswith(allowed)))


def _make_field(name: str, value: str) -> Headers:
    if not value:
        return ()
    reason = explain_invalid_field(name, value)
    if reason:
        log.warning("static files have no %s of the project's: %s", name, reason)
    return () if reason else ((name.encode(), value.encode()),)


def _compile_patterns(patterns: Iterable[tuple[str, int]]) -> Iterable[re.Pattern[str]]:
    for pattern, flags in patterns:
        try:
            yield re.compile(pattern, flags)
        except re.error as error:  # another version of Python may know more
            log.warning("SECURE_REDIRECT_EXEMPT: %r exempts no static file: %s", pattern, error)
