"""What is taken of an index from elsewhere, and what is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from static_host.origin.index_validation import is_valid_match, is_valid_resource
from static_host.origin.representation import Representation, Resource

DIGEST = "hNiYd_DUBB77a_kaFvAkjy_V"
SHA_256 = "ab+/" + "0" * 39 + "="
IDENTITY = Representation("identity", "a/b.js", 10, DIGEST)
BR = Representation("br", "a/b.js.br", 7, DIGEST)
DELTA = Representation("dcz", "a/b.js.0123.dcz", 3, DIGEST, SHA_256)
GOOD = Resource("text/javascript; charset=utf-8", True, (DELTA, BR, IDENTITY), match="b.*.js")


def with_delta(**changes: Any) -> Resource:
    return replace(GOOD, representations=(replace(DELTA, **changes), IDENTITY))


def with_identity(**changes: Any) -> Resource:
    return replace(GOOD, representations=(replace(IDENTITY, **changes),))


def test_what_a_build_writes_is_valid() -> None:
    assert is_valid_resource("a/b.js", GOOD) is True
    assert is_valid_resource("a/b.js", with_identity(length=0)) is True
    assert is_valid_resource("a/b.js", with_delta(file="a/b.js.dcz")) is True
    name = "a" * 1024
    identity = replace(IDENTITY, file=name)
    assert is_valid_resource(name, Resource("text/plain", True, (identity,))) is True


def test_an_svgz_of_another_tool_s_tree_has_other_files() -> None:
    gzip, identity = (
        Representation("gzip", "a.svgz", 1, DIGEST),
        Representation("identity", "a.svgz.identity", 2, DIGEST),
    )
    assert is_valid_resource("a.svgz", Resource("image/svg+xml", True, (gzip, identity))) is True
    assert is_valid_resource("a.svgz", Resource("image/svg+xml", True, (replace(gzip, coding="br"), identity))) is False
    root = replace(gzip, coding="br", file="/")
    assert is_valid_resource("a.svgz", Resource("image/svg+xml", True, (root, identity))) is False


BAD: dict[str, tuple[str, Resource]] = {
    "a name that is too long": ("a" * 1025, with_identity(file="a" * 1025)),
    "a name with an empty part": ("a//b.js", with_identity(file="a//b.js")),
    "a name that begins with a slash": ("/a", with_identity(file="/a")),
    "a name that ends with a slash": ("a/", with_identity(file="a/")),
    "no name": ("", with_identity(file="")),
    "a name that leads up": ("a/../b.js", with_identity(file="a/../b.js")),
    "a name with a dot alone": ("./b.js", with_identity(file="./b.js")),
    "a name with a NUL": ("a\0", with_identity(file="a\0")),
    "no media type": ("a/b.js", replace(GOOD, media_type="")),
    "a media type of two lines": ("a/b.js", replace(GOOD, media_type="text/plain\r\nx: y")),
    "a media type beyond ASCII": ("a/b.js", replace(GOOD, media_type="text/é")),
    "a pattern with a space": ("a/b.js", replace(GOOD, match="a b")),
    "a pattern that is too long": ("a/b.js", replace(GOOD, match="a" * 201)),
    "no identity": ("a/b.js", replace(GOOD, representations=(BR,))),
    "nothing at all": ("a/b.js", replace(GOOD, representations=())),
    "a file of another resource": ("a/b.js", with_identity(file="a/c.js")),
    "a coding's file under the wrong suffix": (
        "a/b.js",
        replace(GOOD, representations=(replace(BR, coding="gzip"), IDENTITY)),
    ),
    "an unknown coding": ("a/b.js", replace(GOOD, representations=(replace(BR, coding="lzma"), IDENTITY))),
    "a dictionary where none is needed": ("a/b.js", with_identity(dictionary=SHA_256)),
    "a delta in another folder": ("a/b.js", with_delta(file="a/b.js/../../x.dcz")),
    "a delta below the file": ("a/b.js", with_delta(file="a/b.js.x/y.dcz")),
    "a delta of another file": ("a/b.js", with_delta(file="a/c.js.0123.dcz")),
    "a delta without its suffix": ("a/b.js", with_delta(file="a/b.js.0123")),
    "a delta without a dictionary": ("a/b.js", with_delta(dictionary="")),
    "a delta with half a dictionary": ("a/b.js", with_delta(dictionary=SHA_256[1:])),
    "a length below zero": ("a/b.js", with_identity(length=-1)),
    "a length in letters": ("a/b.js", with_identity(length="10")),
    "a length in fractions": ("a/b.js", with_identity(length=1.0)),
    "a digest that is too short": ("a/b.js", with_identity(digest=DIGEST[1:])),
    "a digest with a quote": ("a/b.js", with_identity(digest='"' + DIGEST[1:])),
    "no digest": ("a/b.js", with_identity(digest=None)),
    "a media type that is a number": ("a/b.js", replace(GOOD, media_type=1)),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", BAD)
def test_what_no_build_writes_is_not(case: str) -> None:
    assert is_valid_resource(*BAD[case]) is False


@pytest.mark.parametrize(
    ("match", "is_valid"), [("", True), ("a" * 200, True), ("!~", True), ("a" * 201, False), (" ", False), ("é", False)]
)
def test_a_pattern_goes_into_a_field(match: str, is_valid: bool) -> None:
    assert is_valid_match(match) is is_valid
