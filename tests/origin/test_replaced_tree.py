"""A responder that answers from another tree from one request to the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from static_host.origin.responder import Responder
from static_host.origin.response_cache import ResponseCache
from static_host.origin.tree import load_tree
from tests.support.trees import Files, make_tree


def make_responder(path: Path, files: Files, prefix: str, max_age: int, root_files: tuple[str, ...]) -> Responder:
    return Responder(load_tree(make_tree(path, files), 2 << 20), prefix, max_age, root_files)


def read(responder: Responder, path: str) -> tuple[int, bytes, dict[bytes, bytes]]:
    response = responder.respond("GET", path.encode(), [])
    assert response is not None
    response.close()
    return response.status, b"".join(bytes(part) for part in response.body), dict(response.headers)  # type: ignore[arg-type]


@pytest.fixture
def old(tmp_path: Path) -> Responder:
    files: Files = {"a.txt": b"old", "both.txt": b"the same", "gone.txt": b"g"}
    return make_responder(tmp_path / "old", files, "/static/", 60, ("gone.txt",))


@pytest.fixture
def new(tmp_path: Path) -> Responder:
    files: Files = {"a.txt": b"newer", "both.txt": b"the same", ".well-known/b.txt": b"known"}
    return make_responder(tmp_path / "new", files, "/assets/", 90, ("both.txt", ".well-known/b.txt"))


def test_everything_is_that_of_the_other_responder(old: Responder, new: Responder) -> None:
    assert read(old, "/static/a.txt")[:2] == (200, b"old")
    old.replace(new)
    assert old.tree is new.tree
    assert old.respond("GET", b"/static/a.txt", []) is None
    status, body, headers = read(old, "/assets/a.txt")
    assert (status, body, headers[b"cache-control"]) == (200, b"newer", b"max-age=90, must-revalidate")
    assert read(old, "/assets/gone.txt")[0] == 404
    assert old.respond("GET", b"/gone.txt", []) is None
    assert read(old, "/both.txt")[:2] == read(old, "/assets/both.txt")[:2] == (200, b"the same")
    assert read(old, "/.well-known/b.txt")[:2] == (200, b"known")
    assert read(old, "/assets/.well-known/b.txt")[0] == 404


def test_bodies_in_memory_are_kept(old: Responder, new: Responder) -> None:
    bodies = old.tree.bodies
    read(old, "/static/both.txt")
    old.replace(new)
    assert old.tree.bodies is bodies


def test_all_who_have_made_something_of_the_former_tree_forget_it(old: Responder, new: Responder) -> None:
    first, second = ResponseCache(old), ResponseCache(old)
    heads = [f"GET /static/{name} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for name in ("a.txt", "none.txt")]
    for cache in (first, second):
        for head in heads:
            response = cache.respond(head)
            assert response is not None
            response.close()
            assert cache.find(head) is response
    old.replace(new)
    assert [cache.find(head) for cache in (first, second) for head in heads] == [None] * 4
