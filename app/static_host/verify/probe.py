"""The responses of an audit: those for a file, a page, and a name that does not exist.

Rule: a file is requested as a browser does, then in each coding alone, and all of that twice. So the first responses
are from the origin, unless others requested the file before, and the second ones from the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from static_host.verify.audit_scope import is_fingerprinted, parse_origin
from static_host.verify.page_references import PageReference
from static_host.verify.received_response import ReceivedResponse

BROWSER_ACCEPT_ENCODING = "gzip, deflate, br, zstd"
ACCEPT_ENCODINGS = {
    "browser": BROWSER_ACCEPT_ENCODING,
    "br": "br",
    "zstd": "zstd",
    "gzip": "gzip",
    "identity": "identity",
}
"""Name of a request → its Accept-Encoding; "browser" is what Chromium and Firefox send over HTTPS."""


@dataclass(slots=True)
class FileProbe:
    """The responses for one file. `failure` says why there are none, or no further ones.

    `first` and `second` are the two rounds, by the names of `ACCEPT_ENCODINGS`. `revalidation` is for If-None-Match,
    `partial_response` for the first byte. `deltas` are the responses with the file itself as dictionary, and with an
    unknown one. `stylesheet_references` are the references of a stylesheet.
    """

    reference: PageReference
    page_url: str
    first: dict[str, ReceivedResponse] = field(default_factory=dict)
    second: dict[str, ReceivedResponse] = field(default_factory=dict)
    is_compressible: bool = False
    revalidation: ReceivedResponse | None = None
    partial_response: ReceivedResponse | None = None
    deltas: tuple[ReceivedResponse, ...] = ()
    failure: str = ""
    stylesheet_references: list[PageReference] = field(default_factory=list)

    def drop_bodies(self) -> None:
        """Free the bodies; their lengths and digests stay."""
        for responses in (self.first, self.second):
            responses.update({name: response.drop_body() for name, response in responses.items()})
        self.deltas = tuple(response.drop_body() for response in self.deltas)
        self.revalidation = self.revalidation and self.revalidation.drop_body()
        self.partial_response = self.partial_response and self.partial_response.drop_body()

    @property
    def url(self) -> str:
        """The file's URL."""
        return self.reference.url

    @property
    def browser_response(self) -> ReceivedResponse:
        """The response to a browser's first request."""
        return self.first["browser"]

    @property
    def is_available(self) -> bool:
        """Whether there is a file to check."""
        return "identity" in self.first and self.browser_response.status == 200

    @property
    def successful_responses(self) -> Iterator[tuple[str, ReceivedResponse]]:
        """All responses with status 200, each with the name of its request."""
        for responses in (self.first, self.second):
            yield from ((name, response) for name, response in responses.items() if response.status == 200)

    @property
    def is_immutable(self) -> bool:
        """Whether the name has a fingerprint, or a response says that the file never changes."""
        return is_fingerprinted(self.url) or any(
            "immutable" in each.directives for _, each in self.successful_responses
        )

    @property
    def is_cross_origin(self) -> bool:
        """Whether the file's origin is not the page's."""
        return parse_origin(self.url) != parse_origin(self.page_url)


@dataclass(frozen=True, slots=True)
class Page:
    """A page after redirects, requested twice."""

    url: str
    first: ReceivedResponse
    second: ReceivedResponse
    references: list[PageReference]


@dataclass(frozen=True, slots=True)
class NotFoundProbe:
    """The responses for a name that does not exist."""

    url: str
    responses: tuple[ReceivedResponse, ...]
    failure: str = ""
