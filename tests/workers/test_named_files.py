"""X-Accel-Redirect and X-Sendfile through a real server, by WSGI and by ASGI."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.dev.test_dev import READY
from tests.support.file_cases import CONTENT
from tests.support.file_project import LARGE_BYTES, VARIABLES, make_file_project, write_settings
from tests.support.processes import Running, run_server
from tests.support.wire import Response
from tests.workers.test_file_responses import MEDIUM, count_rest, get, slow_client

ACCEL = "x-accel-redirect: /protected/"
HTML = b"text/html; charset=utf-8"
UNCACHEABLE = [b"private, no-store, max-age=0"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    project = make_file_project(tmp_path_factory.mktemp("named"), cache)
    files = project / "files"
    (files / "a.html").write_bytes(b"<p>")
    (files / "é日.txt").write_bytes(b"unicode")
    (files / "archive.tar.gz").write_bytes(b"gz")
    (files / "sub").mkdir()
    (files / "inside").symlink_to("small.txt")
    (files / "outside").symlink_to("../mysite/settings.py")
    os.mkfifo(files / "fifo")
    (files / "locked.txt").write_bytes(b"locked")
    return project


def make_roots(project: Path) -> str:
    return f"/protected/={project}/files,/deep/down/={project}/files/sub"


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def server(project: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    variables = {**VARIABLES, "DJANGO_INTERFACE": request.param, "DJANGO_SENDFILE_ROOTS": make_roots(project)}
    with run_server(cwd=project, **variables) as running:
        yield running
        assert "Traceback" not in running.output


def make_target(*lines: str, **options: Any) -> str:
    return f"/named/?case={quote(json.dumps({'lines': lines, **options}))}"


def name(server: Running, *lines: str, request: tuple[str, ...] = (), method: str = "GET", **options: Any) -> Response:
    """Have a view send these fields."""
    return get(server.port, make_target(*lines, **options), *request, method=method)


def test_the_file_takes_the_place_of_the_view_s_body_and_the_fields_stay(server: Running, project: Path) -> None:
    got = name(
        server, f"{ACCEL}small.txt", "content-disposition: attachment", "set-cookie: a=1", "cache-control: private"
    )
    facts = (project / "files/small.txt").stat()
    etag = b'"%x-%x-%x"' % (facts.st_ino, facts.st_mtime_ns, facts.st_size)
    fields = {name: value.strip() for name, value in got.fields if name not in (b"date", b"last-modified")}
    assert (got.status, got.body) == (200, CONTENT)
    assert fields.pop(b"etag") in (etag, b"W/" + etag)
    assert fields == {
        b"content-type": b"text/plain; charset=utf-8",
        b"content-length": b"10",
        b"content-disposition": b"attachment",
        b"set-cookie": b"a=1",
        b"cache-control": b"private",
        b"accept-ranges": b"bytes",
        b"connection": b"close",
    }


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        ((f"{ACCEL}a.html",), {b"content-type": [HTML]}),
        ((f"{ACCEL}a.html", "content-type: text/x-own"), {b"content-type": [b"text/x-own"]}),
        ((f"{ACCEL}a.html", "content-type: "), {b"content-type": [HTML]}),
        ((f"{ACCEL}a.html", "content-length: 0"), {b"content-length": [b"3"]}),
        ((f"{ACCEL}a.html", "content-length: 77"), {b"content-length": [b"3"]}),
        ((f"{ACCEL}a.html", 'etag: "own"'), {b"etag": [b'"own"']}),
        ((f"{ACCEL}a.html", "last-modified: Wed, 15 Mar 2006 11:16:21 GMT"),
         {b"last-modified": [b"Wed, 15 Mar 2006 11:16:21 GMT"]}),
        ((f"{ACCEL}archive.tar.gz",), {b"content-type": [b"application/gzip"], b"content-encoding": []}),
        ((f"{ACCEL}archive.tar.gz", "content-encoding: gzip"),
         {b"content-type": [], b"content-encoding": [b"gzip"], b"accept-ranges": []}),
        ((f"{ACCEL}a.html", "x-sendfile: /etc/passwd"), {b"content-type": [HTML], b"x-sendfile": []}),
        ((f"{ACCEL}a.html?name=x",), {b"content-type": [HTML], b"x-accel-redirect": []}),
        ((f"{ACCEL}a.html", "x-accel-buffering: no"), {b"x-accel-buffering": [b"no"]}),
    ],
)  # fmt: skip
def test_fields_of_the_file_and_of_the_view(
    server: Running, lines: tuple[str, ...], fields: dict[bytes, list[bytes]]
) -> None:
    for method in ("GET", "HEAD"):
        got = name(server, *lines, method=method)
        assert got.status == 200
        assert {each: [value.strip() for value in got.get_all(each)] for each in fields} == fields
        assert len(got.body) == (method == "GET" and int(got.get_all(b"content-length")[0]))


@pytest.mark.parametrize("text", ["small.txt", "%73mall%2Etxt", "inside", "./small.txt", "sub/../small.txt", "ÿ"])
def test_x_accel_redirect(server: Running, text: str) -> None:
    got = name(server, f"{ACCEL}{text}")
    assert (got.status, got.body) == ((200, CONTENT) if text in ("small.txt", "%73mall%2Etxt", "inside", "./small.txt")
                                      else (404, b"Not Found\n"))  # fmt: skip


def test_x_sendfile(server: Running, project: Path) -> None:
    assert name(server, f"x-sendfile: {project}/files/small.txt").body == CONTENT
    assert name(server, f"x-sendfile: {project}/files/é日.txt").body == b"unicode"
    assert name(server, f"{ACCEL}{quote('é日.txt')}").body == b"unicode"
    assert name(server, f"x-sendfile: {project}/mysite/settings.py").status == 404
    assert name(server, "x-sendfile: /etc/passwd").status == 404


@pytest.mark.parametrize(
    "lines",
    [
        (f"{ACCEL}nothing",),
        (f"{ACCEL}outside",),
        (f"{ACCEL}sub",),
        (f"{ACCEL}fifo",),
        (f"{ACCEL}",),
        (f"{ACCEL}../mysite/settings.py",),
        (f"{ACCEL}%2e%2e/mysite/settings.py",),
        ("x-accel-redirect: /protectedX/small.txt",),
        ("x-accel-redirect: /deep/down/../small.txt",),
        ("x-accel-redirect: ",),
        ("x-accel-redirect: /protected/nothing", "x-sendfile: {project}/files/small.txt"),
        ("x-sendfile: =?utf-8?b?L?=",),
    ],
)
def test_what_names_no_file_is_404_and_neither_cached_nor_shown(
    server: Running, project: Path, lines: tuple[str, ...]
) -> None:
    for method in ("GET", "HEAD"):
        own = [line.replace("{project}", str(project)) for line in lines]
        got = name(server, *own, "set-cookie: a=1", "cache-control: max-age=60", method=method)
        assert (got.status, got.body) == (404, b"Not Found\n" if method == "GET" else b"")
        assert got.get_all(b"cache-control") == UNCACHEABLE
        assert got.get_all(b"x-accel-redirect") == got.get_all(b"x-sendfile") == []
    server.wait_for(f"GET /named/: {lines[0].partition(':')[0].title()} ")


@pytest.mark.parametrize(
    ("request_lines", "status", "body"),
    [
        (("Range: bytes=2-4",), 206, CONTENT[2:5]),
        (("Range: bytes=-2",), 206, CONTENT[-2:]),
        (("Range: bytes=99-",), 416, b"Range Not Satisfiable\n"),
        (("Range: bytes=2-4", 'If-Range: "x"'), 200, CONTENT),
        (('If-None-Match: "own"',), 304, b""),
        (('If-Match: "x"',), 412, b"Precondition Failed\n"),
    ],
)  # fmt: skip
def test_ranges_and_conditions(server: Running, request_lines: tuple[str, ...], status: int, body: bytes) -> None:
    got = name(server, f"{ACCEL}small.txt", 'etag: "own"', request=request_lines)
    assert (got.status, got.body) == (status, body)


def test_a_client_that_has_the_file_gets_304(server: Running) -> None:
    first = name(server, f"{ACCEL}medium.bin")
    assert first.body == MEDIUM
    (etag,), (date,) = first.get_all(b"etag"), first.get_all(b"last-modified")
    assert name(server, f"{ACCEL}medium.bin", request=(f"If-None-Match: {etag.decode()}",)).status == 304
    assert name(server, f"{ACCEL}medium.bin", request=(f"If-Modified-Since: {date.decode()}",)).status == 304


@pytest.mark.parametrize(("status", "body"), [(201, CONTENT), (404, CONTENT), (206, CONTENT), (204, b""), (304, b"")])
def test_another_status_stays(server: Running, status: int, body: bytes) -> None:
    got = name(server, f"{ACCEL}small.txt", status=status, request=("Range: bytes=1-2",))
    assert (got.status, got.body, got.get_all(b"accept-ranges")) == (status, body, [])
    assert get(server.port, "/page/").body == b"ok"


def test_post(server: Running) -> None:
    got = name(server, f"{ACCEL}small.txt", method="POST", request=("Range: bytes=1-2",))
    assert (got.status, got.body) == (200, CONTENT)


@pytest.mark.parametrize("is_endless", [False, True])
def test_a_stream_is_dropped_and_the_thread_is_free_while_the_file_is_sent(server: Running, is_endless: bool) -> None:
    target = make_target(f"{ACCEL}large.bin", is_stream=True, is_endless=is_endless)
    with slow_client(server.port, target, "Connection: close") as connection:
        assert get(server.port, "/page/").body == b"ok"
        assert count_rest(connection) == LARGE_BYTES
    got = name(server, f"{ACCEL}nothing", is_stream=True, is_endless=is_endless)
    assert (got.status, got.body) == (404, b"Not Found\n")
    assert get(server.port, "/page/").body == b"ok"


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_without_roots_the_fields_are_removed_and_that_is_said_once(project: Path, interface: str) -> None:
    with run_server(cwd=project, DJANGO_INTERFACE=interface, **VARIABLES) as running:
        for line in (f"{ACCEL}small.txt", f"x-sendfile: {project}/files/small.txt", f"{ACCEL}small.txt"):
            got = name(running, line, "x-own: 1")
            assert (got.status, got.body) == (200, b"the view's own")
            assert (got.get_all(b"x-accel-redirect"), got.get_all(b"x-sendfile")) == ([], [])
            assert got.get_all(b"x-own") == [b"1"]
        got = name(running, f"{ACCEL}small.txt", method="HEAD")
        assert (got.status, got.get_all(b"x-accel-redirect")) == (200, [])
        text = "GET /named/: its X-Accel-Redirect is removed: DJANGO_SENDFILE_ROOTS names no directory"
        assert running.output.count(text) == 1
        assert running.output.count("DJANGO_SENDFILE_ROOTS") == 1


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
@pytest.mark.parametrize("backend", ["nginx", "xsendfile"])
def test_django_sendfile2(project: Path, interface: str, backend: str) -> None:
    common = "MIDDLEWARE = ['django.middleware.common.CommonMiddleware']"
    variables = write_settings(
        project, f"with_{backend}", f"SENDFILE_BACKEND = 'django_sendfile.backends.{backend}'", common
    )
    variables |= {"DJANGO_INTERFACE": interface, "DJANGO_SENDFILE_ROOTS": make_roots(project)}
    with run_server(cwd=project, **variables) as running:
        got = get(running.port, "/private/medium.bin")
        assert (got.status, got.body) == (200, MEDIUM)
        assert got.get_all(b"content-disposition") == [b'attachment; filename="medium.bin"']
        assert got.get_all(b"content-type") == [b"application/octet-stream"]
        assert got.get_all(b"content-length") == [b"512000"]
        part = get(running.port, "/private/medium.bin", "Range: bytes=7-9")
        assert (part.status, part.body) == (206, MEDIUM[7:10])
        assert get(running.port, f"/private/{quote('é日.txt')}").body == b"unicode"
        assert get(running.port, "/private/archive.tar.gz").get_all(b"content-encoding") == [b"gzip"]
        assert get(running.port, "/private/nothing").status == 404
        assert get(running.port, "/private/%2e%2e/mysite/settings.py").status == 404
        assert running.stop() == 0
    assert "Traceback" not in running.output


def test_static_host_dev(project: Path) -> None:
    variables = {"DJANGO_SENDFILE_ROOTS": make_roots(project), "DJANGO_SETTINGS_MODULE": "mysite.settings"}
    with run_server("static-host", "dev", cwd=project, ready=READY, **variables) as running:
        assert name(running, f"{ACCEL}small.txt").body == CONTENT
        assert get(running.port, "/send/medium.bin", "Range: bytes=1-2").body == MEDIUM[1:3]
        assert get(running.port, "/send/medium.bin").body == MEDIUM
