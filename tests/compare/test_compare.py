"""``static-host compare``: a release's changes as text, JSON and Markdown, its limits, and places it cannot read."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from static_host.origin.index import INDEX_FILE_NAME
from static_host.origin.representation import Resource
from tests.support.indexes import CSS, JAVASCRIPT, describe, write_index
from tests.support.processes import run

Named = tuple[str, Resource]


def compare(old: Path | str, new: Path | str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run("static-host", "compare", str(old), str(new), *options, cwd=Path("/"), **variables)


def document(old: Path | str, new: Path | str, *options: str, **variables: str) -> dict[str, Any]:
    result = compare(old, new, "--json", *options, **variables)
    assert result.stderr == ""
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def name(path: str, content: str, *rest: Any, **facts: Any) -> Named:
    return path, describe(path, content, *rest, **facts)


def fingerprint(path: str, content: str, *rest: Any, **facts: Any) -> Named:
    return name(path, content, *rest, immutable=True, **facts)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write_index(
        tmp_path / "old",
        name("favicon.ico", "icon", "image/x-icon", identity=400),
        name("site.css", "style 1", identity=9000, gzip=2200, zstd=2100, br=2000),
        fingerprint("site.aaaa.css", "style 1", identity=9000, gzip=2200, zstd=2100, br=2000, match="site.*.css"),
        fingerprint("lost.aaaa.js", "lost", JAVASCRIPT, identity=3000, br=1500),
        fingerprint("same.aaaa.js", "same 1", JAVASCRIPT, identity=500),
        name("gone.txt", "gone", "text/plain", identity=10),
        name("site.css.map", "map 1", "application/json", identity=50_000),
    )


@pytest.fixture
def new(tmp_path: Path) -> Path:
    deltas = {"style 1": 100}
    return write_index(
        tmp_path / "new",
        name("favicon.ico", "icon 2", "image/x-icon", identity=400),
        name("site.css", "style 2", identity=9100, gzip=2300, zstd=2200, br=2050),
        fingerprint("site.bbbb.css", "style 2", identity=9100, gzip=2300, zstd=2200, br=2050, deltas=deltas),
        fingerprint("large.bbbb.js", "large", JAVASCRIPT, identity=80_000, gzip=30_000, br=25_000),
        fingerprint("same.aaaa.js", "same 2", JAVASCRIPT, identity=500),
        name("site.css.map", "map 2", "application/json", identity=900_000),
    )


def test_what_a_release_changes(old: Path, new: Path) -> None:
    limits = ("--most-growth", "1MB", "--most-download", "20kB", "--no-vanishing", "--no-changed-immutables")
    result = compare(old, new, *limits)
    digests = [json.loads((tree / INDEX_FILE_NAME).read_bytes().split(b"\n")[0])["release"] for tree in (old, new)]
    assert result.stdout == (
        f"static-host: {digests[0]} ({old}) → {digests[1]} ({new})\n"
        """\
3 URLs vanish:
  /static/gone.txt
  /static/lost.aaaa.js
  /static/site.aaaa.css
1 immutable URL has other bytes:
  /static/same.aaaa.js
4 URLs without a fingerprint change:
  /favicon.ico
  /static/favicon.ico
  /static/site.css
  /static/site.css.map
1 further URL has to be purged:
  /static/gone.txt
visitors of the old release download 4 files at most:
  a browser that reads       downloads
  no coding                    90.0 kB
  gzip                         33.2 kB
  zstd                         83.1 kB
  br                           27.9 kB
  br, zstd and dictionaries    26.0 kB
all files of the new release have 27.9 kB (br), 23.5 kB more:
  media type                        bytes  before       br  before   growth (br)
  text/javascript; charset=utf-8  80.5 kB  3.5 kB  25.5 kB  2.0 kB  23.5 kB more
  text/css; charset=utf-8          9.1 kB  9.0 kB   2.0 kB  2.0 kB     50 B more
  text/plain                          0 B    10 B      0 B    10 B     10 B less
no dictionary covers 1 new or changed file:
  URL path                    br
  /static/large.bbbb.js  25.0 kB
3 of 4 limits exceeded:
  limit                    allowed  measured    result
  --most-growth             1.0 MB   23.5 kB      kept
  --most-download          20.0 kB   27.9 kB  exceeded
  --no-vanishing                 0         3  exceeded
  --no-changed-immutables        0         1  exceeded
"""
    )
    assert result.returncode == 1
    assert result.stderr == (
        "static-host: the new release is refused: --most-download allows 20.0 kB (download by old visitors, br: "
        "27.9 kB); --no-vanishing allows 0 (URLs that vanish: 3); --no-changed-immutables allows 0 (immutable URLs "
        "with other bytes: 1).\n"
    )


def test_json_has_every_figure(old: Path, new: Path) -> None:
    found = document(old, new)
    assert list(found) == sorted(found)
    assert found["old"]["place"] == str(old)
    assert (found["new"]["prefix"], len(found["new"]["release"])) == ("/static/", 16)
    assert {key: found[key] for key in found if key not in ("old", "new")} == {
        "changed": ["/favicon.ico", "/static/favicon.ico", "/static/site.css", "/static/site.css.map"],
        "changed_immutables": ["/static/same.aaaa.js"],
        "download": {
            "br": 27_950, "dictionaries": 26_000, "files": 4, "gzip": 33_200, "identity": 90_000, "zstd": 83_100
        },
        "entry_points": [],
        "growth": {"new": {"br": 27_950, "identity": 90_000}, "old": {"br": 4410, "identity": 12_910}},
        "limits": [],
        "media_types": [
            {
                "media_type": JAVASCRIPT,
                "new": {"br": 25_500, "identity": 80_500}, "old": {"br": 2000, "identity": 3500},
            },
            {"media_type": CSS, "new": {"br": 2050, "identity": 9100}, "old": {"br": 2000, "identity": 9000}},
            {"media_type": "image/x-icon", "new": {"br": 400, "identity": 400}, "old": {"br": 400, "identity": 400}},
            {"media_type": "text/plain", "new": {"br": 0, "identity": 0}, "old": {"br": 10, "identity": 10}},
        ],
        "ok": True,
        "purge": [
            "/favicon.ico", "/static/favicon.ico", "/static/gone.txt", "/static/same.aaaa.js", "/static/site.css",
            "/static/site.css.map",
        ],
        "vanished": ["/static/gone.txt", "/static/lost.aaaa.js", "/static/site.aaaa.css"],
        "without_delta": [{"br": 25_000, "path": "/static/large.bbbb.js"}],
    }  # fmt: skip


def test_markdown_has_the_same_in_tables(old: Path, new: Path) -> None:
    result = compare(old, new, "--markdown", "--no-vanishing", "--most-growth", "30kB")
    assert result.returncode == 1
    blocks = result.stdout.rstrip("\n").split("\n\n")
    assert blocks[0].startswith("### Static files: `")
    assert blocks[1:3] == [
        "3 URLs vanish:",
        "| URL path |\n| --- |\n| `/static/gone.txt` |\n| `/static/lost.aaaa.js` |\n| `/static/site.aaaa.css` |",
    ]
    assert (
        "| media type | bytes | before | br | before | growth (br) |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |\n"
        "| `text/javascript; charset=utf-8` | 80.5 kB | 3.5 kB | 25.5 kB | 2.0 kB | 23.5 kB more |\n"
    ) in result.stdout
    assert blocks[-2] == "1 of 2 limits exceeded:"
    assert blocks[-1] == (
        "| limit | allowed | measured | result |\n| --- | ---: | ---: | ---: |\n"
        "| `--most-growth` | 30.0 kB | 23.5 kB | kept |\n| `--no-vanishing` | 0 | 3 | exceeded |"
    )


def test_a_release_beside_itself_changes_nothing(old: Path) -> None:
    limits = ("--most-growth", "0", "--most-download", "0", "--no-vanishing", "--no-changed-immutables")
    result = compare(old, old, *limits)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.split("\n", 1)[1] == (
        """\
no URL vanishes
no immutable URL has other bytes
no URL without a fingerprint changes
visitors of the old release download nothing
all files of the new release have 4.4 kB (br), as before
all limits are kept:
  limit                    allowed  measured  result
  --most-growth                0 B       0 B    kept
  --most-download              0 B       0 B    kept
  --no-vanishing                 0         0    kept
  --no-changed-immutables        0         0    kept
"""
    )
    assert compare(old, old, "--purge-list").stdout == ""


@pytest.mark.parametrize(
    ("option", "kept", "exceeded"), [("--most-growth", "23540", "23539"), ("--most-download", "27950", "27.9kB")]
)
def test_a_limit_of_bytes_is_kept_up_to_its_value(old: Path, new: Path, option: str, kept: str, exceeded: str) -> None:
    assert compare(old, new, option, kept).returncode == 0
    assert compare(old, new, option, exceeded).returncode == 1


def test_a_smaller_release_keeps_each_limit_of_growth(old: Path, new: Path) -> None:
    (limit,) = document(new, old, "--most-growth", "0")["limits"]
    assert limit == {"allowed": 0, "measured": -23_540, "ok": True, "option": "--most-growth"}
    assert "  --most-growth      0 B  -23.5 kB    kept\n" in compare(new, old, "--most-growth", "0").stdout


@pytest.mark.parametrize("form", ["--json", "--markdown", "--purge-list"])
def test_each_form_is_a_gate(old: Path, new: Path, form: str) -> None:
    result = compare(old, new, form, "--no-changed-immutables")
    assert result.returncode == 1
    assert "--no-changed-immutables allows 0 (immutable URLs with other bytes: 1)." in result.stderr
    if form == "--json":
        found = json.loads(result.stdout)
        assert found["ok"] is False
        assert found["limits"] == [{"allowed": 0, "measured": 1, "ok": False, "option": "--no-changed-immutables"}]


def test_files_that_the_new_tree_carries_do_not_vanish(old: Path, tmp_path: Path) -> None:
    kept = [
        fingerprint("site.aaaa.css", "style 1", identity=9000, releases=(1,)),
        fingerprint("lost.aaaa.js", "lost", JAVASCRIPT, identity=3000, releases=(1,)),
    ]
    found = document(old, write_index(tmp_path / "carrying", name("a.txt", "a"), *kept))
    assert found["vanished"] == [
        *("/favicon.ico", "/static/favicon.ico", "/static/gone.txt", "/static/same.aaaa.js", "/static/site.css"),
        "/static/site.css.map",
    ]
    assert found["growth"]["new"] == {"br": 1, "identity": 1}
    again = document(tmp_path / "carrying", write_index(tmp_path / "next", name("a.txt", "a")))
    assert again["vanished"] == []  # what the old tree only carried may go


def test_the_purge_list_has_what_a_cdn_must_forget_and_nothing_else(tmp_path: Path) -> None:
    first = write_index(
        tmp_path / "1",
        name("robots.txt", "same", "text/plain"),
        name("a b's.css", "old"),
        name("typed.txt", "same", "text/plain"),
        name("fields.txt", "same", "text/plain"),
        name("gone.txt", "gone", "text/plain"),
        fingerprint("gone.aaaa.css", "gone"),
        fingerprint("fixed.aaaa.css", "old"),
        fingerprint("same.aaaa.css", "same"),
        fingerprint("fields.aaaa.css", "same"),
        ("docs/", describe("docs/index.html", "old", "text/html")),
        (".root/", describe(".root/index.html", "old", "text/html")),
        name(".root/robots.txt", "root's", "text/plain"),
        name(".well-known/hidden.txt", "old", "text/plain"),
    )
    second = write_index(
        tmp_path / "2",
        name("robots.txt", "same", "text/plain"),
        name("a b's.css", "new"),
        name("typed.txt", "same", "text/html"),
        name("fields.txt", "same", "text/plain", fields=(("cache-control", "no-store"),)),
        fingerprint("fixed.aaaa.css", "new"),
        fingerprint("same.aaaa.css", "same"),
        fingerprint("fields.aaaa.css", "same", fields=(("access-control-allow-origin", None),)),
        ("docs/", describe("docs/index.html", "new", "text/html")),
        (".root/", describe(".root/index.html", "new", "text/html")),
        name(".well-known/hidden.txt", "new", "text/plain"),
    )
    listed = compare(first, second, "--purge-list", DJANGO_STATIC_ROOT_FILES="robots.txt,.well-known/")
    assert listed.stderr == ""
    assert listed.stdout == (
        "/\n/.well-known/hidden.txt\n/static/a%20b's.css\n/static/docs/\n/static/fields.aaaa.css\n/static/fields.txt\n"
        "/static/fixed.aaaa.css\n/static/gone.txt\n/static/typed.txt\n"
    )
    assert "/robots.txt\n" in compare(first, second, "--purge-list").stdout  # where that of .root/ comes first


def test_another_prefix_changes_every_url(old: Path, tmp_path: Path) -> None:
    moved = write_index(tmp_path / "moved", fingerprint("site.aaaa.css", "style 1"), prefix="/assets/")
    result = compare(old, moved)
    assert "old files are served below `/static/`, new ones below `/assets/`: these URLs all differ\n" in result.stdout
    assert "8 URLs vanish:\n" in result.stdout
    assert "no file of the old release is a dictionary, so there is no delta\n" in result.stdout
    assert document(old, moved, DJANGO_STATIC_PREFIX="/files/")["vanished"][-1] == "/files/site.css.map"
    assert len(document(old, moved, DJANGO_STATIC_PREFIX="/files/")["vanished"]) == 7


def test_long_lists_are_cut_for_people_and_whole_for_programs(tmp_path: Path) -> None:
    first = write_index(tmp_path / "1", name("a.txt", "a"), *(name(f"{n:02}.txt", "x") for n in range(23)))
    second = write_index(tmp_path / "2", name("a.txt", "a"))
    assert "23 URLs vanish:\n  /static/00.txt\n" in compare(first, second).stdout
    assert "  /static/19.txt\n  and 3 more\n" in compare(first, second).stdout
    assert "| `/static/19.txt` |\n\nand 3 more\n" in compare(first, second, "--markdown").stdout
    assert len(document(first, second)["vanished"]) == 23


def test_no_name_breaks_a_table_or_a_terminal(tmp_path: Path) -> None:
    hostile = "a|b`c<img src=x onerror=alert(1)>\r\x1b[31m\u2028&amp;\\|@everyone[x](y).css"
    media_type = "text/css; charset=`|<b>"
    first = write_index(tmp_path / "1", name(hostile, "x", media_type), name("a.txt", "a"))
    second = write_index(tmp_path / "2", name("a.txt", "a"))
    shown = (
        "/static/a%7Cb%60c%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E%0D%1B%5B31m%E2%80%A8%26amp%3B%5C%7C%40everyone"
        "%5Bx%5D(y).css"
    )
    found = compare(first, second, "--markdown").stdout
    assert f"| URL path |\n| --- |\n| `{shown}` |\n" in found
    assert "| `text/css; charset=%60%7C%3Cb%3E` | 0 B | 1 B | 0 B | 1 B | 1 B less |\n" in found
    assert f"  {shown}\n" in compare(first, second).stdout
    assert compare(first, second, "--purge-list").stdout == f"{shown}\n"


def test_a_delta_counts_only_if_the_browser_would_name_its_dictionary(tmp_path: Path) -> None:
    long = {"identity": 5000, "br": 3000, "zstd": 2900}
    first = write_index(
        tmp_path / "1",
        fingerprint("app.aaaa.js", "app 1", JAVASCRIPT, **long, match="app.*.js"),
        fingerprint("other.aaaa.js", "other 1", JAVASCRIPT, **long),
    )
    second = write_index(
        tmp_path / "2",
        fingerprint("app.bbbb.js", "app 2", JAVASCRIPT, **long, deltas={"app 0": 50, "app 1": 60}),
        fingerprint("other.bbbb.js", "other 2", JAVASCRIPT, **long, deltas={"other 1": 70}),
        fingerprint("short.bbbb.js", "short", JAVASCRIPT, identity=2000, br=999),
        fingerprint("image.bbbb.png", "image", "image/png", identity=9000),
    )
    assert "\nno dictionary covers 1 new or changed file:\n" in compare(first, second).stdout
    found = document(first, second)
    assert found["download"]["dictionaries"] == 60 + 2900 + 999 + 9000
    assert found["without_delta"] == [{"br": 3000, "path": "/static/other.bbbb.js"}]


def test_a_content_counts_once_in_its_smallest_form(tmp_path: Path) -> None:
    first = write_index(tmp_path / "1", name("z.css", "z", identity=1))
    named = [
        name("a.css", "x", identity=900),
        name("b.css", "x", identity=900, br=300),
        name("c.css", "x", identity=900),
    ]
    found = document(first, write_index(tmp_path / "2", *named))
    assert (found["download"]["files"], found["download"]["br"], found["growth"]["new"]["br"]) == (1, 300, 300)


def test_files_that_suit_no_dictionary_are_not_said_to_lack_one(tmp_path: Path) -> None:
    first = write_index(tmp_path / "1", fingerprint("app.aaaa.js", "1", JAVASCRIPT, identity=5000, match="app.*.js"))
    second = write_index(tmp_path / "2", fingerprint("image.bbbb.png", "2", "image/png", identity=5000))
    assert "\neach new or changed file that suits a dictionary has a delta\n" in compare(first, second).stdout


def test_entry_points_grow_with_the_chunks_that_they_load(tmp_path: Path) -> None:
    main = {"file": "assets/main-AAAA1111.js", "isEntry": True, "imports": ["_lib"], "css": ["assets/m.css", 7]}
    vite = {
        "src/main.js": main,
        "_lib": {"file": "assets/lib-AAAA1111.js", "imports": ["src/main.js"]},
        "later.js": {"file": "assets/later-AAAA1111.js", "isDynamicEntry": True},
    }  # fmt: skip
    webpack = {"chunks": {"shop": ["shop.js", "lib.js"]}, "assets": {"shop.js": {"name": "shop.js"}}}

    def write_release(place: str, lib: int) -> Path:
        texts = {"dist/manifest.json": json.dumps(vite), "webpack-stats.json": json.dumps(webpack)}
        named = [
            fingerprint("dist/assets/main-AAAA1111.js", "main", JAVASCRIPT, identity=100),
            fingerprint("dist/assets/lib-AAAA1111.js", f"lib {lib}", JAVASCRIPT, identity=lib, br=lib - 1),
            fingerprint("dist/assets/later-AAAA1111.js", "later", JAVASCRIPT, identity=5000),
            name("dist/assets/m.css", "m", identity=7),
            name("shop.js", "shop", JAVASCRIPT, identity=20),
            name("lib.js", f"lib {lib}", JAVASCRIPT, identity=lib, br=lib - 1),
            *(name(path, text, "application/json") for path, text in texts.items()),
        ]
        root = write_index(tmp_path / place, *named)
        (root / "dist").mkdir(exist_ok=True)
        for path, text in texts.items():
            (root / path).write_text(text)
        return root

    one, two = write_release("1", 1000), write_release("2", 3000)
    assert document(one, two)["entry_points"] == [
        {
            "entry_point": "dist/src/main.js",
            "old": {"br": 1106, "identity": 1107},
            "new": {"br": 3106, "identity": 3107},
        },
        {"entry_point": "shop", "old": {"br": 1019, "identity": 1020}, "new": {"br": 3019, "identity": 3020}},
    ]
    assert "2 entry points with other sizes:\n" in compare(one, two).stdout
    assert "no entry point with other sizes\n" in compare(one, one).stdout
    (one / "webpack-stats.json").write_text("{}")  # not what the index says
    (one / "dist/manifest.json").unlink()
    assert document(one, two)["entry_points"] == []
    assert "entry point" not in compare(one, two).stdout


def test_a_manifest_of_a_megabyte_is_not_read(tmp_path: Path) -> None:
    text = json.dumps({"a": {"isEntry": True, "file": "a.js"}})
    for place, padding, expected in (("1", 1 << 20, []), ("2", (1 << 20) - len(text), ["a"])):
        long = text + " " * padding
        named = (name("a.js", "a", JAVASCRIPT), name("manifest.json", long, "application/json"))
        root = write_index(tmp_path / place, *named)
        (root / "manifest.json").write_text(long)
        assert [each["entry_point"] for each in document(root, root)["entry_points"]] == expected


def damage_header(root: Path, **facts: object) -> None:
    first, _, rest = (root / INDEX_FILE_NAME).read_bytes().partition(b"\n")
    (root / INDEX_FILE_NAME).write_bytes(json.dumps({**json.loads(first), **facts}).encode() + b"\n" + rest)


def test_an_index_that_is_damaged_ends_with_exit_code_3(old: Path, new: Path) -> None:
    whole = (new / INDEX_FILE_NAME).read_bytes()
    for data, said in (
        (whole[:-20], f"the index {new}/{INDEX_FILE_NAME} cannot be used: its checksum does not match"),
        (b"\0\xff", f"the index {new}/{INDEX_FILE_NAME} cannot be used: its first line is not an index header"),
        (b"", "its first line is not an index header"),
    ):
        (new / INDEX_FILE_NAME).write_bytes(data)
        for pair in ((old, new), (new, old)):
            result = compare(*pair, "--json")
            assert (result.returncode, result.stdout) == (3, "")
            assert said in result.stderr
            assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "resource",
    [
        Resource("text/css", False, ()),
        describe("../a.css", "up"),
        describe("a.css", "x", "text/css\x1b[31m"),
        describe("a.css", "x", identity=-1),
        describe("a.css", "x", match="é"),
    ],
)
def test_a_line_that_no_build_writes_ends_with_exit_code_3(old: Path, tmp_path: Path, resource: Resource) -> None:
    result = compare(old, write_index(tmp_path / "hostile", ("a.css", resource)))
    assert result.returncode == 3
    assert result.stderr == f"static-host: the index of {tmp_path}/hostile has a line that no build writes.\n"


@pytest.mark.parametrize("facts", [{"release": "\x1b[31m"}, {"release": 7}, {"prefix": 7}, {"prefix": "static/"}])
def test_a_header_that_no_build_writes_ends_with_exit_code_3(old: Path, new: Path, facts: dict[str, object]) -> None:
    damage_header(new, **facts)
    assert compare(old, new).returncode == 3


def test_a_place_that_cannot_be_read_ends_with_exit_code_3(old: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for place, said in (
        (tmp_path / "nothing", "cannot be read: No such file or directory."),
        (tmp_path / "file", "cannot be read: Not a directory."),
        (tmp_path / "empty", "holds no index (static-host.index). For a tree that other tools made"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9/static/static-host.index cannot be reached"),
        (f"file://{tmp_path}/empty", "holds no release: nothing was published there."),
    ):
        result = compare(old, place)
        assert (result.returncode, result.stdout) == (3, ""), place
        assert said in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--json", "--markdown"), "--json, --markdown and --purge-list exclude each other."),
        (("--json", "--purge-list"), "exclude each other."),
        (("--most-growth", "fifty"), "'fifty' is not a number of bytes, for example 50kB or 2MB."),
        (("--most-growth", "-5"), "is not a number of bytes"),
        (("--most-download", ""), "is not a number of bytes"),
        (("--unknown",), "No such option"),
    ],
)
def test_a_wrong_option_ends_with_exit_code_2(old: Path, options: tuple[str, ...], said: str) -> None:
    result = compare(old, old, *options)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr


@pytest.mark.parametrize("place", ["ftp://example.com", "https://user:secret@example.com", "https://example.com/?a=b"])
def test_an_address_that_is_none_ends_with_exit_code_2(old: Path, place: str) -> None:
    result = compare(old, place)
    assert result.returncode == 2
    assert "Expected: directories, or URLs without credentials and query" in result.stderr
    assert "secret" not in result.stderr
