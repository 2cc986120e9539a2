"""Random request heads: nothing raises, nothing is a server error, and every body decodes to its resource.

2,000 heads in ``make test``, 100,000 in ``make slow``. A failure names the seed of its batch.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from pathlib import Path

import brotli
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from static_host.origin.responder import Responder
from static_host.origin.response import Slice
from static_host.origin.tree import load_tree
from tests.support.builds import decompress_zstd
from tests.support.cases import CASES, CSS_BR, DIGITS_DATE, DIGITS_ETAG, NOT_OURS

BATCHES, ALL_BATCHES = 10, 500
BATCH = 200

DECODE = {b"br": brotli.decompress, b"gzip": gzip.decompress, b"zstd": decompress_zstd, b"": bytes}
PATHS = [case.path for case in CASES if len(case.path) < 200 and "large" not in case.path] + NOT_OURS
VALUES = {
    b"accept-encoding": ["br", "gzip", "*", "identity", ";q=", "0", "0.5", "1", ",", " ", "x-gzip", "\t", "zstd"],
    b"range": ["bytes=", "-", "0", "1", "5", "499", "99999999999999999999", ",", " ", "x", "items="],
    b"available-dictionary": [":", "a" * 43, "=", ":" + "b" * 43 + "=:", '"', ";q=1", "é"],
    b"if-range": [DIGITS_ETAG, CSS_BR, DIGITS_DATE, "W/", '"'],
    b"if-none-match": [DIGITS_ETAG, CSS_BR, "W/", "*", ",", " ", '"', "x"],
    b"if-match": [DIGITS_ETAG, CSS_BR, "W/", "*", ",", '""'],
    b"if-modified-since": [
        DIGITS_DATE,
        "Mon, ",
        "Mon Nov  2 08:49:37 2026",
        "99",
        "GMT",
        "Monday, 16-Nov-26 08:49:37 GMT",
    ],
    b"if-unmodified-since": [DIGITS_DATE, "Sun, 06 Nov 1994 08:49:37 GMT", "0"],
}
Head = tuple[str, bytes, list[tuple[bytes, bytes]]]


@pytest.fixture(scope="module")
def responder(plain: Path) -> Responder:
    return Responder(load_tree(plain / "staticfiles"), "/static/", 60, ("robots.txt", ".well-known/"))


def heads(seed: int) -> Iterator[Head]:
    """Yield a batch of heads: paths and values from the pieces above, some with random bytes in them."""
    chance = random.Random(seed)
    for _ in range(BATCH):
        path = bytearray(chance.choice(PATHS).encode())
        if path and chance.random() < 0.2:
            path[chance.randrange(len(path))] = chance.randrange(256)
        fields = []
        for _ in range(chance.choice((0, 1, 1, 2, 3, 5))):
            name, pieces = chance.choice(list(VALUES.items()))
            value = bytearray("".join(chance.choices(pieces, k=chance.randint(1, 6))).encode())
            if chance.random() < 0.1:
                value[chance.randrange(len(value))] = chance.randrange(256)
            fields.append((name, bytes(value)))
        yield chance.choice(("GET", "GET", "GET", "HEAD", "OPTIONS", "POST", "\xff")), bytes(path), fields


@settings(max_examples=BATCHES, deadline=None)
@given(st.integers(0, 2**64))
def test_no_head_breaks_the_origin(responder: Responder, seed: int) -> None:
    for head in heads(seed):
        check(responder, head, seed)


@pytest.mark.slow
@settings(max_examples=ALL_BATCHES, deadline=None)
@given(st.integers(0, 2**64))
def test_no_head_of_many_breaks_the_origin(responder: Responder, seed: int) -> None:
    for head in heads(seed):
        check(responder, head, seed)


def check(responder: Responder, head: Head, seed: int) -> None:
    response = responder.respond(*head)
    if response is None:
        return
    headers = dict(response.headers)
    assert response.status in (200, 204, 206, 304, 404, 405, 406, 412, 416), (seed, head)
    assert not any(b"\r" in value or b"\n" in value for value in headers.values()), (seed, head)
    body = b"".join(part for part in response.body if not isinstance(part, Slice))
    if head[0] == "HEAD" or response.status in (204, 304):
        assert body == b"", (seed, head)
    else:
        assert headers[b"content-length"] == b"%d" % len(body), (seed, head)
    if response.status in (200, 206) and head[0] == "GET":
        assert is_of_the_resource(responder, headers, response.status, body), (seed, head)


def is_of_the_resource(responder: Responder, headers: dict[bytes, bytes], status: int, body: bytes) -> bool:
    """Whether the body is the representation that the ETag names, or the part of it that Content-Range names."""
    root, index = responder.tree.root, responder.tree.index
    digest = headers[b"etag"].strip(b'"').decode()
    name, whole = next(
        (name, (root / r.file).read_bytes())
        for name in index
        for r in index[name].representations
        if r.digest == digest
    )
    if DECODE[headers.get(b"content-encoding", b"")](whole) != (root / name).read_bytes():
        return False
    if status == 200:
        return body == whole
    if b"content-range" in headers:
        first, last = headers[b"content-range"].split()[1].partition(b"/")[0].split(b"-")
        return body == whole[int(first) : int(last) + 1]
    parts = body.split(b"--" + digest.encode())[1:-1]
    contents = [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts]
    return len(contents) > 1 and all(content in whole for content in contents)
