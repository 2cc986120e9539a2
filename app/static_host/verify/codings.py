"""Codings, the bytes in them, and their entity tags (RFC 9110 §8.4, §8.8, §12.5).

Rule: what counts is what browsers get. A coding that a CDN does not ask for on behalf of those who speak no other one
is information: CDNs normalise Accept-Encoding, and nobody browses with zstd alone. What a client cannot decode, bytes
that differ, and one entity tag for different bytes are errors, whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterator

from static_host.verify.issues import Flaw
from static_host.verify.probe import ASKED, Examination
from static_host.verify.response import Answer

BEST = ("br", "zstd")


def flaws(examination: Examination) -> Iterator[Flaw]:
    """Judge one file."""
    yield from _unasked(examination)
    yield from _different(examination)
    if examination.gains:
        yield from _lost(examination)
        yield from _re_encoded(examination)
        yield from _unvaried(examination)
    yield from _tags(examination)


def way(answer: Answer, asked: str) -> str:
    """Return how an answer's coding came about: "as built", "re-encoded", "sent" (nothing tells), "none", "unasked"."""
    if not _is_asked(answer, asked):
        return "unasked"
    if answer.coding == "identity":
        return "none"
    return {True: "as built", False: "re-encoded", None: "sent"}[answer.is_as_built]


def _is_asked(answer: Answer, asked: str) -> bool:
    return answer.coding in {"identity", *(part.strip() for part in ASKED[asked].split(","))}


def _unasked(examination: Examination) -> Iterator[Flaw]:
    for asked, answer in examination.answers:
        if not _is_asked(answer, asked):
            wanted = "no coding" if asked == "identity" else f"{ASKED[asked]} alone"
            text = (
                f"who asks for {wanted} gets {answer.coding}, which it may not be able to read: the cache keeps one "
                "answer for all, whatever Vary says"
            )
            yield Flaw("error", "coding", text)
            return


def _different(examination: Examination) -> Iterator[Flaw]:
    """Find bodies that are not the same file."""
    whole = [(asked, answer) for asked, answer in examination.answers if answer.whole]
    for asked, answer in whole:
        if answer.content is None and _is_asked(answer, asked):
            yield Flaw("error", "body", f"the body says that it is {answer.coding}, and cannot be decoded")
            return
    if len({answer.content for _, answer in whole if answer.content is not None}) > 1:
        text = "the bytes differ from answer to answer, once they are decoded: copies of two releases, or damage"
        yield Flaw("error", "body", text)


def _lost(examination: Examination) -> Iterator[Flaw]:
    """Find what browsers do not get, and what those do not get who ask for one coding alone."""
    coding = examination.usual.coding
    if coding == "identity":
        yield Flaw("error", "compression", "browsers get no compression at all, though the file would gain from it")
    elif coding not in BEST:
        yield Flaw("warning", "compression", f"browsers get {coding}, and neither br nor zstd, which are smaller")
    lost = [asked for asked in ("br", "gzip", "zstd") if examination.first[asked].coding == "identity"]
    if lost and coding != "identity":
        yield Flaw(
            "info", "codings", f"who asks for {' or '.join(lost)} alone gets no compression; browsers ask for all"
        )


def _re_encoded(examination: Examination) -> Iterator[Flaw]:
    ways = {asked: way(answer, asked) for asked, answer in examination.first.items()}
    if ways["browser"] == "re-encoded":
        text = f"{examination.usual.coding} for browsers was made on the way, in a hurry, and not by the build"
        yield Flaw("warning", "re-encoded", text)
    others = [asked for asked in ("br", "gzip", "zstd") if ways[asked] == "re-encoded"]
    if others and ways["browser"] != "re-encoded":
        yield Flaw("info", "re-encoded", f"{' and '.join(others)}, asked for alone, was made on the way")


def _unvaried(examination: Examination) -> Iterator[Flaw]:
    if all(answer.coding == "identity" for _, answer in examination.answers):
        return
    for _, answer in examination.answers:
        if "*" in answer.varies_by:
            yield Flaw("error", "vary", "Vary: * forbids every cache to use the answer again")
            return
        if "accept-encoding" not in answer.varies_by:
            text = (
                "Vary does not name Accept-Encoding, though there are several codings: a cache on the way to the "
                "visitor gives them the wrong one"
            )
            yield Flaw("warning", "vary", text)
            return


def _tags(examination: Examination) -> Iterator[Flaw]:
    answers = [answer for _, answer in examination.answers]
    if any(answer.strength == "strong" and answer.is_as_built is False for answer in answers):
        text = "the entity tag is not that of the bytes: they were changed on the way, and the strong tag was kept"
        yield Flaw("error", "etag", text)
    elif len({(answer.etag, answer.coding) for answer in answers if answer.strength == "strong"}) > len(
        {answer.etag for answer in answers if answer.strength == "strong"}
    ):
        text = "two codings share one strong entity tag: a resumed download can splice them"
        yield Flaw("error", "etag", text)
    if any(answer.strength == "none" for answer in answers):
        text = "there is no entity tag: what a browser has cannot be revalidated, nor a download resumed"
        yield Flaw("warning", "etag", text)
    elif any(answer.strength == "weak" for answer in answers):
        text = "entity tags are weak, at least in one coding: a download that breaks off there begins anew"
        yield Flaw("info", "etag", text)
