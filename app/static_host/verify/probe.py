"""What was asked and answered, for judges to read: a file's examination, a page, and a name that does not exist.

Rule: a file is asked for first as a browser does, then in each coding alone, and all of it once more; so the first
answers are from the origin as far as nobody asked before, and the others from the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from static_host.verify.page_references import Reference
from static_host.verify.response import Answer
from static_host.verify.scope import is_fingerprinted, origin_of

BROWSER = "gzip, deflate, br, zstd"
ASKED = {"browser": BROWSER, "br": "br", "zstd": "zstd", "gzip": "gzip", "identity": "identity"}
"""Name of a way of asking → Accept-Encoding; "browser" is what Chromium and Firefox send over HTTPS."""


@dataclass(slots=True)
class Examination:
    """The answers for one file. `failure` is why there are none, or no more.

    `gains` is whether compression makes much of the file. `revalidated` is for the entity tag that a browser has,
    `part` for the first byte, and `deltas` for the file's own bytes as dictionary and for one that nobody has. `named`
    is what a stylesheet names.
    """

    reference: Reference
    page: str
    first: dict[str, Answer] = field(default_factory=dict)
    again: dict[str, Answer] = field(default_factory=dict)
    gains: bool = False
    revalidated: Answer | None = None
    part: Answer | None = None
    deltas: tuple[Answer, ...] = ()
    failure: str = ""
    named: list[Reference] = field(default_factory=list)

    def forget_bytes(self) -> None:
        """Let go of bodies: what is judged is known of them."""
        for answers in (self.first, self.again):
            answers.update({name: answer.without_bytes() for name, answer in answers.items()})
        self.deltas = tuple(answer.without_bytes() for answer in self.deltas)
        self.revalidated = self.revalidated and self.revalidated.without_bytes()
        self.part = self.part and self.part.without_bytes()

    @property
    def url(self) -> str:
        """The file's URL."""
        return self.reference.url

    @property
    def usual(self) -> Answer:
        """What a browser gets that asks for the first time."""
        return self.first["browser"]

    @property
    def is_there(self) -> bool:
        """Whether there is a file to judge."""
        return "identity" in self.first and self.usual.status == 200

    @property
    def answers(self) -> Iterator[tuple[str, Answer]]:
        """All answers with a whole file, each with how it was asked for."""
        for answers in (self.first, self.again):
            yield from ((name, answer) for name, answer in answers.items() if answer.status == 200)

    @property
    def is_fixed(self) -> bool:
        """Whether the name has a fingerprint, or an answer says that the file never changes."""
        return is_fingerprinted(self.url) or any("immutable" in each.directives for _, each in self.answers)

    @property
    def is_elsewhere(self) -> bool:
        """Whether the file's origin is not the page's."""
        return origin_of(self.url) != origin_of(self.page)


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it was found in the end, after redirects, asked for twice."""

    url: str
    first: Answer
    again: Answer
    references: list[Reference]


@dataclass(frozen=True, slots=True)
class Absence:
    """The answers for a name that does not exist."""

    url: str
    answers: tuple[Answer, ...]
    failure: str = ""
