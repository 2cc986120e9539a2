"""What the table of cases cannot say of the project "plain": root files with neighbours, several prefixes, bounds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from static_host.origin.index import INDEX_FILE_NAME, dump_index
from static_host.origin.representation import Resource
from static_host.origin.responder import Responder
from static_host.origin.response import NOT_FOUND_RESPONSES, Response, Slice, is_not_found
from static_host.origin.tree import load_tree
from tests.support.trees import Files, make_resource, make_tree

FILES: Files = {
    "robots.txt": b"robots",
    "robots.txtX": b"not for the root",
    "robots.txt.old": b"not for the root",
    "robots.txtfolder/more": b"not for the root",
    ".well-known/security.txt": b"contact",
    ".well-known/more/a": b"more",
    ".well-knownX/security.txt": b"not for the root",
    "x/.hidden": b"not hidden",
    "large": bytes(2_000_000),
    "c.txt": {"br": b"()", "identity": b"cccc"},
}


def respond(responder: Responder, path: str, *headers: tuple[bytes, bytes], method: str = "GET") -> Response:
    response = responder.respond(method, path.encode(), headers)
    assert response is not None
    return response


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "tree", FILES)


def test_only_the_names_of_root_files_and_what_lies_below_root_folders_is_served_at_the_root(root: Path) -> None:
    responder = Responder(load_tree(root), "/static/", 60, ("robots.txt", ".well-known/", "gone.txt"))
    assert respond(responder, "/robots.txt").body == (b"robots",)
    assert respond(responder, "/.well-known/security.txt").body == (b"contact",)
    assert respond(responder, "/.well-known/more/a").body == (b"more",)
    for path in (
        *("/robots.txtX", "/robots.txt.old", "/robots.txtfolder/more", "/robots", "/.well-knownX/security.txt"),
        *(
            "/.well-known/",
            "/.well-known/gone",
            "/gone.txt",
            "/c.txt",
            "/x/.hidden",
            "robots.txt",
            "xrobots.txt",
            "//robots.txt",
        ),
    ):
        assert responder.respond("GET", path.encode(), []) is None, path
    for path in ("/static/robots.txt", "/static/robots.txtX", "/static/x/.hidden", "/static/.well-knownX/security.txt"):
        assert respond(responder, path).status == 200
    assert respond(responder, "/static/.well-known/security.txt").status == 404, "a hidden one is at the root alone"


def test_without_root_files_there_are_none(root: Path) -> None:
    responder = Responder(load_tree(root), "/static/")
    assert responder.max_age == 60
    assert responder.respond("GET", b"/robots.txt", []) is None
    assert responder.is_owned(b"/static/")
    assert not responder.is_owned(b"/robots.txt")


def test_several_prefixes_have_the_same_names(root: Path) -> None:
    responder = Responder(load_tree(root), ("/static/", "/app/static/"), 5)
    for path in ("/static/c.txt", "/app/static/c.txt"):
        assert respond(responder, path).body == (b"cccc",)
    assert responder.respond("GET", b"/app/c.txt", []) is None
    assert dict(respond(responder, "/static/c.txt").headers)[b"cache-control"] == b"max-age=5, must-revalidate"


def test_the_index_is_served_where_it_is_to_be_and_is_always_asked_for_again(root: Path) -> None:
    path = f"/static/{INDEX_FILE_NAME}"
    assert respond(Responder(load_tree(root), "/static/"), path).status == 404
    response = respond(Responder(load_tree(root), "/static/", is_index_served=True), path)
    assert response.body == ((root / INDEX_FILE_NAME).read_bytes(),)
    headers = dict(response.headers)
    assert headers[b"content-type"] == b"application/octet-stream"
    assert headers[b"cache-control"] == b"max-age=0, must-revalidate"


def test_the_index_stays_when_what_was_served_is_forgotten(root: Path) -> None:
    (root / "a").mkdir()
    make_tree(root, {f"a/{number}": b"a" for number in range(300)})
    responder = Responder(load_tree(root, 0), "/static/", is_index_served=True)
    for number in range(300):
        response = respond(responder, f"/static/a/{number}")
        assert response.status == 200
        response.close()
    response = respond(responder, f"/static/{INDEX_FILE_NAME}")
    assert response.status == 200
    response.close()
    assert len(responder._served) <= 257


def test_a_long_path_is_looked_at_as_far_as_names_go(root: Path) -> None:
    responder = Responder(load_tree(root), "/static/")
    escaped = "".join(f"%{byte:02x}" for byte in b"/static/")
    assert responder.resolve_name((escaped + "%41" * 4088).encode()) == "A" * 4088
    assert responder.resolve_name((escaped + "%41" * 4089).encode()) == "A" * 4088
    assert responder.resolve_name(b"/static/" + b"a" * 20_000) == "a" * 20_000
    assert responder.resolve_name(b"/static/%ff") == "\udcff"
    assert responder.resolve_name(b"/static/\xc3\xa9") == "é"


def test_a_field_is_refused_from_one_byte_more_than_16_kb_on(root: Path) -> None:
    responder = Responder(load_tree(root), "/static/")
    for length, status in ((16_384, 200), (16_385, 431)):
        assert respond(responder, "/static/c.txt", (b"accept-encoding", b"x" * length)).status == status
    halves = ((b"accept-encoding", b"x" * 8_191), (b"accept-encoding", b"y" * 8_191))
    assert respond(responder, "/static/c.txt", *halves).status == 200
    assert respond(responder, "/static/c.txt", *halves, (b"accept-encoding", b"")).status == 431
    assert respond(responder, "/static/c.txt", (b"x-other", b"x" * 20_000)).status == 200
    assert respond(responder, "/static/c.txt", (b"range", b"x" * 20_000), method="HEAD").body == ()


def test_choices_that_are_remembered_are_bounded_and_right(root: Path) -> None:
    responder = Responder(load_tree(root), "/static/")
    for number in range(200):
        field = b"br;q=0.%03d, gzip;q=0.5" % number
        coding = dict(respond(responder, "/static/c.txt", (b"accept-encoding", field)).headers).get(b"content-encoding")
        assert coding == (b"br" if number else None)
        assert len(responder._served["c.txt"]._choices) <= 64


def test_a_miss_is_known_by_its_answer(root: Path) -> None:
    responder = Responder(load_tree(root), "/static/")
    for method in ("GET", "HEAD", "POST"):
        assert is_not_found(respond(responder, "/static/gone", method=method))
    assert respond(responder, "/static/gone", method="HEAD") is NOT_FOUND_RESPONSES["HEAD"]
    assert respond(responder, "/static/gone", method="POST") is NOT_FOUND_RESPONSES["GET"]
    assert not is_not_found(respond(responder, "/static/c.txt"))


def test_a_whole_body_in_memory_has_its_digest_and_no_other_has(root: Path) -> None:
    responder = Responder(load_tree(root), "/static/")
    tree = responder.tree
    assert respond(responder, "/static/c.txt").digest == tree.index["c.txt"].identity.digest
    assert respond(responder, "/static/c.txt", (b"range", b"bytes=0-1")).digest == ""
    assert respond(responder, "/static/c.txt", method="HEAD").digest == ""
    large = respond(responder, "/static/large")
    assert large.digest == ""
    large.close()


def test_parts_of_a_large_file_are_spans_of_it(root: Path) -> None:
    responder = Responder(load_tree(root), "/static/")
    response = respond(responder, "/static/large", (b"range", b"bytes=5-9,1000000-"))
    spans = [(part.offset, part.length) for part in response.body if isinstance(part, Slice)]
    assert spans == [(5, 5), (1_000_000, 1_000_000)]
    lengths = [part.length if isinstance(part, Slice) else len(part) for part in response.body]
    assert dict(response.headers)[b"content-length"] == b"%d" % sum(lengths)
    response.close()


@pytest.mark.parametrize("name", ["c.txt", "large"])
def test_a_file_that_cannot_be_read_is_tried_again_after_a_moment(root: Path, name: str) -> None:
    (root / name).unlink()
    response = respond(Responder(load_tree(root), "/static/"), f"/static/{name}")
    assert (response.status, response.body) == (503, (b"Service Unavailable\n",))
    assert dict(response.headers)[b"retry-after"] == b"5"


def test_a_client_with_the_dictionary_of_a_delta_gets_the_delta(tmp_path: Path) -> None:
    sha_256 = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="  # of `test`
    root = make_tree(tmp_path / "tree", {"a.js": b"0123456789"})
    (root / "a.js.dcz").write_bytes(b"delta")
    identity = make_resource("a.js", {"identity": b"0123456789"}).identity
    delta = replace(make_resource("a.js.dcz", {"identity": b"delta"}).identity, coding="dcz", dictionary=sha_256)
    resource = Resource("text/javascript", True, (delta, identity), (0, 1))
    (root / "static-host.index").write_bytes(dump_index("/static/", {"a.js": resource}))
    responder = Responder(load_tree(root), "/static/")

    def ask(*dictionary: bytes) -> tuple[bytes | None, bytes]:
        own = [(b"available-dictionary", b":%s:" % each) for each in dictionary]
        response = respond(responder, "/static/a.js", (b"accept-encoding", b"dcz"), *own)
        return dict(response.headers).get(b"content-encoding"), b"".join(map(bytes, response.body))  # type: ignore[arg-type]

    assert ask(sha_256.encode()) == (b"dcz", b"delta")
    assert ask(b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=") == (None, b"0123456789")
    assert ask() == (None, b"0123456789")


def test_an_error_has_no_body_where_the_client_asks_for_none(root: Path) -> None:
    responder = Responder(load_tree(root), "/static/")
    nothing = (b"accept-encoding", b"identity;q=0")
    assert respond(responder, "/static/large", nothing).body == (b"Not Acceptable\n",)
    refused = respond(responder, "/static/large", nothing, method="HEAD")
    assert (refused.status, refused.body) == (406, ())


@pytest.mark.parametrize(
    ("value", "status"), [(b"*", 304), (b" \t* ", 304), (b"\x0b*", 200), (b"*\x0c", 200), (b"X*X", 200)]
)
def test_a_field_loses_the_spaces_and_tabs_around_it_and_nothing_else(root: Path, value: bytes, status: int) -> None:
    responder = Responder(load_tree(root), "/static/")
    assert respond(responder, "/static/robots.txt", (b"if-none-match", value)).status == status


@pytest.mark.parametrize("path", [b"/%ff", b"/\xff", b"/robots.txt%ff", b"/%ff%fe/a"])
def test_a_path_that_is_not_utf_8_is_a_name_like_another(root: Path, path: bytes) -> None:
    responder = Responder(load_tree(root), "/static/", 60, ("robots.txt",))
    assert responder.respond("GET", path, []) is None
    missing = responder.respond("GET", b"/static" + path, [])
    assert missing is not None
    assert missing.status == 404


def test_a_file_of_the_root_is_served_there_alone_even_if_another_takes_its_place(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "tree", {"robots.txt": b"static", ".root/robots.txt": b"root", ".root/more": b"more"})
    for is_first, body in ((True, b"static"), (False, b"root")):
        responder = Responder(load_tree(root), "/static/", 60, ("robots.txt",), are_root_files_first=is_first)
        assert respond(responder, "/robots.txt").body == (body,)
        assert respond(responder, "/more").body == (b"more",)
        for path in ("/static/.root/robots.txt", "/static/.root/more", "/static/.root"):
            assert respond(responder, path).status == 404


CDN_FIELD = (b"cdn-cache-control", b"max-age=86400")


def test_cdns_may_keep_a_file_without_a_fingerprint_and_nothing_else(root: Path) -> None:
    resources = {
        "c.txt": make_resource("c.txt", {"br": b"()", "identity": b"cccc"}),
        "c.0.txt": make_resource("c.0.txt", {"identity": b"cccc"}, immutable=True),
        "own.txt": replace(make_resource("own.txt", {"identity": b"o"}), fields=(("cdn-cache-control", "max-age=5"),)),
    }
    (root / "c.0.txt").write_bytes(b"cccc")
    (root / "own.txt").write_bytes(b"o")
    (root / INDEX_FILE_NAME).write_bytes(dump_index("/static/", resources))
    responder = Responder(load_tree(root), "/static/", 60, ("c.txt",), is_index_served=True, cdn_max_age=86400)
    tag = dict(respond(responder, "/static/c.txt").headers)[b"etag"]
    for path, fields, status in (
        ("/static/c.txt", (), 200),
        ("/static/c.txt", ((b"accept-encoding", b"br"),), 200),
        ("/c.txt", (), 200),
        ("/static/c.txt", ((b"range", b"bytes=0-0"),), 206),
        ("/static/c.txt", ((b"if-none-match", tag),), 304),
    ):
        response = respond(responder, path, *fields)
        assert (response.status, response.headers.count(CDN_FIELD)) == (status, 1), (path, fields)
        assert (b"cache-control", b"max-age=60, must-revalidate") in response.headers
    assert (b"cdn-cache-control", b"max-age=5") in respond(responder, "/static/own.txt").headers
    for path, fields, status in (
        ("/static/c.0.txt", (), 200),
        ("/static/own.txt", (), 200),
        (f"/static/{INDEX_FILE_NAME}", (), 200),
        ("/static/gone.txt", (), 404),
        ("/static/c.txt", ((b"accept-encoding", b"identity;q=0, br;q=0"),), 406),
        ("/static/c.txt", ((b"range", b"bytes=9-"),), 416),
    ):
        response = respond(responder, path, *fields)
        assert (response.status, CDN_FIELD in response.headers) == (status, False), (path, fields)


def test_a_new_tree_brings_what_cdns_are_told(root: Path) -> None:
    responder = Responder(load_tree(root), "/static/")
    responder.replace(Responder(load_tree(root), "/static/", cdn_max_age=86400))
    assert CDN_FIELD in respond(responder, "/static/c.txt").headers
