"""WhiteNoise's settings in a project: a build and a server honour each, or the build says what to do instead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from static_host.origin.index import Index, parse_index
from static_host.origin.representation import Resource
from tests.support.builds import Build, append_settings, read_files, read_manifest_paths
from tests.support.processes import Running, run, run_server

VARIABLES = {"DJANGO_SETTINGS_MODULE": "mysite.settings"}
MIDDLEWARE = "MIDDLEWARE.insert(0, 'whitenoise.middleware.WhiteNoiseMiddleware')"
FUNCTIONS = """
def add_headers(headers, path, url):
    assert open(path, 'rb').read() is not None
    if url.startswith('/static/img/'):
        headers['Content-Disposition'] = 'attachment; was="%s"' % headers['Cache-Control']
        del headers['Access-Control-Allow-Origin']
    if url == '/static/digits.txt':
        headers['Content-Type'] = 'text/x-digits'
        headers['Cache-Control'] = 'no-store'
        headers.add_header('Link', '</a>; rel=preload')
        headers.add_header('Link', '</b>; rel=preload')
    if url == '/':
        headers['X-Path'] = path.rpartition('/')[2]


def is_immutable(path, url):
    return path.endswith('/staticfiles/part.js') or url in ('/static/part.js', '/app.js')
"""


@pytest.fixture
def with_root(project: Path) -> Path:
    """A directory for WHITENOISE_ROOT."""
    root = project / "public"
    files = {
        "index.html": "<title>at the root</title>\n",
        "robots.txt": "User-agent: *\nDisallow: /of-whitenoise/\n",
        "app.js": "run();\n" * 100,
        "docs/index.html": "<title>docs</title>\n",
        "docs/a b.txt": "text",
        ".well-known/security.txt": "Contact: mailto:a@a.example\n",
        ".env": "SECRET=1\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    append_settings(project, MIDDLEWARE, "WHITENOISE_ROOT = BASE_DIR / 'public'")
    return root


def read_index(project: Path) -> Index:
    return parse_index((project / "staticfiles/static-host.index").read_bytes())


@contextmanager
def serve(project: Path, **variables: str) -> Iterator[Running]:
    with run_server(cwd=project, **VARIABLES, **variables) as running:
        yield running


def get(running: Running, path: str, coding: str = "identity") -> httpx.Response:
    return httpx.get(running.url + path, headers={"accept-encoding": coding})


@pytest.mark.parametrize("prefix", ["WHITENOISE", "SERVESTATIC"])
def test_max_age(build: Build, project: Path, prefix: str) -> None:
    assert build().returncode == 0
    append_settings(project, f"{prefix}_MAX_AGE = 600")
    with serve(project) as running:
        assert get(running, "/static/digits.txt").headers["cache-control"] == "max-age=600, must-revalidate"
        hashed = f"/static/{read_manifest_paths(project)['digits.txt']}"
        assert get(running, hashed).headers["cache-control"] == "public, max-age=31536000, immutable"
    with serve(project, DJANGO_STATIC_MAX_AGE="7") as running:
        assert get(running, "/static/digits.txt").headers["cache-control"] == "max-age=7, must-revalidate"
    append_settings(project, f"{prefix}_MAX_AGE = None")
    with serve(project) as running:
        assert "cache-control" not in get(running, "/static/digits.txt").headers
        assert get(running, hashed).headers["cache-control"] == "public, max-age=31536000, immutable"


def test_root(build: Build, project: Path, with_root: Path) -> None:
    result = build()
    assert result.returncode == 0
    assert result.stderr == f"static-host: hidden files of WHITENOISE_ROOT = {with_root} are left out: .env\n"
    first = read_files(project / "staticfiles")
    with serve(project) as running:
        assert "MIDDLEWARE without whitenoise.middleware.WhiteNoiseMiddleware" in running.output
        script = get(running, "/app.js", "br")
        assert (script.headers["content-encoding"], script.headers["vary"]) == ("br", "Accept-Encoding")
        assert script.headers["cache-control"] == "max-age=60, must-revalidate"
        assert script.text == "run();\n" * 100
        revalidated = httpx.get(f"{running.url}/app.js", headers={"if-none-match": script.headers["etag"]})
        assert revalidated.status_code in (200, 304)
        assert get(running, "/robots.txt").text == "User-agent: *\nDisallow: /of-whitenoise/\n"
        assert "of-whitenoise" not in get(running, "/static/robots.txt").text
        assert get(running, "/.well-known/security.txt").text == "Contact: mailto:a@a.example\n"
        assert get(running, "/docs/a%20b.txt").text == "text"
        assert get(running, "/index.html").text == "<title>at the root</title>\n"
        assert get(running, "/").text != "<title>at the root</title>\n"  # without INDEX_FILE, it is the project's
        for path in ("/.env", "/static/.root/app.js", "/static/app.js", "/.root/app.js"):
            assert get(running, path).status_code == 404
    with serve(project, DJANGO_STATIC_ROOT_FILES="robots.txt") as running:
        assert "of-whitenoise" not in get(running, "/robots.txt").text
    assert build().returncode == 0
    assert read_files(project / "staticfiles") == first
    (with_root / "app.js").write_text("changed();\n")
    assert build().returncode == 0
    assert (project / "staticfiles/.root/app.js").read_text() == "changed();\n"


def test_root_without_files_or_with_the_static_root(build: Build, project: Path) -> None:
    append_settings(project, "WHITENOISE_ROOT = BASE_DIR / 'absent'")
    result = build()
    assert (result.returncode, result.stderr) == (
        *(0, f"static-host: WHITENOISE_ROOT = {project}/absent is no directory\n"),
    )
    append_settings(project, "WHITENOISE_ROOT = str(BASE_DIR)")
    result = build()
    assert result.returncode == 5
    assert result.stderr == (
        f"static-host: WHITENOISE_ROOT = {project} contains the static root {project}/staticfiles. Put the files that "
        "belong at `/` into a directory of their own, or name files of the static tree in DJANGO_STATIC_ROOT_FILES, "
        "and remove the setting.\n"
    )


def test_a_tree_that_is_older_than_the_root(build: Build, project: Path) -> None:
    assert build().returncode == 0
    (project / "public").mkdir()
    (project / "public/a.txt").write_text("a")
    append_settings(project, MIDDLEWARE, "WHITENOISE_ROOT = BASE_DIR / 'public'")
    with serve(project) as running:
        warning = f"the tree has no file of WHITENOISE_ROOT = {project}/public. `static-host build` adds them"
        assert warning in running.output


@pytest.mark.parametrize("value", ["True", "'index.html'"])
def test_index_file(build: Build, project: Path, with_root: Path, value: str) -> None:
    (project / "mysite/static/help").mkdir()
    (project / "mysite/static/help/index.html").write_text("<title>help</title>\n")
    append_settings(project, f"WHITENOISE_INDEX_FILE = {value}")
    assert build().returncode == 0
    with serve(project) as running:
        for path, text in {"/": "at the root", "/docs/": "docs", "/static/help/": "help"}.items():
            page = get(running, path)
            assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
            assert page.text == f"<title>{text}</title>\n"
        targets = {
            "/index.html": "./",
            "/docs": "./docs/",
            "/docs/index.html": "./",
            "/static/help": "./help/",
            "/static/help/index.html": "./",
        }
        for path, target in targets.items():
            for _ in range(2):
                answer = get(running, path)
                assert (answer.status_code, answer.headers["location"]) == (302, target)
        assert httpx.head(f"{running.url}/docs").status_code == 302
        assert httpx.post(f"{running.url}/docs").status_code == 404
        hashed = read_manifest_paths(project)["help/index.html"]
        assert get(running, f"/static/{hashed}").text == "<title>help</title>\n"
        for path in ("/static/", "/static/help/x/", "/static/nothing"):
            assert get(running, path).status_code == 404
    verified = run("static-host", "build", "--verify", cwd=project, **VARIABLES)
    assert verified.returncode == 0, verified.stderr


def test_index_file_at_the_top_of_the_static_files(build: Build, project: Path) -> None:
    (project / "mysite/static/index.html").write_text("<title>top</title>\n")
    append_settings(project, "WHITENOISE_INDEX_FILE = True")
    assert build().returncode == 0
    with serve(project) as running:
        assert get(running, "/static/").text == "<title>top</title>\n"
        assert get(running, "/static/index.html").headers["location"] == "./"


def test_media_types_and_charset(build: Build, project: Path) -> None:
    names = ("a.foo", "a.css", "a.csv", "a.png", "special", "a.d.ts")
    for name in names:
        (project / "mysite/static" / name).write_text("")
    append_settings(
        project,
        "WHITENOISE_MIMETYPES = {'.foo': 'application/x-foo', '.csv': 'text/csv; charset=utf-16', 'special': 'text/x'}",
        "WHITENOISE_CHARSET = 'iso-8859-1'",
    )
    assert build().returncode == 0
    index = read_index(project)
    types = {
        "a.foo": "application/x-foo",
        "a.css": "text/css; charset=iso-8859-1",
        "a.csv": "text/csv; charset=utf-16",
        "a.png": "image/png",
        "special": "text/x; charset=iso-8859-1",
        "a.d.ts": "text/plain; charset=iso-8859-1",
    }
    assert {name: index[name].media_type for name in names} == types
    with run_server("static-host", "dev", cwd=project, ready=r"ready on (http://\S+),", **VARIABLES) as running:
        assert {name: get(running, f"/static/{name}").headers["content-type"] for name in names} == types


def test_add_headers_function(build: Build, project: Path, with_root: Path) -> None:
    with (project / "mysite/settings.py").open("a") as file:
        file.write(f"{FUNCTIONS}\nWHITENOISE_ADD_HEADERS_FUNCTION = add_headers\nWHITENOISE_INDEX_FILE = True\n")
    assert build().returncode == 0
    index = read_index(project)
    attachment = 'attachment; was="max-age={}"'
    hashed = read_manifest_paths(project)["img/dot.png"]
    assert dict(index["img/dot.png"].fields) == {
        "access-control-allow-origin": None,
        "content-disposition": attachment.format("60, public"),
    }
    assert dict(index[hashed].fields) == {
        "access-control-allow-origin": None,
        "content-disposition": attachment.format("315360000, public, immutable"),
    }
    assert index["digits.txt"].media_type == "text/x-digits"
    assert dict(index["digits.txt"].fields) == {
        "cache-control": "no-store",
        "link": "</a>; rel=preload, </b>; rel=preload",
    }
    assert index["site.css"].fields == ()
    with serve(project) as running:
        assert get(running, "/static/digits.txt").headers["cache-control"] == "no-store"
        assert get(running, "/").headers["x-path"] == "index.html"
    (project / "mysite/static/_headers").write_text("/static/digits.txt\n  Cache-Control: max-age=5\n  ! Link\n")
    assert build().returncode == 0
    assert dict(read_index(project)["digits.txt"].fields) == {"cache-control": "max-age=5", "link": None}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "headers['Vary'] = 'Origin'",
            "vary cannot be set. The server sends the right one for each content coding and each range.",
        ),
        (
            "del headers['Content-Type']",
            "content-type cannot be removed. A file has a media type; set another one.",
        ),
    ],
)
def test_a_function_that_breaks_a_rule(build: Build, project: Path, line: str, problem: str) -> None:
    append_settings(project, f"def function(headers, path, url):\n    {line}")
    append_settings(project, "WHITENOISE_ADD_HEADERS_FUNCTION = function")
    result = build()
    assert (result.returncode, result.stdout) == (5, "")
    function = "static-host: WHITENOISE_ADD_HEADERS_FUNCTION, for /static/café menu.39cd952692e0.txt"
    assert result.stderr == f"{function}: {problem} Change the function.\n"


@pytest.mark.parametrize("name", ["ADD_HEADERS_FUNCTION", "IMMUTABLE_FILE_TEST"])
def test_a_function_that_fails_keeps_its_traceback(build: Build, project: Path, name: str) -> None:
    append_settings(project, "def function(*arguments):\n    return 1 / 0", f"SERVESTATIC_{name} = function")
    result = build()
    assert result.returncode == 5
    assert result.stderr.startswith(f"static-host: SERVESTATIC_{name} failed for /static/")
    assert "ZeroDivisionError: division by zero" in result.stderr
    assert 'settings.py", line' in result.stderr


def test_allow_all_origins(build: Build, project: Path) -> None:
    append_settings(project, "WHITENOISE_ALLOW_ALL_ORIGINS = False")
    assert build().returncode == 0
    with serve(project) as running:
        answer = get(running, "/static/digits.txt")
        assert "access-control-allow-origin" not in answer.headers
        again = httpx.get(answer.url, headers={"if-none-match": answer.headers["etag"], "accept-encoding": "identity"})
        assert (again.status_code, "access-control-allow-origin" in again.headers) == (304, False)
        assert "access-control-allow-origin" not in httpx.options(answer.url).headers


@pytest.mark.parametrize("value", ["is_immutable", r"r'^/(static/part|app)\.js$'"])
def test_immutable_file_test(build: Build, project: Path, with_root: Path, value: str) -> None:
    with (project / "mysite/settings.py").open("a") as file:
        file.write(f"{FUNCTIONS}\nWHITENOISE_IMMUTABLE_FILE_TEST = {value}\n")
    assert build().returncode == 0
    index = read_index(project)
    hashed = set(read_manifest_paths(project).values())
    assert {name for name, has in index.items() if has.immutable} == {*hashed, "part.js", ".root/app.js"}
    assert build(DJANGO_STATIC_IMMUTABLE_PATTERN="^main.js$").returncode == 0
    index = read_index(project)
    assert {name for name, has in index.items() if has.immutable} == {*hashed, "main.js"}


def list_codings(resource: Resource) -> set[str]:
    return {representation.coding for representation in resource.representations}


def test_skip_compress_extensions(build: Build, project: Path) -> None:
    (project / "mysite/static/a.woff").write_text("text " * 100)
    assert build().returncode == 0
    assert list_codings(read_index(project)["a.woff"]) == {"identity"}
    assert len(list_codings(read_index(project)["site.css"])) > 1
    append_settings(project, "WHITENOISE_SKIP_COMPRESS_EXTENSIONS = ('css', '.JS')")
    assert build().returncode == 0
    index = read_index(project)
    assert list_codings(index["site.css"]) == list_codings(index["main.js"]) == {"identity"}
    assert len(list_codings(index["a.woff"])) > 1


def test_keep_only_hashed_files(build: Build, project: Path, with_root: Path) -> None:
    append_settings(project, "WHITENOISE_KEEP_ONLY_HASHED_FILES = True")
    assert build().returncode == 0
    paths = read_manifest_paths(project)
    index = read_index(project)
    at_root = {".root/app.js", ".root/robots.txt", ".root/index.html", ".root/docs/index.html", ".root/docs/a b.txt"}
    kept = {"robots.txt"}  # it is served at /
    assert set(index) == {*paths.values(), *at_root, *kept, ".root/.well-known/security.txt"}
    files = read_files(project / "staticfiles")
    assert "site.css" not in files
    assert "site.css.br" not in files
    with serve(project) as running:
        assert get(running, "/static/site.css").status_code == 404
        assert get(running, f"/static/{paths['site.css']}", "br").status_code == 200
        assert get(running, "/").status_code == 200


def test_static_prefix(build: Build, project: Path) -> None:
    append_settings(project, "STATIC_URL = 'https://cdn.example/assets/'", "WHITENOISE_STATIC_PREFIX = 'origin/static'")
    (project / "mysite/static/_headers").write_text("/origin/static/digits.txt\n  X-A: b\n")
    assert build().returncode == 0
    with serve(project) as running:
        assert 'href="https://cdn.example/assets/site.e8e374d844cc.css"' in get(running, "/").text
        for path in ("/origin/static/digits.txt", "/assets/digits.txt"):
            assert get(running, path).headers["x-a"] == "b"
        assert get(running, "/static/digits.txt").status_code == 404
    with serve(project, DJANGO_STATIC_PREFIX="/assets/") as running:
        assert get(running, "/origin/static/digits.txt").status_code == 404


@pytest.mark.parametrize(("lines", "status"), [((), 200), (("WHITENOISE_MANIFEST_STRICT = False",), 200)])
def test_a_manifest_that_is_not_strict(build: Build, project: Path, lines: tuple[str, ...], status: int) -> None:
    append_settings(project, *lines)
    assert serve_page_with_missing_name(build, project) == status


def test_manifest_strict(build: Build, project: Path) -> None:
    append_settings(project, "WHITENOISE_MANIFEST_STRICT = True")
    assert serve_page_with_missing_name(build, project) == 500


def serve_page_with_missing_name(build: Build, project: Path) -> int:
    page = project / "mysite/templates/page.html"
    page.write_text(
        page.read_text() + "{% load static %}{% with 'nothing.css' as name %}{% static name %}{% endwith %}"
    )
    assert build().returncode == 0
    with serve(project) as running:
        return get(running, "/").status_code


@pytest.mark.parametrize("lines", [("WHITENOISE_USE_FINDERS = True", "WHITENOISE_AUTOREFRESH = True"), ()])
def test_development_serves_what_the_finders_find_and_the_root(
    project: Path, with_root: Path, lines: tuple[str, ...]
) -> None:
    append_settings(project, "WHITENOISE_INDEX_FILE = True", *lines)
    (with_root / "_headers").write_text("/app.js\n  X-A: b\n")
    with run_server("static-host", "dev", cwd=project, ready=r"ready on (http://\S+),", **VARIABLES) as running:
        assert get(running, "/app.js").headers["x-a"] == "b"
        assert get(running, "/").text == "<title>at the root</title>\n"
        assert get(running, "/docs/").text == "<title>docs</title>\n"
        assert get(running, "/.well-known/security.txt").text == "Contact: mailto:a@a.example\n"
        for path in ("/.env", "/_headers", "/docs/../.env", "/%2e%2e/mysite/settings.py", "//app.js"):
            assert get(running, path).status_code == 404
        assert get(running, "/static/digits.txt").text == "0123456789"
        (project / "mysite/static/digits.txt").write_text("9")
        assert get(running, "/static/digits.txt").text == "9"


def test_rules_for_header_fields_in_the_root(build: Build, project: Path, with_root: Path) -> None:
    (with_root / "_headers").write_text("/docs/*\n  X-A: b\n/static/digits.txt\n  X-A: c\n")
    assert build().returncode == 0
    index = read_index(project)
    assert dict(index[".root/docs/a b.txt"].fields) == {"x-a": "b"}
    assert dict(index["digits.txt"].fields) == {"x-a": "c"}
    assert ".root/_headers" not in index
    assert not (project / "staticfiles/.root/_headers").exists()


def test_servestatic_leaves_middleware_too(build: Build, project: Path) -> None:
    append_settings(
        project,
        "MIDDLEWARE.insert(0, 'servestatic.middleware.ServeStaticMiddleware')",
        "STORAGES = {'staticfiles': {'BACKEND': 'servestatic.storage.CompressedManifestStaticFilesStorage'}}",
    )
    assert build().returncode == 0
    with serve(project) as running:
        assert "MIDDLEWARE without servestatic.middleware.ServeStaticMiddleware" in running.output
        assert get(running, "/").status_code == 200


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("WHITENOISE_MAX_AGE = '1h'", "WHITENOISE_MAX_AGE = '1h' is not a number of seconds."),
        ("WHITENOISE_MAX_AGE = True", "WHITENOISE_MAX_AGE = True is not a number of seconds."),
        ("SERVESTATIC_MAX_AGE = -1", "SERVESTATIC_MAX_AGE = -1 is not a number of seconds."),
        ("WHITENOISE_ROOT = 1", "WHITENOISE_ROOT = 1 is not a directory."),
        ("WHITENOISE_INDEX_FILE = 'a/b'", "WHITENOISE_INDEX_FILE = 'a/b' is not True or a file name."),
        (
            "WHITENOISE_MIMETYPES = {'.a': 'nothing'}",
            "WHITENOISE_MIMETYPES = {'.a': 'nothing'} is not a dictionary of media types by extension or file name.",
        ),
        ("WHITENOISE_CHARSET = 'a b'", "WHITENOISE_CHARSET = 'a b' is not the name of a charset."),
        (
            "WHITENOISE_ADD_HEADERS_FUNCTION = 'mysite.headers.add'",
            "WHITENOISE_ADD_HEADERS_FUNCTION = 'mysite.headers.add' is not a function.",
        ),
        (
            "WHITENOISE_IMMUTABLE_FILE_TEST = '('",
            "WHITENOISE_IMMUTABLE_FILE_TEST = '(' is not a function or a regular expression.",
        ),
        ("WHITENOISE_SKIP_COMPRESS_EXTENSIONS = 'css'", "WHITENOISE_SKIP_COMPRESS_EXTENSIONS = 'css' is not a list of"),
        ("WHITENOISE_STATIC_PREFIX = '/'", "WHITENOISE_STATIC_PREFIX = '/' is not a path such as '/static/'."),
        ("SERVESTATIC_MINIFY = True", "SERVESTATIC_MINIFY: the build minifies nothing. Minify with a bundler, and"),
        ("SERVESTATIC_USE_GZIP = None", "SERVESTATIC_USE_GZIP = None is not True or False. Correct or remove it."),
        ("SERVESTATIC_USE_ZSTD = 'no'", "SERVESTATIC_USE_ZSTD = 'no' is not True or False. Correct or remove it."),
        (
            "SERVESTATIC_ZSTD_DICTIONARY = BASE_DIR / 'dictionary'",
            "SERVESTATIC_ZSTD_DICTIONARY: browsers cannot decode files that need a dictionary which no URL has. Remove",
        ),
        (
            "SERVESTATIC_ZSTD_LEVEL = 3",
            "SERVESTATIC_ZSTD_LEVEL: the build selects the level by its effort. Remove it; DJANGO_STATIC_EFFORT=fast",
        ),
    ],
)
def test_what_cannot_be_honoured_ends_the_build(build: Build, project: Path, line: str, message: str) -> None:
    append_settings(project, line)
    result = build()
    assert (result.returncode, result.stdout) == (5, "")
    assert result.stderr.startswith(f"static-host: {message}")


def find_codings(project: Path) -> set[str]:
    return {each.coding for resource in read_index(project).values() for each in resource.representations}


def test_servestatic_s_defaults_change_nothing(build: Build, project: Path) -> None:
    assert build().returncode == 0
    tree = (project / "staticfiles").resolve()
    append_settings(
        project,
        *(f"SERVESTATIC_USE_{name} = True" for name in ("GZIP", "BROTLI", "ZSTD", "MANIFEST")),
        *(f"SERVESTATIC_{name} = None" for name in ("ZSTD_DICTIONARY", "ZSTD_LEVEL", "SKIP_COMPRESS_EXTENSIONS")),
        *(f"SERVESTATIC_{name} = False" for name in ("MINIFY", "ZSTD_DICTIONARY_IS_RAW", "ALLOW_UNSAFE_SYMLINKS")),
        "SERVESTATIC_USE_STATIC_ROOT = False",
    )
    assert build().returncode == 0
    assert (project / "staticfiles").resolve() == tree
    assert find_codings(project) == {"identity", "br", "zstd", "gzip"}


def test_a_content_coding_can_be_turned_off(build: Build, project: Path) -> None:
    append_settings(project, "SERVESTATIC_USE_GZIP = False", "SERVESTATIC_USE_ZSTD = False")
    assert build().returncode == 0
    assert find_codings(project) == {"identity", "br"}
    assert build(DJANGO_STATIC_CODINGS="gzip").returncode == 0
    assert find_codings(project) == {"identity", "gzip"}
    append_settings(project, "SERVESTATIC_USE_BROTLI = False")
    assert build().returncode == 0
    assert find_codings(project) == {"identity"}
