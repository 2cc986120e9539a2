"""Checks content codings, the bytes in them, and their entity tags (RFC 9110 §8.4, §8.8, §12.5).

Rule: what browsers get counts. It is information if a CDN does not request a coding for a client that accepts only this
one: CDNs normalise Accept-Encoding, and no browser accepts zstd alone. It is an error, for any client, if it cannot
decode a response, if bytes differ, or if different bytes share one entity tag.
"""

from __future__ import annotations

from collections.abc import Iterator

from static_host.verify.audit_issue import Issue
from static_host.verify.probe import ACCEPT_ENCODINGS, FileProbe
from static_host.verify.received_response import ReceivedResponse

BEST_CODINGS = ("br", "zstd")


def find_coding_issues(probe: FileProbe) -> Iterator[Issue]:
    """Check the responses for one file."""
    yield from _check_unrequested(probe)
    yield from _check_bodies(probe)
    if probe.is_compressible:
        yield from _check_compression(probe)
        yield from _check_re_encoding(probe)
        yield from _check_vary(probe)
    yield from _check_etags(probe)


def classify_coding(response: ReceivedResponse, asked: str) -> str:
    """Return the origin of a response's coding: "as built", "re-encoded", "sent" (unknown), "none" or "unasked"."""
    if not _is_requested_coding(response, asked):
        return "unasked"
    if response.coding == "identity":
        return "none"
    return {True: "as built", False: "re-encoded", None: "sent"}[response.is_as_built]


def _is_requested_coding(response: ReceivedResponse, asked: str) -> bool:
    return response.coding in {"identity", *(part.strip() for part in ACCEPT_ENCODINGS[asked].split(","))}


def _check_unrequested(probe: FileProbe) -> Iterator[Issue]:
    for asked, response in probe.successful_responses:
        if not _is_requested_coding(response, asked):
            wanted = "no coding" if asked == "identity" else f"{ACCEPT_ENCODINGS[asked]} alone"
            text = (
                f"a client that accepts {wanted} gets {response.coding}, which it may not understand: the cache "
                "ignores Vary, and sends one response to all"
            )
            yield Issue("error", "coding", text)
            return


def _check_bodies(probe: FileProbe) -> Iterator[Issue]:
    """Check that all bodies, once decoded, are the same."""
    whole = [(asked, response) for asked, response in probe.successful_responses if response.is_complete]
    for asked, response in whole:
        if response.decoded_digest is None and _is_requested_coding(response, asked):
            yield Issue(
                "error", "body", f"the body cannot be decoded as {response.coding}, which Content-Encoding says"
            )
            return
    if len({response.decoded_digest for _, response in whole if response.decoded_digest is not None}) > 1:
        text = "the decoded bytes differ between responses: they are of two releases, or damaged"
        yield Issue("error", "body", text)


def _check_compression(probe: FileProbe) -> Iterator[Issue]:
    """Check that browsers get the best codings, and that clients with one coding get that."""
    coding = probe.browser_response.coding
    if coding == "identity":
        yield Issue("error", "compression", "browsers get no compression, though the file is compressible")
    elif coding not in BEST_CODINGS:
        yield Issue("warning", "compression", f"browsers get {coding} instead of br or zstd, which are smaller")
    lost = [asked for asked in ("br", "gzip", "zstd") if probe.first[asked].coding == "identity"]
    if lost and coding != "identity":
        yield Issue(
            "info", "codings", f"clients that accept {' or '.join(lost)} alone get no compression; browsers accept all"
        )


def _check_re_encoding(probe: FileProbe) -> Iterator[Issue]:
    ways = {asked: classify_coding(response, asked) for asked, response in probe.first.items()}
    if ways["browser"] == "re-encoded":
        text = f"browsers get {probe.browser_response.coding} from the CDN's fast encoder, not from the build"
        yield Issue("warning", "re-encoded", text)
    others = [asked for asked in ("br", "gzip", "zstd") if ways[asked] == "re-encoded"]
    if others and ways["browser"] != "re-encoded":
        yield Issue("info", "re-encoded", f"the CDN re-encodes {' and '.join(others)} for clients that accept it alone")


def _check_vary(probe: FileProbe) -> Iterator[Issue]:
    if all(response.coding == "identity" for _, response in probe.successful_responses):
        return
    for _, response in probe.successful_responses:
        if "*" in response.vary_names:
            yield Issue("error", "vary", "Vary: * forbids all caches to reuse the response")
            return
        if "accept-encoding" not in response.vary_names:
            text = (
                "Vary lacks Accept-Encoding, though there are several codings: a cache on the way may send "
                "visitors the wrong one"
            )
            yield Issue("warning", "vary", text)
            return


def _check_etags(probe: FileProbe) -> Iterator[Issue]:
    responses = [response for _, response in probe.successful_responses]
    if any(response.etag_strength == "strong" and response.is_as_built is False for response in responses):
        text = "the strong entity tag is not that of the bytes: they were changed on the way"
        yield Issue("error", "etag", text)
    elif len({(response.etag, response.coding) for response in responses if response.etag_strength == "strong"}) > len(
        {response.etag for response in responses if response.etag_strength == "strong"}
    ):
        text = "two codings share one strong entity tag: a resumed download may mix them"
        yield Issue("error", "etag", text)
    if any(response.etag_strength == "none" for response in responses):
        text = "there is no entity tag: browsers cannot revalidate their copy or resume a download"
        yield Issue("warning", "etag", text)
    elif any(response.etag_strength == "weak" for response in responses):
        text = "entity tags are weak in at least one coding: interrupted downloads start again"
        yield Issue("info", "etag", text)
