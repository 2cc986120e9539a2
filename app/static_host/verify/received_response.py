"""One response as it came over the wire, and what its header fields mean (RFC 9110, RFC 9111).

Rule: the body is the bytes as they were sent, in their coding. Only length and digests are kept: many large files in
every coding would need too much memory. Fields are read as a cache reads them; an invalid value counts as absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

_ORIGIN_ETAG = re.compile(r'"[A-Za-z0-9_-]{24}"')


@dataclass(frozen=True, slots=True)
class ReceivedResponse:
    """Status, header fields (names in lower case), and facts of the body as it was sent.

    `size` is its length in bytes, `digest` its digest in the form of the tree's index. `is_complete` is false if it was
    too long to be read or decoded. `decoded_body` is None after `drop_body`, and both it and `decoded_digest` are None
    if there is no decodable body. `http_version` is "HTTP/1.1" or "HTTP/2".
    """

    status: int
    headers: Mapping[str, str]
    size: int
    digest: str
    is_complete: bool
    decoded_body: bytes | None
    decoded_digest: str | None
    http_version: str

    def drop_body(self) -> Self:
        """Return the same response without its decoded body."""
        return replace(self, decoded_body=None)

    @property
    def coding(self) -> str:
        """The content coding (§8.4), or "identity"."""
        return self.headers.get("content-encoding", "").strip().lower() or "identity"

    @property
    def media_type(self) -> str:
        """The media type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def etag(self) -> str:
        """The entity tag (§8.8.3), or ""."""
        return self.headers.get("etag", "").strip()

    @property
    def etag_strength(self) -> str:
        """Return "strong", "weak", or "none" without an entity tag."""
        return "weak" if self.etag.startswith("W/") else "strong" if self.etag.startswith('"') else "none"

    @property
    def is_as_built(self) -> bool | None:
        """Whether the origin's entity tag is the digest of these bytes; None if that cannot be known.

        A proxy that changes the bytes makes a strong tag weak (§8.8.1).
        """
        if self.etag_strength == "weak":
            return False
        if not self.is_complete or not _ORIGIN_ETAG.fullmatch(self.etag):
            return None
        return self.etag == f'"{self.digest}"'

    @property
    def directives(self) -> dict[str, str]:
        """The directives of Cache-Control (RFC 9111 §5.2), names in lower case."""
        parts = (part.partition("=") for part in self.headers.get("cache-control", "").split(","))
        return {name.strip().lower(): value.strip().strip('"') for name, _, value in parts if name.strip()}

    @property
    def max_age(self) -> int | None:
        """Seconds for which a browser may reuse the response, or None."""
        value = self.directives.get("max-age", "")
        return int(value) if re.fullmatch(r"[0-9]{1,12}", value) else None

    @property
    def is_cacheable(self) -> bool:
        """Whether Cache-Control lets a shared cache keep the response and use it at once (RFC 9111 §3)."""
        own = self.directives
        if {"no-store", "private", "no-cache"} & set(own):
            return False
        return own.get("s-maxage", own.get("max-age", "")).strip("0") != ""

    @property
    def vary_names(self) -> frozenset[str]:
        """The names in Vary (§12.5.5), in lower case."""
        return frozenset(name.strip().lower() for name in self.headers.get("vary", "").split(",") if name.strip())

    @property
    def age(self) -> int:
        """The value of Age, in seconds; 0 without it."""
        value = self.headers.get("age", "").strip()
        return int(value) if re.fullmatch(r"[0-9]{1,12}", value) else 0

    def is_readable_by(self, origin: str) -> bool:
        """Whether pages of that origin may read the response (Fetch, "CORS check", without credentials)."""
        return self.headers.get("access-control-allow-origin", "").strip() in ("*", origin)
