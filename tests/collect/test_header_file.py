"""Header fields of the project's own: a file `_headers`, from the sources to the bytes of a response."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from static_host.origin.index import parse_index
from tests.support.builds import Build, append_settings, read_files, read_manifest_paths
from tests.support.processes import run, run_server
from tests.support.projects import copy_project
from tests.support.store_servers import build_another_release, serve_with_store
from tests.support.wire import exchange

VARIABLES = {"DJANGO_SETTINGS_MODULE": "mysite.settings"}
RULES = """\
# for the whole site
/*
  Strict-Transport-Security: max-age=31536000; includeSubDomains

/static/main.js
  Service-Worker-Allowed: /
  Cache-Control: no-cache

/static/engine.wasm
  Cross-Origin-Opener-Policy: same-origin
  Cross-Origin-Embedder-Policy: require-corp
  ! Access-Control-Allow-Origin

/static/*.pdf
  Content-Disposition: attachment; filename="terms.pdf"

/static/digits.txt
  Access-Control-Allow-Origin: https://app.example
  Access-Control-Allow-Credentials: true
  Content-Type: text/x-digits

/robots.txt
  X-Robots-Tag: noindex
"""
OPEN = "cross-origin-resource-policy: cross-origin\r\ntiming-allow-origin: *\r\nx-content-type-options: nosniff\r\n"
HSTS = "strict-transport-security: max-age=31536000; includeSubDomains\r\n"


@pytest.fixture
def static(project: Path) -> Path:
    """The static folder of the project, with files that rules are made for."""
    folder = project / "mysite/static"
    (folder / "_headers").write_text(RULES)
    (folder / "engine.wasm").write_bytes(b"\0asm\1\0\0\0")
    (folder / "terms.pdf").write_bytes(b"%PDF-1.7")
    return folder


def ask(port: int, target: str, *fields: str, method: str = "GET") -> str:
    """Return the response to a request, without Date and Connection, and with a dash for Last-Modified."""
    lines = [f"{method} {target} HTTP/1.1", "Host: a", "Connection: close", *fields, "", ""]
    response = exchange(port, "\r\n".join(lines).encode()).decode()
    return re.sub(r"(?<=last-modified: )[^\r]+", "-", response.replace("connection: close\r\n", ""))


def test_they_are_in_every_response(build: Build, project: Path, static: Path) -> None:
    result = build()
    assert (result.returncode, result.stderr) == (0, "")
    with run_server(cwd=project, **VARIABLES) as running:
        worker = ask(running.port, "/static/main.js", "Accept-Encoding: br")
        assert "\r\ncache-control: no-cache\r\n" in worker
        assert "\r\nservice-worker-allowed: /\r\n" in worker
        hashed = ask(running.port, f"/static/{read_manifest_paths(project)['main.js']}", "Accept-Encoding: br")
        assert "\r\ncache-control: public, max-age=31536000, immutable\r\n" in hashed
        assert "\r\nservice-worker-allowed: /\r\n" in hashed
        etag = '"k6RLu5bHUSGOTADUeeTBQ1gS"'
        wasm = (
            f"etag: {etag}\r\nlast-modified: -\r\ncache-control: max-age=60, must-revalidate\r\n"
            f"{OPEN}"
            "cross-origin-embedder-policy: require-corp\r\ncross-origin-opener-policy: same-origin\r\n"
        )
        assert ask(running.port, "/static/engine.wasm") == (
            "HTTP/1.1 200 OK\r\ncontent-type: application/wasm\r\ncontent-length: 8\r\n"
            f"{wasm}{HSTS}accept-ranges: bytes\r\n\r\n\0asm\1\0\0\0"
        )
        assert ask(running.port, "/static/engine.wasm", f"If-None-Match: {etag}") == (
            f"HTTP/1.1 304 Not Modified\r\n{wasm}{HSTS}\r\n"
        )
        pdf = ask(running.port, "/static/terms.pdf", "Range: bytes=1-3")
        etag = re.findall(r"etag: ([^\r]+)", pdf)[0]
        ours = (
            f"etag: {etag}\r\nlast-modified: -\r\ncache-control: max-age=60, must-revalidate\r\n"
            f"access-control-allow-origin: *\r\n{OPEN}{HSTS}"
        )
        assert pdf == (
            "HTTP/1.1 206 Partial Content\r\ncontent-type: application/pdf\r\ncontent-length: 3\r\n"
            f"content-range: bytes 1-3/8\r\n{ours}accept-ranges: bytes\r\n"
            'content-disposition: attachment; filename="terms.pdf"\r\n\r\nPDF'
        )
        assert ask(running.port, "/static/terms.pdf", f"If-None-Match: {etag}") == (
            f"HTTP/1.1 304 Not Modified\r\n{ours}\r\n"
        )
        digits = ask(running.port, "/static/digits.txt", method="HEAD")
        assert "\r\naccess-control-allow-origin: https://app.example\r\n" in digits
        assert "\r\naccess-control-allow-credentials: true\r\n" in digits
        assert "\r\ncontent-type: text/x-digits\r\n" in digits
        parts = ask(running.port, "/static/digits.txt", "Range: bytes=0-0,2-2")
        assert parts.count("\r\nContent-Type: text/x-digits\r\n") == 2
        assert ask(running.port, "/static/digits.txt", method="OPTIONS") == (
            "HTTP/1.1 204 No Content\r\nallow: GET, HEAD, OPTIONS\r\n"
            "access-control-allow-methods: GET, HEAD, OPTIONS\r\naccess-control-allow-headers: *\r\n"
            "access-control-max-age: 86400\r\naccess-control-allow-origin: https://app.example\r\n"
            f"{OPEN}"
            "access-control-allow-credentials: true\r\n\r\n"
        )
        for path in ("/robots.txt", "/static/robots.txt"):
            assert "\r\nx-robots-tag: noindex\r\n" in ask(running.port, path)
        assert "x-robots-tag" not in ask(running.port, "/static/site.css")
        assert ask(running.port, "/static/_headers").startswith("HTTP/1.1 404 ")


def test_the_file_itself_is_in_no_tree(build: Build, project: Path, static: Path) -> None:
    vite = project / "dist"
    vite.mkdir()
    (vite / "_headers").write_text("/*\n  X-A: b\n")
    (vite / "app.js").write_text("run();\n")
    append_settings(project, "STATICFILES_DIRS = [BASE_DIR / 'mysite/static', ('vite', BASE_DIR / 'dist')]")
    result = build()
    assert result.returncode == 0
    assert result.stderr == (f"static-host: {vite}/_headers has no effect: that of {static}/_headers holds\n")
    files = read_files(project / "staticfiles")
    assert "vite/app.js" in files
    assert [name for name in files if "_headers" in name] == []
    assert "_headers" not in "".join(read_manifest_paths(project))
    index = parse_index(files["static-host.index"])
    assert dict(index["vite/app.js"].fields) == {"strict-transport-security": "max-age=31536000; includeSubDomains"}


def test_another_rule_is_another_release(build: Build, project: Path, static: Path) -> None:
    assert build().returncode == 0
    first = (project / "staticfiles").resolve()
    assert build().returncode == 0
    assert (project / "staticfiles").resolve() == first
    (static / "_headers").write_text("/static/*\n  X-A: b\n/statc/*\n  X-A: c\n")
    result = build()
    assert result.returncode == 0
    assert f"{static}/_headers, line 3: no file matches /statc/*\n" in result.stderr
    assert (project / "staticfiles").resolve() != first
    assert (
        f"{static}/_headers, line 3: no file matches /statc/*\n" in build().stderr
    )  # of a build that has nothing to do
    (static / "_headers").unlink()
    assert build().returncode == 0
    data = (project / "staticfiles/static-host.index").read_bytes()
    assert data.startswith(b'{"format": 2, ')
    assert b"fields" not in data


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("/*\n  X-A: b\n  Vary: Origin\n", ", line 3: Vary cannot be set. The server sends the right one for each"),
        ("/*\n  Expires: 0\n/static/a\n  Expires: 1\n/*\n  Expires: 2\n", ", line 6: Expires has another value for"),
        ("/*\n\n", ", line 1: the path has no fields below it."),
        ("/\xe9\n  X-A: b\n", " is not UTF-8. Save it as UTF-8."),
    ],
)
def test_a_bad_line_ends_the_build(build: Build, project: Path, rules: str, message: str) -> None:
    path = project / "mysite/static/_headers"
    path.write_bytes(rules.encode("latin-1"))
    result = build()
    assert (result.returncode, result.stdout) == (5, "")
    assert result.stderr.startswith(f"static-host: {path}{message}")
    assert not (project / "staticfiles").exists()


def test_all_bad_lines_are_listed(build: Build, project: Path) -> None:
    path = project / "mysite/static/_headers"
    path.write_text("/*\n  X-A\n  Date: now\n")
    assert build().stderr == (
        "static-host: these lines cannot be used:\n"
        f"  {path}, line 2: expected `Name: value`, `! Name`, or a path that begins with a slash.\n"
        f"  {path}, line 3: Date cannot be set. The server frames its messages itself (RFC 9112).\n"
    )


def test_carried_files_keep_their_own(build: Build, project: Path, static: Path) -> None:
    assert build().returncode == 0
    old = read_manifest_paths(project)["engine.wasm"]
    (static / "engine.wasm").write_bytes(b"\0asm\2\0\0\0")
    (static / "_headers").write_text("/static/*\n  X-A: b\n")
    assert build(DJANGO_STATIC_PREVIOUS="staticfiles").returncode == 0
    index = parse_index((project / "staticfiles/static-host.index").read_bytes())
    assert index[old].carried
    assert dict(index[old].fields) == {
        "access-control-allow-origin": None,
        "cross-origin-embedder-policy": "require-corp",
        "cross-origin-opener-policy": "same-origin",
        "strict-transport-security": "max-age=31536000; includeSubDomains",
    }
    assert dict(index[read_manifest_paths(project)["engine.wasm"]].fields) == {"x-a": "b"}


def test_files_of_other_releases_in_the_store_keep_their_own(
    build: Build, project: Path, static: Path, tmp_path: Path, cache: Path
) -> None:
    assert build().returncode == 0
    store = f"file://{tmp_path}/store"
    published = run("static-host", "publish", cwd=project, DJANGO_STATIC_STORE=store, **VARIABLES)
    assert published.returncode == 0, published.stderr
    path = f"/static/{read_manifest_paths(project)['engine.wasm']}"
    other = build_another_release(tmp_path / "other", cache)
    with serve_with_store(other, store, tmp_path) as running:
        answer = ask(running.port, path)
        assert answer.startswith("HTTP/1.1 200 OK\r\n")
        assert "\r\ncross-origin-embedder-policy: require-corp\r\n" in answer
        assert "access-control-allow-origin" not in answer


def test_a_tree_of_other_tools_has_them_too(tmp_path: Path) -> None:
    root = tmp_path / "dist"
    root.mkdir()
    (root / "_headers").write_text("/static/assets/*\n  X-A: b\n")
    (root / "_headers.0123456789ab").write_text("")
    (root / "assets").mkdir()
    (root / "assets/app.js").write_text("run();\n")
    (root / "staticfiles.json").write_text(
        '{"paths": {"_headers": "_headers.0123456789ab"}, "version": "1.1", "hash": ""}'
    )
    result = run("static-host", "index", str(root), cwd=tmp_path, DJANGO_STATIC_PREFIX="/static/")
    assert result.returncode == 0, result.stderr
    index = parse_index((root / "static-host.index").read_bytes())
    assert {name: dict(index[name].fields) for name in index} == {"assets/app.js": {"x-a": "b"}}
    (root / "_headers").write_text("/*\n  X-A\n")
    assert run("static-host", "index", str(root), cwd=tmp_path, DJANGO_STATIC_PREFIX="/static/").returncode == 5


def test_development_has_them_too(tmp_path: Path) -> None:
    project = copy_project("plain", tmp_path)
    file = project / "mysite/static/_headers"
    file.write_text(RULES)
    with run_server("static-host", "dev", cwd=project, ready=r"ready on (http://\S+),", **VARIABLES) as running:
        script = httpx.get(f"{running.url}/static/main.js")
        assert (script.headers["service-worker-allowed"], script.headers["cache-control"]) == ("/", "no-cache")
        digits = httpx.get(f"{running.url}/static/digits.txt")
        assert digits.headers["access-control-allow-origin"] == "https://app.example"
        assert digits.headers["content-type"] == "text/x-digits"
        again = httpx.get(f"{running.url}/static/digits.txt", headers={"if-none-match": digits.headers["etag"]})
        assert (again.status_code, "content-type" in again.headers) == (304, False)
        assert again.headers["access-control-allow-origin"] == "https://app.example"
        preflight = httpx.options(f"{running.url}/static/digits.txt")
        assert preflight.headers["access-control-allow-credentials"] == "true"
        assert httpx.get(f"{running.url}/robots.txt").headers["x-robots-tag"] == "noindex"
        assert httpx.get(f"{running.url}/static/_headers").status_code == 404
        file.write_text("/*\n  X-A: b\n  Vary: Origin\n")
        for _ in range(2):
            assert "x-a" not in httpx.get(f"{running.url}/static/digits.txt").headers
        assert running.output.count(f"{file}, line 3: Vary cannot be set.") == 1
