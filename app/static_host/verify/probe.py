"""What was asked and answered, for judges to read: a file's examination, a page, and a name that does not exist.

Rule: a file is asked for first as a browser does, then in each coding alone, and all of it once more; so the first
answers are from the origin as far as nobody asked before, and the others from the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from static_host.verify.page_references import PageReference
from static_host.verify.response import ReceivedResponse
from static_host.verify.scope import is_fingerprinted, parse_origin

BROWSER_ACCEPT_ENCODING = "gzip, deflate, br, zstd"
ACCEPT_ENCODINGS = {
    "browser": BROWSER_ACCEPT_ENCODING,
    "br": "br",
    "zstd": "zstd",
    "gzip": "gzip",
    "identity": "identity",
}
"""Name of a way of asking → Accept-Encoding; "browser" is what Chromium and Firefox send over HTTPS."""


@dataclass(slots=True)
class FileProbe:
    """The answers for one file. `failure` is why there are none, or no more.

    `gains` is whether compression makes much of the file. `revalidated` is for the entity tag that a browser has,
    `part` for the first byte, and `deltas` for the file's own bytes as dictionary and for one that nobody has. `named`
    is what a stylesheet names.
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
        """Let go of bodies: what is judged is known of them."""
        for answers in (self.first, self.second):
            answers.update({name: answer.drop_body() for name, answer in answers.items()})
        self.deltas = tuple(answer.drop_body() for answer in self.deltas)
        self.revalidation = self.revalidation and self.revalidation.drop_body()
        self.partial_response = self.partial_response and self.partial_response.drop_body()

    @property
    def url(self) -> str:
        """The file's URL."""
        return self.reference.url

    @property
    def browser_response(self) -> ReceivedResponse:
        """What a browser gets that asks for the first time."""
        return self.first["browser"]

    @property
    def is_available(self) -> bool:
        """Whether there is a file to judge."""
        return "identity" in self.first and self.browser_response.status == 200

    @property
    def successful_responses(self) -> Iterator[tuple[str, ReceivedResponse]]:
        """All answers with a whole file, each with how it was asked for."""
        for answers in (self.first, self.second):
            yield from ((name, answer) for name, answer in answers.items() if answer.status == 200)

    @property
    def is_immutable(self) -> bool:
        """Whether the name has a fingerprint, or an answer says that the file never changes."""
        return is_fingerprinted(self.url) or any(
            "immutable" in each.directives for _, each in self.successful_responses
        )

    @property
    def is_cross_origin(self) -> bool:
        """Whether the file's origin is not the page's."""
        return parse_origin(self.url) != parse_origin(self.page_url)


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it was found in the end, after redirects, asked for twice."""

    url: str
    first: ReceivedResponse
    second: ReceivedResponse
    references: list[PageReference]


@dataclass(frozen=True, slots=True)
class NotFoundProbe:
    """The answers for a name that does not exist."""

    url: str
    responses: tuple[ReceivedResponse, ...]
    failure: str = ""
