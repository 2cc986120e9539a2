"""Codings, the bytes in them, and their entity tags (RFC 9110 §8.4, §8.8, §12.5).

Rule: what counts is what browsers get. A coding that a CDN does not ask for on behalf of those who speak no other one
is information: CDNs normalise Accept-Encoding, and nobody browses with zstd alone. What a client cannot decode, bytes
that differ, and one entity tag for different bytes are errors, whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterator

from static_host.verify.issues import Issue
from static_host.verify.probe import ACCEPT_ENCODINGS, FileProbe
from static_host.verify.response import ReceivedResponse

BEST_CODINGS = ("br", "zstd")


def find_coding_issues(examination: FileProbe) -> Iterator[Issue]:
    """Judge one file."""
    yield from _check_unrequested(examination)
    yield from _check_bodies(examination)
    if examination.is_compressible:
        yield from _check_compression(examination)
        yield from _check_re_encoding(examination)
        yield from _check_vary(examination)
    yield from _check_etags(examination)


def classify_coding(answer: ReceivedResponse, asked: str) -> str:
    """Return how an answer's coding came about: "as built", "re-encoded", "sent" (nothing tells), "none", "unasked"."""
    if not _is_requested_coding(answer, asked):
        return "unasked"
    if answer.coding == "identity":
        return "none"
    return {True: "as built", False: "re-encoded", None: "sent"}[answer.is_as_built]


def _is_requested_coding(answer: ReceivedResponse, asked: str) -> bool:
    return answer.coding in {"identity", *(part.strip() for part in ACCEPT_ENCODINGS[asked].split(","))}


def _check_unrequested(examination: FileProbe) -> Iterator[Issue]:
    for asked, answer in examination.successful_responses:
        if not _is_requested_coding(answer, asked):
            wanted = "no coding" if asked == "identity" else f"{ACCEPT_ENCODINGS[asked]} alone"
            text = (
                f"who asks for {wanted} gets {answer.coding}, which it may not be able to read: the cache keeps one "
                "answer for all, whatever Vary says"
            )
            yield Issue("error", "coding", text)
            return


def _check_bodies(examination: FileProbe) -> Iterator[Issue]:
    """Find bodies that are not the same file."""
    whole = [(asked, answer) for asked, answer in examination.successful_responses if answer.is_complete]
    for asked, answer in whole:
        if answer.decoded_digest is None and _is_requested_coding(answer, asked):
            yield Issue("error", "body", f"the body says that it is {answer.coding}, and cannot be decoded")
            return
    if len({answer.decoded_digest for _, answer in whole if answer.decoded_digest is not None}) > 1:
        text = "the bytes differ from answer to answer, once they are decoded: copies of two releases, or damage"
        yield Issue("error", "body", text)


def _check_compression(examination: FileProbe) -> Iterator[Issue]:
    """Find what browsers do not get, and what those do not get who ask for one coding alone."""
    coding = examination.browser_response.coding
    if coding == "identity":
        yield Issue("error", "compression", "browsers get no compression at all, though the file would gain from it")
    elif coding not in BEST_CODINGS:
        yield Issue("warning", "compression", f"browsers get {coding}, and neither br nor zstd, which are smaller")
    lost = [asked for asked in ("br", "gzip", "zstd") if examination.first[asked].coding == "identity"]
    if lost and coding != "identity":
        yield Issue(
            "info", "codings", f"who asks for {' or '.join(lost)} alone gets no compression; browsers ask for all"
        )


def _check_re_encoding(examination: FileProbe) -> Iterator[Issue]:
    ways = {asked: classify_coding(answer, asked) for asked, answer in examination.first.items()}
    if ways["browser"] == "re-encoded":
        text = (
            f"{examination.browser_response.coding} for browsers was made on the way, in a hurry, and not by the build"
        )
        yield Issue("warning", "re-encoded", text)
    others = [asked for asked in ("br", "gzip", "zstd") if ways[asked] == "re-encoded"]
    if others and ways["browser"] != "re-encoded":
        yield Issue("info", "re-encoded", f"{' and '.join(others)}, asked for alone, was made on the way")


def _check_vary(examination: FileProbe) -> Iterator[Issue]:
    if all(answer.coding == "identity" for _, answer in examination.successful_responses):
        return
    for _, answer in examination.successful_responses:
        if "*" in answer.vary_names:
            yield Issue("error", "vary", "Vary: * forbids every cache to use the answer again")
            return
        if "accept-encoding" not in answer.vary_names:
            text = (
                "Vary does not name Accept-Encoding, though there are several codings: a cache on the way to the "
                "visitor gives them the wrong one"
            )
            yield Issue("warning", "vary", text)
            return


def _check_etags(examination: FileProbe) -> Iterator[Issue]:
    answers = [answer for _, answer in examination.successful_responses]
    if any(answer.etag_strength == "strong" and answer.is_as_built is False for answer in answers):
        text = "the entity tag is not that of the bytes: they were changed on the way, and the strong tag was kept"
        yield Issue("error", "etag", text)
    elif len({(answer.etag, answer.coding) for answer in answers if answer.etag_strength == "strong"}) > len(
        {answer.etag for answer in answers if answer.etag_strength == "strong"}
    ):
        text = "two codings share one strong entity tag: a resumed download can splice them"
        yield Issue("error", "etag", text)
    if any(answer.etag_strength == "none" for answer in answers):
        text = "there is no entity tag: what a browser has cannot be revalidated, nor a download resumed"
        yield Issue("warning", "etag", text)
    elif any(answer.etag_strength == "weak" for answer in answers):
        text = "entity tags are weak, at least in one coding: a download that breaks off there begins anew"
        yield Issue("info", "etag", text)
