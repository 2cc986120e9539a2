"""Names at ``/`` that a build has chosen, and folders that have an index file."""

from __future__ import annotations

from pathlib import Path

import pytest

from static_host.origin.index import Index, dump_index, parse_index
from static_host.origin.representation import Representation, Resource, compute_digest
from static_host.origin.responder import Responder, find_redirect
from static_host.origin.response import Response
from static_host.origin.tree import load_tree

FILES = {
    "": "index.html",
    "a.txt": "a.txt",
    "docs/": "docs/index.html",
    "docs/x.txt": "docs/x.txt",
    "robots.txt": "robots.txt",
    ".root/": ".root/index.html",
    ".root/a:b/": ".root/a:b/index.html",
    ".root/robots.txt": ".root/robots.txt",
    ".rooted/a": ".rooted/a",
}
"""Each name with its file, whose content is its path."""


def make_index(files: dict[str, str]) -> Index:
    resources = {
        name: Resource(
            "text/plain", False, (Representation("identity", file, len(file), compute_digest(file.encode())),)
        )
        for name, file in files.items()
    }
    return parse_index(dump_index("/static/", resources))


@pytest.fixture
def responder(tmp_path: Path) -> Responder:
    for file in FILES.values():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(file)
    resources = dict(make_index(FILES))
    (tmp_path / "static-host.index").write_bytes(dump_index("/static/", resources))
    return Responder(load_tree(tmp_path), "/static/", 60, ("robots.txt",))


def test_names_that_the_operator_has_set_may_come_first(responder: Responder) -> None:
    other = Responder(responder.tree, "/static/", 60, ("robots.txt",), are_root_files_first=True)
    response = respond(other, "/robots.txt")
    assert response is not None
    assert response.body == (b"robots.txt",)


def respond(responder: Responder, path: str, method: str = "GET") -> Response | None:
    return responder.respond(method, path.encode(), [])


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("/", ".root/index.html"),
        ("/a:b/", ".root/a:b/index.html"),
        ("/robots.txt", ".root/robots.txt"),
        ("/static/", "index.html"),
        ("/static/docs/", "docs/index.html"),
        ("/static/docs/x.txt", "docs/x.txt"),
        ("/static/robots.txt", "robots.txt"),
        ("/static/.rooted/a", ".rooted/a"),
    ],
)
def test_what_is_served_where(responder: Responder, path: str, file: str) -> None:
    response = respond(responder, path)
    assert response is not None
    assert (response.status, response.body) == (200, (file.encode(),))


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/index.html", b"./"),
        ("/a:b", b"./a%3Ab/"),
        ("/a:b/index.html", b"./"),
        ("/static/index.html", b"./"),
        ("/static/docs", b"./docs/"),
        ("/static/docs/index.html", b"./"),
    ],
)
def test_what_redirects_to_a_folder(responder: Responder, path: str, target: bytes) -> None:
    response = respond(responder, path)
    assert response is not None
    assert (response.status, response.headers) == (
        302,
        (
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"0"),
            (b"cache-control", b"private, no-store, max-age=0"),
            (b"location", target),
            (b"access-control-allow-origin", b"*"),
            (b"cross-origin-resource-policy", b"cross-origin"),
            (b"timing-allow-origin", b"*"),
            (b"x-content-type-options", b"nosniff"),
        ),
    )
    assert b"".join(bytes(part) for part in response.body if isinstance(part, bytes)) == b""
    post = respond(responder, path, "POST")
    assert post is not None
    assert post.status == 404


@pytest.mark.parametrize("path", ["/.root/", "/.root/robots.txt", "/a.txt", "/docs/", "/docs", "/a:b/x", "/.rooted/a"])
def test_what_is_the_project_s(responder: Responder, path: str) -> None:
    assert respond(responder, path) is None


@pytest.mark.parametrize("path", ["/static/.root/", "/static/.root", "/static/.root/robots.txt", "/static/.root/a:b"])
def test_the_folder_of_the_root_is_nowhere_else(responder: Responder, path: str) -> None:
    response = respond(responder, path)
    assert response is not None
    assert response.status == 404


def test_names_below_a_folder() -> None:
    index = make_index({name: name or "x" for name in ("a", "a/", "a/b", "a/c/d", "a0", "b/a/b")})
    assert list(index.list_below("a/")) == ["a/", "a/b", "a/c/d"]
    assert list(index.list_below("b/")) == ["b/a/b"]
    assert list(index.list_below("c/")) == []
    assert index.has_folders
    assert not make_index({"a": "a", "b/c": "b/c"}).has_folders


def test_no_other_name_redirects() -> None:
    index = make_index(FILES)
    assert [find_redirect(index, name) for name in ("", "docs/", "x", "docs/x", "a.txt/", "docs/docs")] == [""] * 6
