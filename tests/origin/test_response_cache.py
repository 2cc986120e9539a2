"""Answers that are remembered: which, by how many words, and that misses and hits do not drive out each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from static_host.origin.request_head import MAX_HEAD_BYTES
from static_host.origin.responder import Responder
from static_host.origin.response import Response
from static_host.origin.response_cache import MAX_CACHED_NOT_FOUND, PreparedResponse, ResponseCache
from static_host.origin.tree import load_tree
from tests.support.trees import Files, make_tree

LARGE = bytes(range(256)) * 8_000


@pytest.fixture
def responder(tmp_path: Path) -> Responder:
    files: Files = {
        "a.txt": b"0123456789",
        "b.txt": b"0123456789",
        "c.txt": {"br": b"()", "identity": b"cccc"},
        "large": LARGE,
    }
    return Responder(load_tree(make_tree(tmp_path / "tree", files), 2 << 20), "/static/")  # 256 heads


@pytest.fixture
def answers(responder: Responder) -> ResponseCache:
    return ResponseCache(responder)


def head_of(path: str, *fields: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *fields, "", ""]).encode()


def remember(answers: ResponseCache, head: bytes) -> PreparedResponse:
    answer = answers.respond(head)
    assert answer is not None
    answer.close()
    return answer


def test_an_answer_is_found_again_by_the_same_words_alone(answers: ResponseCache) -> None:
    head = head_of("/static/c.txt", "Accept-Encoding: br")
    assert answers.find(head) is None
    answer = remember(answers, head)
    assert (answer.status, answer.coding, answers.get_body(answer.digest)) == (200, "br", b"()")
    assert answers.find(head) is answer
    assert answers.find(head_of("/static/c.txt", "Accept-Encoding: br", "Cookie: a=1")) is answer
    for other in (
        head_of("/static/c.txt"),
        head_of("/static/c.txt?", "Accept-Encoding: br"),
        head_of("/static/c.txt", "Accept-Encoding:  br"),
        head_of("/static/c.txt", "accept-encoding: br"),
        head_of("/static/c.txt", "Accept-Encoding: br", "If-None-Match: *"),
        b"HEAD" + head[3:],
    ):
        assert answers.find(other) is None


def test_names_that_are_not_there_drive_out_nothing_that_is(answers: ResponseCache) -> None:
    hit = head_of("/static/a.txt")
    remember(answers, hit)
    for number in range(3 * MAX_CACHED_NOT_FOUND):
        assert remember(answers, head_of(f"/static/{number}.txt")).status == 404
    found = answers.find(hit)
    assert found is not None
    assert found.status == 200


def test_nor_does_what_is_there_drive_out_names_that_are_not(answers: ResponseCache, responder: Responder) -> None:
    miss = head_of("/static/gone.txt")
    remember(answers, miss)
    for number in range(responder.tree.bodies.max_heads + 1):
        remember(answers, head_of(f"/static/a.txt?{number}"))
    found = answers.find(miss)
    assert found is not None
    assert found.status == 404


def test_the_names_that_are_not_there_are_at_most_1024_at_a_time(answers: ResponseCache) -> None:
    heads = [head_of(f"/static/{number}.txt") for number in range(1_025)]
    for head in heads[:-1]:
        remember(answers, head)
    assert all(answers.find(head) for head in heads[:-1])
    remember(answers, heads[-1])
    assert [head for head in heads if answers.find(head)] == heads[-1:]


def test_the_same_words_count_once(answers: ResponseCache) -> None:
    heads = [head_of(f"/static/{number}.txt") for number in range(600)]
    for head in (*heads, *heads):
        remember(answers, head)
    assert all(answers.find(head) for head in heads)


def test_all_names_that_are_not_there_have_one_answer(answers: ResponseCache) -> None:
    assert remember(answers, head_of("/static/1.txt")) is remember(answers, head_of("/static/2.txt"))
    head = remember(answers, head_of("/static/1.txt"))
    assert (head.body, head.digest, head.parts, head.coding) == (b"Not Found\n", "", (), "")
    assert (head.begin, head.stamp) == (0, None)
    without_body = answers.respond(b"HEAD" + head_of("/static/1.txt")[3:])
    assert without_body is not None
    assert (without_body.status, without_body.body) == (404, b"")


def test_a_body_is_held_by_the_tree_alone(answers: ResponseCache, responder: Responder) -> None:
    answer = remember(answers, head_of("/static/a.txt"))
    assert (answer.body, answer.parts) == (b"", ())
    assert answers.get_body(answer.digest) == b"0123456789"
    assert responder.tree.bodies.stored_bytes == 10


def test_equal_bodies_are_held_once(answers: ResponseCache, responder: Responder) -> None:
    for name in ("a.txt", "b.txt", "a.txt?1"):
        assert answers.get_body(remember(answers, head_of(f"/static/{name}")).digest) == b"0123456789"
    assert responder.tree.bodies.stored_bytes == 10


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (head_of("/static/a.txt"), 200),
        (b"HEAD" + head_of("/static/gone")[3:], 404),
        (head_of("/static/a.txt", "If-None-Match: *"), 304),
        (head_of("/static/gone"), 404),
        (head_of("/static/a.txt?" + "x" * 229), 200),  # 255 bytes before the CR
        (head_of("/static/a.txt", "If-None-Match: *", *["Accept-Encoding: br"] * 6), 304),  # 8 with Host
    ],
)
def test_what_is_remembered(answers: ResponseCache, head: bytes, status: int) -> None:
    answer = remember(answers, head)
    assert answer.status == status
    assert answers.find(head) is answer


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (head_of("/static/a.txt", "Range: bytes=0-1"), 206),
        (head_of("/static/a.txt", "Range: bytes=0-1,3-4"), 206),
        (head_of("/static/a.txt", "Range: bytes=10-"), 416),
        (head_of("/static/a.txt", 'If-Match: "x"'), 412),
        (head_of("/static/a.txt", "Accept-Encoding: identity;q=0"), 406),
        (head_of("/static/large"), 200),
        (head_of("/static/a.txt?" + "x" * 231), 200),
        (head_of("/static/a.txt", "Accept-Encoding: " + "x" * 240), 200),
        (head_of("/static/a.txt", *["Accept-Encoding: br"] * 8), 200),
        (head_of("/static/gone?" + "x" * 300), 404),
    ],
)
def test_what_is_not(answers: ResponseCache, head: bytes, status: int) -> None:
    assert remember(answers, head).status == status
    assert answers.find(head) is None


def test_a_head_that_is_too_long_is_neither_answered_nor_found(answers: ResponseCache) -> None:
    short = head_of("/static/a.txt")
    remember(answers, short)
    pad = MAX_HEAD_BYTES - len(short) - len("Cookie: \r\n")
    assert answers.find(head_of("/static/a.txt", "Cookie: " + "x" * pad)) is not None
    assert answers.find(head_of("/static/a.txt", "Cookie: " + "x" * (pad + 1))) is None
    assert answers.respond(head_of("/static/a.txt", "Cookie: " + "x" * (pad + 1))) is None


@pytest.mark.parametrize("path", ["/", "/static", "/other/static/a.txt", "//static/a.txt", "/page?/static/a.txt"])
def test_what_is_not_ours_is_not_answered(answers: ResponseCache, path: str) -> None:
    assert answers.respond(head_of(path)) is None


def test_a_part_of_a_body_in_memory_is_in_the_answer_and_one_of_an_open_file_is_not(answers: ResponseCache) -> None:
    part = remember(answers, head_of("/static/a.txt", "Range: bytes=2-4"))
    assert (part.status, part.body, part.digest, part.parts) == (206, b"234", "", ())
    parts = remember(answers, head_of("/static/a.txt", "Range: bytes=0-1,3-4"))
    assert b"content-length: %d\r\n" % len(parts.body) in parts.head
    large = answers.respond(head_of("/static/large", "Range: bytes=0-0,1000-2000"))
    assert large is not None
    assert (large.body, large.digest, len(large.parts)) == (b"", "", 5)
    files = [part.file for part in large.parts if hasattr(part, "file")]
    assert [file.closed for file in files] == [False, False]
    large.close()
    assert [file.closed for file in files] == [True, True]


def test_the_head_is_what_goes_out_line_by_line(answers: ResponseCache) -> None:
    answer = remember(answers, head_of("/static/gone"))
    assert (
        answer.head
        == answer.block
        == (
            b"content-type: text/plain; charset=utf-8\r\ncontent-length: 10\r\n"
            b"cache-control: private, no-store, max-age=0\r\naccess-control-allow-origin: *\r\n"
            b"cross-origin-resource-policy: cross-origin\r\ntiming-allow-origin: *\r\n"
            b"x-content-type-options: nosniff\r\n\r\n"
        )
    )
    answer.head, answer.begin = b"HTTP/1.1 404 Not Found\r\n" + answer.block, 24
    assert answer.block.startswith(b"content-type: text/plain")


def test_a_miss_that_may_be_found_elsewhere_is_not_answered(answers: ResponseCache, responder: Responder) -> None:
    asked: list[str] = []

    def is_candidate(name: str) -> bool:
        asked.append(name)
        return name.endswith(".0123456789ab.js")

    responder.is_fallback_candidate = is_candidate
    assert answers.respond(head_of("/static/x%2f.0123456789ab.js?a")) is None
    assert remember(answers, head_of("/static/x.js")).status == 404
    assert remember(answers, head_of("/static/a.txt")).status == 200
    assert asked == ["x/.0123456789ab.js", "x.js"]


def test_what_is_known_of_elsewhere_is_answered_and_not_kept(answers: ResponseCache, responder: Responder) -> None:
    asked: list[tuple[str, str, list[tuple[bytes, bytes]]]] = []
    known: list[tuple[Response | None, bool]] = [(Response(200, ((b"a", b"b"),), (b"found",)), False)]

    def recall(method: str, name: str, fields: list[tuple[bytes, bytes]]) -> tuple[Response | None, bool]:
        asked.append((method, name, fields))
        return known[0]

    responder.is_fallback_candidate = bool
    responder.recall = recall
    head = head_of("/static/x%2f.js?a", "Accept-Encoding: br")
    found = answers.respond(head)
    assert found
    assert (found.status, found.handler, found.logged, found.block, found.body) == (
        *(200, "store", "", b"a: b\r\n\r\n", b"found"),
    )
    assert asked == [("GET", "x/.js", [(b"accept-encoding", b"br")])]
    known[0] = None, False
    assert answers.respond(head) is None
    known[0] = None, True
    missed = answers.respond(head)
    assert missed
    assert (missed.status, missed.handler, missed.body) == (404, "fast", b"Not Found\n")
    assert answers.find(head) is None


def test_a_name_that_is_served_at_the_root_alone_is_no_name_for_elsewhere(tmp_path: Path) -> None:
    tree = load_tree(make_tree(tmp_path / "hidden", {".well-known/0123456789ab": b"a"}))
    responder = Responder(tree, "/static/", 60, (".well-known/",))
    asked: list[str] = []

    def is_candidate(name: str) -> bool:
        asked.append(name)
        return False

    responder.is_fallback_candidate = is_candidate
    answers = ResponseCache(responder)
    assert remember(answers, head_of("/static/.well-known/0123456789ab")).status == 404
    assert asked == ["\0"]


def test_a_missing_name_is_not_cached_where_accept_counts(responder: Responder, answers: ResponseCache) -> None:
    responder.has_not_found_page = True
    plain = head_of("/static/gone", "Accept: */*")
    assert remember(answers, plain).status == 404
    assert answers.find(plain) is None
    for value in ("text/html", "TEXT/HTML", "application/xhtml+xml"):
        assert answers.respond(head_of("/static/gone", f"Accept: {value}")) is None
    assert remember(answers, head_of("/static/a.txt", "Accept: text/html")).status == 200
