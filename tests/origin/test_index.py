"""The index: names that are found in it, and names that are not."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from zlib import crc32

import pytest

from static_host.origin.encoding_recipes import EncodingRecipes
from static_host.origin.index import Index, InvalidIndexError, dump_index, parse_index
from static_host.origin.own_fields import Fields
from static_host.origin.representation import (
    Release,
    Representation,
    Resource,
    compute_digest,
    format_file_name,
    shorten_digest,
)

NAMES = ("a", "a b", "a-b.css", "a.css", "a/b.css", "css/é.css", "css/\U0001f600.svg", "z\r.txt")


def resource(name: str) -> Resource:
    return Resource("text/plain", False, (Representation("identity", name, 1, "0123456789abcdefghijklmn"),))


@pytest.fixture
def data() -> bytes:
    return dump_index("/static/", {name: resource(name) for name in reversed(NAMES)})


def test_every_name_is_found_and_has_its_own_resource(data: bytes) -> None:
    index = parse_index(data)
    assert (tuple(index), len(index)) == (NAMES, 8)
    assert [index[name] for name in NAMES] == list(index.iter_resources()) == [resource(name) for name in NAMES]


@pytest.mark.parametrize(
    "name", ["", " ", "a.", "A", "a.css\t", "a.css\n", 'a\t["text/plain"', "b", "zz", "\udcff", "css/\udcc3\udca9.css"]
)
def test_no_other_name_is_found(data: bytes, name: str) -> None:
    index = parse_index(data)
    assert name not in index
    with pytest.raises(KeyError):
        index[name]


def test_an_index_whose_lines_are_not_as_many_as_it_says(data: bytes) -> None:
    with pytest.raises(InvalidIndexError, match="it lists 8 resources, its header says 7"):
        parse_index(data.replace(b'"resources": 8', b'"resources": 7'))
    with pytest.raises(InvalidIndexError, match="it lists 0 resources, its header says 0"):
        parse_index(dump_index("/static/", {}))


SHA_256 = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="
PAGE = Resource(
    "text/css; charset=utf-8",
    True,
    (
        Representation("dcz", "s.css.9f86d081884c.dcz", 3, "CDEyUJ4smNkXCuRQrPzyOgvv", SHA_256),
        Representation("br", "s.css.br", 7, "W-beZnwQuOVuBP5mCaUfEqZF"),
        Representation("gzip", "elsewhere.gz", 8, "X4iswDlHY_sx9U8i1jafBlDH"),
        Representation("identity", "s.css", 10, "hNiYd_DUBB77a_kaFvAkjy_V"),
    ),
    (0, 2),
    "s.*.css",
)
OLD = Resource("text/plain", False, (Representation("identity", "é", 1, "hNiYd_DUBB77a_kaFvAkjy_V"),), (1,))
LINES = (
    's.css\t["text/css; charset=utf-8",true,[["dcz",3,"CDEyUJ4smNkXCuRQrPzyOgvv",null,'
    '"n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="],["br",7,"W-beZnwQuOVuBP5mCaUfEqZF",null],'
    '["gzip",8,"X4iswDlHY_sx9U8i1jafBlDH","elsewhere.gz"],["identity",10,"hNiYd_DUBB77a_kaFvAkjy_V",null]],'
    '{"releases":[0,2],"match":"s.*.css"}]\n'
    'é\t["text/plain",false,[["identity",1,"hNiYd_DUBB77a_kaFvAkjy_V",null]],{"releases":[1]}]\n'
)


def test_an_index_with_all_that_it_can_tell_byte_for_byte() -> None:
    data = dump_index(
        "/static/",
        {"é": OLD, "s.css": PAGE},
        ("staticfiles.json", b"{}"),
        {"b": b"2", "a": b"1"},
        adopted=True,
        time=1_700_000_000,
        earlier=[Release("1" * 16, 1_600_000_000, "dist"), Release("2" * 16)],
        recipes=EncodingRecipes({"gzip": "z", "br": "b"}, frozenset({"y", "x"})),
    )
    facts = (
        '{"prefix": "/static/", "manifest": ["staticfiles.json", "a3a6bf43"], '
        '"others": {"a": "83dcefb7", "b": "1ad5be0d"}, "adopted": true'
    )
    own = (
        's.css\t["text/css; charset=utf-8",true,[["br",7,"W-beZnwQuOVuBP5mCaUfEqZF",null],'
        '["gzip",8,"X4iswDlHY_sx9U8i1jafBlDH","elsewhere.gz"],["identity",10,"hNiYd_DUBB77a_kaFvAkjy_V",null]]]\n'
    )
    named_by = (
        '{"adopted": true, "manifest": ["staticfiles.json", "a3a6bf43"], '
        '"others": {"a": "83dcefb7", "b": "1ad5be0d"}, "prefix": "/static/"}\n' + own
    )
    release = sha256(named_by.encode()).hexdigest()[:16]
    head = (
        f'{{"format": 2, {facts[1:]}, "release": "{release}", "time": 1700000000, '
        '"earlier": [["1111111111111111", 1600000000, "dist"], ["2222222222222222", null, ""]], '
        '"recipes": {"br": "b", "gzip": "z"}, "supplied": ["x", "y"], '
        f'"resources": 2, "crc32": "{crc32(LINES.encode()):08x}"}}\n'
    )
    assert data.decode() == head + LINES
    index = parse_index(data)
    assert (dict(index), list(index)) == ({"s.css": PAGE, "é": OLD}, ["s.css", "é"])
    assert (index.prefix, list(index.manifest or ()), index.adopted) == (
        *("/static/", ["staticfiles.json", "a3a6bf43"], True),
    )
    assert index.other_files == ("a", "b")
    assert index.releases == (
        Release(release, 1_700_000_000),
        Release("1" * 16, 1_600_000_000, "dist"),
        Release("2" * 16),
    )
    assert index.recipes == EncodingRecipes({"br": "b", "gzip": "z"}, frozenset({"x", "y"}))


def test_an_index_of_the_least() -> None:
    line = b'a\t["text/plain",false,[["identity",1,"0123456789abcdefghijklmn",null]]]\n'
    release = sha256(b'{"manifest": null, "prefix": "/"}\n' + line).hexdigest()[:16]
    data = dump_index("/", {"a": resource("a")})
    assert data == (
        b'{"format": 2, "prefix": "/", "manifest": null, "release": "%s", "resources": 1, "crc32": "%08x"}\n%s'
        % (release.encode(), crc32(line), line)
    )
    index = parse_index(data)
    assert (index.releases, index.adopted, index.other_files, index.manifest) == ((Release(release),), False, (), None)
    assert index.recipes == EncodingRecipes()


OWN = (("content-disposition", "attachment"), ("x-frame-options", "DENY"))
BARE = (("access-control-allow-origin", None),)


def having(name: str, fields: Fields, releases: tuple[int, ...] = (0,)) -> Resource:
    return replace(resource(name), fields=fields, releases=releases)


def test_an_index_with_header_fields_of_the_project_s_own() -> None:
    resources = {"a": having("a", BARE), "b": having("b", OWN), "c": resource("c"), "d": having("d", BARE)}
    row = '["text/plain",false,[["identity",1,"0123456789abcdefghijklmn",null]]'
    lines = f'a\t{row},{{"fields":0}}]\nb\t{row},{{"fields":1}}]\nc\t{row}]\nd\t{row},{{"fields":0}}]\n'.encode()
    sets = (
        '"fields": [[["access-control-allow-origin", null]], '
        '[["content-disposition", "attachment"], ["x-frame-options", "DENY"]]]'
    )
    release = sha256(f'{{{sets}, "manifest": null, "prefix": "/"}}\n'.encode() + lines).hexdigest()[:16]
    head = f'{{"format": 3, "prefix": "/", "manifest": null, "release": "{release}", {sets}, "resources": 4, '
    data = dump_index("/", resources)
    assert data == f'{head}"crc32": "{crc32(lines):08x}"}}\n'.encode() + lines
    index = parse_index(data)
    assert (dict(index), index.releases) == (resources, (Release(release),))
    assert dict(index.exclude(["a", "c"])) == {"b": having("b", OWN), "d": having("d", BARE)}


def test_a_release_has_its_name_whatever_fields_are_carried_beside_it() -> None:
    own = {"b": having("b", OWN)}
    alone = parse_index(dump_index("/", own)).releases[0].digest
    carried = {"a": having("a", BARE, (1,)), **own}
    index = parse_index(dump_index("/", carried, earlier=[Release("1" * 16)]))
    assert index.releases[0].digest == alone
    assert dict(index) == carried
    assert parse_index(dump_index("/", {"b": having("b", BARE)})).releases[0].digest != alone


@pytest.mark.parametrize(
    "fields",
    [
        '[[["x", "a\\r\\nb"]]]',
        '[[["X-A", "b"]]]',
        '[[["content-length", "1"]]]',
        '[[["content-type", "text/html"]]]',
        '[[["x", 1]]]',
        '[[["x"]]]',
        "[[1]]",
        "[[]]",
        '["xy"]',
        "1",
    ],
)
def test_an_index_with_fields_that_no_build_writes(fields: str) -> None:
    head = f'{{"format": 3, "prefix": "/", "manifest": null, "release": "1", "fields": {fields}, "resources": 1, '
    with pytest.raises(InvalidIndexError, match="its first line has header fields that cannot be sent"):
        parse_index(with_head(f'{head}"crc32": "CRC"}}', LINE))


def test_a_release_has_its_name_whatever_is_carried_beside_it_and_whenever_it_was_made() -> None:
    def named(resources: dict[str, Resource], **options: object) -> str:
        return parse_index(dump_index("/static/", resources, **options)).releases[0].digest  # type: ignore[arg-type]

    alone = named({"a": resource("a")})
    earlier = [Release("1" * 16)]
    assert named({"a": resource("a"), "é": OLD}, earlier=earlier, time=1) == alone
    assert named({"a": Resource(resource("a").media_type, False, resource("a").representations, (0, 1), "x")}) == alone
    both = {"a": resource("a"), "b": resource("b")}
    assert named({**both, "é": OLD}, earlier=earlier) == named(both)
    assert named({"b": resource("b")}) != alone
    assert named({"a": resource("a")}, manifest=("m", b"")) != alone


def test_a_resource_knows_its_parts() -> None:
    assert (PAGE.identity.file, PAGE.carried, OLD.carried) == ("s.css", False, True)
    assert [r.coding for r in PAGE.without_deltas.representations] == ["br", "gzip", "identity"]
    assert (PAGE.without_deltas.releases, PAGE.without_deltas.match) == ((0, 2), "s.*.css")
    assert PAGE.standalone == Resource(PAGE.media_type, True, PAGE.representations[1:])


def test_names_of_files_and_digests() -> None:
    assert format_file_name("a.js", "identity") == "a.js"
    assert format_file_name("a.js", "gzip") == "a.js.gz"
    assert format_file_name("a.js", "br") == "a.js.br"
    assert format_file_name("a.js", "zstd") == "a.js.zst"
    assert format_file_name("a.js", "dcz", SHA_256) == "a.js.9f86d081884c.dcz"
    assert compute_digest(b"test") == shorten_digest(sha256(b"test").digest()) == "n4bQgYhMfWWaL-qgxVrQFaO_"


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "\udcff"])
def test_a_name_that_no_line_can_hold_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="has a tab or a line feed, or is not Unicode") as stop:
        dump_index("/", {name: resource("a")})
    assert str(stop.value).startswith(repr(name))


def with_head(head: str, body: bytes = b"") -> bytes:
    return head.replace("CRC", f"{crc32(body):08x}").encode() + b"\n" + body


LINE = b'a\t["text/plain",false,[["identity",1,"0123456789abcdefghijklmn",null]]]\n'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "its first line is not an index header"),
        (b"{", "its first line is not an index header"),
        (b"1", "its first line is not an index header"),
        (b"[]\n", "its first line is not an index header"),
        (b'{"format": 2}', "its first line is not an index header"),
        (
            with_head('{"format": 4, "prefix": "/", "manifest": null, "resources": 1, "crc32": "CRC"}', LINE),
            "it has format 4, this version reads formats 1 to 3",
        ),
        (
            with_head('{"format": 2, "prefix": "/", "manifest": null, "resources": 1, "crc32": "0"}', LINE),
            "its checksum does not match: it was cut short or changed after the build",
        ),
        (
            with_head('{"format": 2, "prefix": "/", "manifest": null, "resources": 1, "crc32": "CRC"}', b"\xff\n"),
            "it is not UTF-8",
        ),
        (
            with_head('{"format": 2, "prefix": "/", "manifest": null, "resources": 1, "crc32": "CRC"}', LINE),
            "its first line has no valid release",
        ),
        (
            with_head(
                '{"format": 2, "prefix": "/", "manifest": null, "resources": 1, "crc32": "CRC", "release": "1",'
                ' "earlier": [1]}',
                LINE,
            ),
            "its first line has no valid release",
        ),
    ],
)
def test_what_is_no_index_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidIndexError) as stop:
        parse_index(data)
    assert str(stop.value) == reason


def test_an_index_of_the_first_format_is_named_by_its_bytes() -> None:
    data = with_head('{"format": 1, "prefix": "/", "manifest": null, "resources": 1, "crc32": "CRC"}', LINE)
    index = parse_index(data)
    assert index.releases == (Release(sha256(data).hexdigest()[:16]),)
    assert index["a"] == resource("a")


def test_an_index_without_some_names_has_all_the_others(data: bytes) -> None:
    index = parse_index(data)
    rest = index.exclude({"a", "z\r.txt", "a/b.css", "other"})
    assert list(rest) == ["a b", "a-b.css", "a.css", "css/é.css", "css/\U0001f600.svg"]
    assert rest["css/é.css"] == resource("css/é.css")
    assert (rest.prefix, rest.releases) == (index.prefix, index.releases)
    assert len(index.exclude(NAMES)) == 0
    assert "a" not in index.exclude(NAMES)


def test_recipes_are_taken_as_they_are_or_left_out() -> None:
    assert EncodingRecipes.from_header({"recipes": {"br": "b"}, "supplied": ["x", 1]}) == EncodingRecipes(
        {"br": "b"}, frozenset({"x", "1"})
    )
    assert (
        EncodingRecipes.from_header({"recipes": ["br"], "supplied": "x"})
        == EncodingRecipes.from_header({})
        == EncodingRecipes()
    )
    assert EncodingRecipes().facts == {}
    assert list(EncodingRecipes({"gzip": "z", "br": "b"}, frozenset({"y", "x"})).facts.items()) == [
        ("recipes", {"br": "b", "gzip": "z"}),
        ("supplied", ["x", "y"]),
    ]
    assert list(EncodingRecipes({"gzip": "z", "br": "b"}).facts["recipes"]) == ["br", "gzip"]  # type: ignore[call-overload]


def test_a_name_that_it_lacks_is_a_key_error_and_an_index_by_itself_has_defaults() -> None:
    index = Index("/", b"")
    with pytest.raises(KeyError) as missing:
        index["gone"]
    assert missing.value.args == ("gone",)
    assert (index.adopted, index.manifest, index.other_files, index.releases) == (False, None, (), (Release(""),))
