"""SVG that comes in its gzip coding (.svgz), from the build, from `static-host index` and from the dev server."""

from __future__ import annotations

import gzip
import shutil
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import brotli
import httpx
import pytest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from static_host.origin.index import parse_index
from static_host_build.encode.decoding import decode
from tests.support.builds import Build
from tests.support.processes import SCRIPTS, Running, run, run_server

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><title>logo</title>' + b'<path d="M0 0h9v9H0z"/>' * 40 + b"</svg>"
SVGZ = gzip.compress(SVG, 9, mtime=1_000_000_000)


@dataclass(frozen=True, slots=True)
class Answer:
    status_code: int
    headers: httpx.Headers
    content: bytes


def asked(running: Running, name: str, coding: str | None, method: str = "GET", **fields: str) -> Answer:
    """Ask for a file, and return the answer with its body as it was sent; None sends no Accept-Encoding."""
    with httpx.Client() as client:
        client.headers.pop("accept-encoding")
        accepted = {} if coding is None else {"Accept-Encoding": coding}
        with client.stream(method, f"{running.url}/static/{name}", headers={**accepted, **fields}) as answer:
            body = b"".join(answer.iter_raw())
            return Answer(answer.status_code, answer.headers, body)


@pytest.fixture
def svgz(project: Path) -> Path:
    (project / "mysite/static/logo.svgz").write_bytes(SVGZ)
    return project


def test_the_build_makes_an_image_of_it_with_codings(build: Build, svgz: Path) -> None:
    assert build().stderr == ""
    tree = svgz / "staticfiles"
    index = parse_index((tree / "static-host.index").read_bytes())
    hashed = "logo.c0ac4d7963f7.svgz"
    for name in ("logo.svgz", hashed):
        assert index[name].media_type == "image/svg+xml"
        assert [r.coding for r in index[name].representations] == ["br", "zstd", "gzip", "identity"]
        assert (tree / name).read_bytes() == SVG
        assert gzip.decompress((tree / f"{name}.gz").read_bytes()) == SVG
    assert index[hashed].immutable
    assert "logo.svgz.gz" not in index
    assert run("static-host", "build", "--verify", cwd=svgz, DJANGO_SETTINGS_MODULE="mysite.settings").returncode == 0


def test_every_client_gets_what_it_can_read(build: Build, svgz: Path) -> None:
    assert build().returncode == 0
    with run_server(cwd=svgz, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        of_gzip, of_none = asked(running, "logo.svgz", "gzip"), asked(running, "logo.svgz", None)
        assert of_gzip.headers["content-encoding"] == "gzip"
        assert gzip.decompress(of_gzip.content) == SVG
        assert brotli.decompress(asked(running, "logo.svgz", "gzip, br").content) == SVG
        for response in (of_none, asked(running, "logo.svgz", "identity"), asked(running, "logo.svgz", "gzip;q=0")):
            assert "content-encoding" not in response.headers
            assert response.content == SVG
        for response in (of_gzip, of_none):
            assert response.headers["content-type"] == "image/svg+xml"
            assert response.headers["vary"] == "Accept-Encoding"
        assert of_gzip.headers["etag"] != of_none.headers["etag"]
        again = asked(running, "logo.svgz", "gzip", **{"If-None-Match": of_gzip.headers["etag"]})
        assert again.status_code == 304
        part = asked(running, "logo.svgz", "identity", Range="bytes=0-3")
        assert (part.status_code, part.content) == (206, b"<svg")
        head = asked(running, "logo.svgz", "gzip", "HEAD")
        assert (head.headers["content-encoding"], head.content) == ("gzip", b"")
        assert head.headers["content-length"] == str(len(of_gzip.content))


@pytest.mark.parametrize("broken", [SVG, SVGZ[:-9], SVGZ + b"more", b""])
def test_what_is_no_gzip_is_left_as_it_is_with_a_warning(build: Build, project: Path, broken: bytes) -> None:
    (project / "mysite/static/img/Logo.SVGZ").write_bytes(broken)
    for _ in range(2):
        result = build()
        assert result.returncode == 0
        assert result.stderr == (
            "static-host: img/Logo.SVGZ is not gzip, although it is an .svgz file; it is served unchanged\n"
        )
    assert (project / "staticfiles/img/Logo.SVGZ").read_bytes() == broken
    index = parse_index((project / "staticfiles/static-host.index").read_bytes())
    assert index["img/Logo.SVGZ"].media_type == "image/svg+xml"


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """1 GB of zeros in 1 MB of gzip."""
    compressor = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    return b"".join([*(compressor.compress(zeros) for _ in range(1024)), compressor.flush()])


MEASURED = (
    "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, code)"
)
"""Runs a command, and prints how many KiB of memory it took, and its exit code."""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["build", "index dist"])
def test_a_bomb_takes_no_memory_and_is_named_with_its_remedy(project: Path, bomb: bytes, command: str) -> None:
    (project / "mysite/static/bomb.svgz").write_bytes(bomb)
    (project / "dist").mkdir()
    (project / "dist/bomb.svgz").write_bytes(bomb)
    arguments = (str(SCRIPTS / "static-host"), *command.split())
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CODINGS": "gzip"}
    result = run("python", "-c", MEASURED, *arguments, cwd=project, **variables)
    memory, code = map(int, result.stdout.splitlines()[-1].split())
    assert code == 0, result.stderr
    assert memory < 512 << 10
    assert (
        f"bomb.svgz ({len(bomb):,} bytes) decodes to more than 64 MiB, which no browser draws; it is served unchanged. "
        "Simplify the drawing or remove the file\n"
    ) in result.stderr


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_nothing_is_decoded_beyond_what_is_asked_for(coding: str) -> None:
    encode: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstd.compress}
    body = encode[coding](b"a" * 100_000)
    assert decode(coding, body, 100_000) == b"a" * 100_000
    assert decode(coding, body, 99_999) is None
    assert decode(coding, body[:-1], 100_000) is None
    assert decode(coding, body + b"more", 100_000) is None
    assert decode(coding, encode[coding](b""), 0) == b""


def test_two_builds_of_one_file_are_the_same(build: Build, svgz: Path, tmp_path: Path) -> None:
    assert build().returncode == 0
    release = (svgz / "staticfiles").resolve().name
    (svgz / "staticfiles").unlink()
    shutil.rmtree(svgz / ".staticfiles.releases")
    assert build(DJANGO_STATIC_CACHE=str(tmp_path / "cache")).returncode == 0
    assert (svgz / "staticfiles").resolve().name == release


@pytest.fixture
def adopted(tmp_path: Path) -> Path:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/logo.svgz").write_bytes(SVGZ)
    (tmp_path / "dist/broken.svgz").write_bytes(SVG)
    (tmp_path / "dist/plain.txt").write_text("plain")
    return tmp_path


def test_an_index_of_another_tool_s_tree_serves_it_to_every_client(adopted: Path) -> None:
    for _ in range(2):  # what the first one writes is no file of its own to the second
        result = run("static-host", "index", "dist", cwd=adopted)
        assert result.returncode == 0, result.stderr
        assert "broken.svgz is not gzip, although it is an .svgz file; it is served unchanged" in result.stderr
        assert result.stdout == "static-host: 3 static resources in dist: 0 immutable, 1 with encoded siblings\n"
    assert (adopted / "dist/logo.svgz").read_bytes() == SVGZ
    assert (adopted / "dist/logo.svgz.identity").read_bytes() == SVG
    variables = {"DJANGO_STATIC_ROOT": "dist", "DJANGO_DEBUG": "true"}
    assert run("static-host", "check", cwd=adopted, **variables).returncode in (0, 1)
    with run_server(cwd=adopted, **variables) as running:
        of_gzip, of_none = asked(running, "logo.svgz", "gzip, br"), asked(running, "logo.svgz", None)
        assert of_gzip.headers["content-encoding"] == "gzip"
        assert of_gzip.content == SVGZ
        assert "content-encoding" not in of_none.headers
        assert of_none.content == SVG
        assert of_gzip.headers["content-type"] == of_none.headers["content-type"] == "image/svg+xml"
        assert asked(running, "logo.svgz.identity", None).status_code == 404


def test_a_broken_one_is_served_by_an_index_as_it_is(adopted: Path) -> None:
    assert run("static-host", "index", "dist", cwd=adopted).returncode == 0
    index = parse_index((adopted / "dist/static-host.index").read_bytes())
    assert [(r.coding, r.file) for r in index["broken.svgz"].representations] == [("identity", "broken.svgz")]
    assert [(r.coding, r.file) for r in index["logo.svgz"].representations] == [
        ("gzip", "logo.svgz"),
        ("identity", "logo.svgz.identity"),
    ]


def test_one_of_another_tool_s_tree_is_carried_into_the_next_release(
    build: Build, project: Path, tmp_path: Path
) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/logo.0123456789ab.svgz").write_bytes(SVGZ)
    variables = {"DJANGO_STATIC_PREFIX": "/static/", "DJANGO_STATIC_IMMUTABLE_PATTERN": r"\.[0-9a-f]{12}\."}
    assert run("static-host", "index", "dist", cwd=tmp_path, **variables).returncode == 0
    result = build(DJANGO_STATIC_PREVIOUS=str(tmp_path / "dist"))
    assert result.returncode == 0, result.stderr
    index = parse_index((project / "staticfiles/static-host.index").read_bytes())
    assert index["logo.0123456789ab.svgz"].carried
    assert (project / "staticfiles/logo.0123456789ab.svgz").read_bytes() == SVGZ
    assert (project / "staticfiles/logo.0123456789ab.svgz.identity").read_bytes() == SVG


def test_the_dev_server_does_as_production_does(svgz: Path) -> None:
    (svgz / "mysite/static/broken.svgz").write_bytes(SVG)
    ready = r"ready on (http://[^\s,]+)"
    with run_server("static-host", "dev", cwd=svgz, ready=ready, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        of_gzip, of_none = asked(running, "logo.svgz", "gzip, br"), asked(running, "logo.svgz", "identity")
        assert (of_gzip.headers["content-encoding"], of_gzip.content) == ("gzip", SVGZ)
        assert "content-encoding" not in of_none.headers
        assert of_none.content == asked(running, "logo.svgz", None).content == SVG
        for response in (of_gzip, of_none):
            assert response.headers["content-type"] == "image/svg+xml"
            assert response.headers["vary"] == "Accept-Encoding"
        again = asked(running, "logo.svgz", "gzip", **{"If-None-Match": of_gzip.headers["etag"]})
        assert again.status_code == 304
        broken = asked(running, "broken.svgz", "gzip")
        assert "content-encoding" not in broken.headers
        assert broken.content == SVG
