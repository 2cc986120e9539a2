"""``static-host dev`` as a process: what it serves without a build, when it loads the project again, how it ends."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import socket
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from static_host.dev.file_watcher import FileWatcher, WatchedPaths
from static_host.origin.index import parse_index
from tests.support.builds import Build, add_own_storage, append_settings
from tests.support.processes import SCRIPTS, Running, find_free_port, make_environment, minding_signals, run, run_server
from tests.support.projects import SETTINGS, copy_project
from tests.support.waiting import wait_until

READY = r"ready on (http://[^\s,]+), development: "


def developing(project: Path, **variables: str) -> AbstractContextManager[Running]:
    return run_server("static-host", "dev", cwd=project, ready=READY, **{**SETTINGS, **variables})


@contextmanager
def developing_in_vain(project: Path, **variables: str) -> Iterator[tuple[Running, str]]:
    """A server of a project that cannot be loaded, and its URL."""
    port, ready = str(find_free_port()), "loaded again when a file changes"
    with run_server(
        "static-host", "dev", cwd=project, ready=ready, **{**SETTINGS, "PORT": port, **variables}
    ) as running:
        yield running, f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that tests do not change anything of."""
    project = copy_project("plain", tmp_path_factory.mktemp("dev"))
    append_settings(project, "DEBUG = True")
    with developing(project, DJANGO_STATIC_ROOT_FILES="robots.txt,favicon.ico,.well-known/") as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"accept-encoding": "gzip, br"}) as client:
        yield client


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def eventually(url: str, status: int, text: str) -> httpx.Response:
    """Ask until the answer has the status and the text; a process that is replaced may close a connection."""
    answers: list[httpx.Response] = []

    def is_answered() -> bool:
        with suppress(httpx.TransportError):
            answers.append(httpx.get(url, timeout=20))
        return bool(answers) and answers[-1].status_code == status and text in answers[-1].text

    wait_until(is_answered, lambda: f"{url} does not answer {status} with {text!r}: {[a.text for a in answers[-1:]]}")
    return answers[-1]


def test_the_start_up_lines_say_what_it_is_for(server: Running) -> None:
    assert "static-host: static files from the project's finders, at /static/\n" in server.output
    assert "static-host: Django project mysite.settings in 10 threads, Python " in server.output
    assert f"static-host: ready on {server.url}, development: " in server.output
    assert "for development only" in server.output
    assert "DEBUG is False" not in server.output


def test_health_is_answered_as_in_production(client: httpx.Client) -> None:
    assert [client.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]


def test_a_page_and_its_static_files_need_no_build(client: httpx.Client) -> None:
    assert '<link rel="stylesheet" href="/static/site.css">' in client.get("/").text
    answer = client.get("/static/site.css")
    assert answer.status_code == 200
    assert answer.text.startswith("@charset 'utf-8';")
    assert answer.headers["cache-control"] == "no-cache"
    assert "content-encoding" not in answer.headers
    assert "set-cookie" not in answer.headers  # the project's middleware is not asked


def test_every_file_of_a_tree_has_its_url_its_media_type_and_its_bytes(build: Build, project: Path) -> None:
    source = project / "mysite/static"
    more = (
        "a.map",
        "a.md",
        "a.mjs",
        "a.opus",
        "a.ts",
        "a.webmanifest",
        "a.woff2",
        "apple-app-site-association",
        "none",
    )
    for name in more:
        (source / name).write_text("{}")
    assert build().returncode == 0
    index = parse_index((project / "staticfiles/static-host.index").read_bytes())
    names = [name for name in index if (source / name).exists()]
    assert len(names) >= 7 + len(more)
    with developing(project) as running, httpx.Client(base_url=running.url) as client:
        for name in names:
            answer = client.get(f"/static/{quote(name)}")
            assert answer.status_code == 200, name
            assert answer.headers["content-type"] == index[name].media_type, name
            assert answer.content == (source / name).read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/static/nothing.css",
        "/static/site.e8e374d844cc.css",
        "/static/",
        "/static/img",
        "/static/img/",
        "/static//site.css",
        "/static/img/%2e%2e/site.css",
        "/static/%2e%2e/settings.py",
        "/static/.hidden.txt",
        "/static/.well-known/security.txt",
        "/static/nu%00l",
        "/static/" + "x" * 5000,
    ],
)
def test_what_a_tree_would_not_have_is_a_404_that_is_not_kept(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.text.startswith("Not Found\nThe project has no static file ")
    assert answer.headers["cache-control"] == "private, no-store, max-age=0"


def test_a_file_that_has_not_changed_is_a_304(client: httpx.Client) -> None:
    first = client.get("/static/site.css")
    for field, value in {
        "if-none-match": first.headers["etag"],
        "if-modified-since": first.headers["last-modified"],
    }.items():
        again = client.get("/static/site.css", headers={field: value})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["cache-control"] == "no-cache"
        assert again.headers["access-control-allow-origin"] == "*"


def test_heads_ranges_and_methods(client: httpx.Client) -> None:
    head = client.head("/static/digits.txt")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "10", b"")
    part = client.get("/static/digits.txt", headers={"range": "bytes=2-4"})
    assert (part.status_code, part.text, part.headers["content-range"]) == (206, "234", "bytes 2-4/10")
    assert client.head("/static/digits.txt", headers={"range": "bytes=2-4"}).headers["content-length"] == "10"
    apart = client.get("/static/digits.txt", headers={"range": "bytes=0-1,20-"})
    assert (apart.status_code, apart.text) == (206, "01")
    assert client.get("/static/digits.txt", headers={"range": "bytes=10-"}).status_code == 416
    for ignored in ("bytes=4-2", "lines=1-2", "bytes=x"):
        assert client.get("/static/digits.txt", headers={"range": ignored}).text == "0123456789"
    refused = client.post("/static/digits.txt")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert client.put("/static/nothing.txt").status_code == 404
    preflight = client.options("/static/site.css")
    assert (preflight.status_code, preflight.headers["access-control-allow-methods"]) == (204, "GET, HEAD, OPTIONS")


def test_files_at_the_root_come_from_the_finders_too(client: httpx.Client) -> None:
    robots = client.get("/robots.txt")
    assert robots.text.startswith("User-agent: *")
    assert robots.headers["cache-control"] == "no-cache"
    assert client.get("/.well-known/security.txt").status_code == 200


@pytest.mark.parametrize("path", ["/favicon.ico", "/.well-known/nothing", "/.well-known/../site.css", "/site.css"])
def test_what_is_no_file_at_the_root_is_left_to_django(client: httpx.Client, path: str) -> None:
    answer = client.get(quote(path).replace("..", "%2e%2e"))
    assert answer.status_code == 404
    assert "DEBUG = True" in answer.text


def test_debug_pages_are_shown(client: httpx.Client, server: Running) -> None:
    assert "this view always fails" in client.get("/fail/").text
    assert "<title>RuntimeError" in client.get("/fail/").text
    missing = client.get("/no-such-page/")
    assert missing.status_code == 404
    assert "Using the URLconf defined in" in missing.text
    server.wait_for("RuntimeError: this view always fails")


@pytest.mark.parametrize("path", ["/static/site.css", "/anything"])
def test_a_web_socket_is_refused(server: Running, path: str) -> None:
    head = (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 403 ")


def test_static_files_and_templates_are_read_again_without_a_reload(project: Path) -> None:
    append_settings(project, "DEBUG = True")
    with developing(project) as running, httpx.Client(base_url=running.url) as client:
        stylesheet = client.get("/static/site.css")
        assert "<title>plain</title>" in client.get("/").text
        (project / "mysite/static/site.css").write_text("p { margin: 0 }")
        (project / "mysite/static/new.css").write_text("q { margin: 0 }")
        edit(project / "mysite/templates/page.html", "<title>plain</title>", "<title>edited</title>")
        again = client.get("/static/site.css", headers={"if-none-match": stylesheet.headers["etag"]})
        assert (again.status_code, again.text) == (200, "p { margin: 0 }")
        assert client.get("/static/new.css").text == "q { margin: 0 }"
        assert "<title>edited</title>" in client.get("/").text
        assert "loading the project again" not in running.output


def test_an_edited_view_a_new_module_and_the_file_env_are_loaded(project: Path) -> None:
    append_settings(project, "DEBUG = True", "import os", "GREETING = os.environ.get('GREETING', 'no greeting')")
    with developing(project) as running:
        edit(project / "mysite/urls.py", "this view always fails", "edited")
        assert "RuntimeError at /fail/" in eventually(f"{running.url}/fail/", 500, "edited").text
        edit(project / "mysite/urls.py", 'RuntimeError("edited")', "RuntimeError(words.WORDS)")
        edit(
            project / "mysite/urls.py",
            "from django.urls import path",
            "from django.urls import path\nfrom . import words",
        )
        eventually(f"{running.url}/", 503, "cannot be loaded")
        (project / "mysite/words.py").write_text("WORDS = 'from a new module'\n")
        eventually(f"{running.url}/fail/", 500, "from a new module")
        (project / ".env").write_text("DJANGO_STATIC_PREFIX=/other/\n")
        eventually(f"{running.url}/other/digits.txt", 200, "0123456789")
        (project / ".env").write_text("DJANGO_STATIC_PREFIX=other\n")
        eventually(f"{running.url}/", 503, "cannot be loaded")
        running.wait_for("DJANGO_STATIC_PREFIX='other': it must begin and end with a slash")
        (project / ".env").unlink()
        eventually(f"{running.url}/static/digits.txt", 200, "0123456789")
        assert "static-host: .env: loading the project again\n" in running.output
        assert running.output.count("static files from the project's finders") == 1
        assert running.stop(signal.SIGINT) == 0


def test_a_broken_project_is_printed_whole_and_waited_for(project: Path) -> None:
    urls = project / "mysite/urls.py"
    whole = urls.read_text()
    urls.write_text(whole + "def broken(:\n")
    with developing_in_vain(project) as (running, url):
        answer = eventually(f"{url}/", 503, "The Django project cannot be loaded; static-host's output says why.")
        assert answer.headers["cache-control"] == "private, no-store, max-age=0"
        assert (
            "static-host: the Django project mysite.settings raised an exception while it was loaded:" in running.output
        )
        assert f'File "{urls}", line {whole.count(chr(10)) + 1}' in running.output
        assert "SyntaxError: " in running.output
        urls.write_text(whole)
        eventually(f"{url}/static/digits.txt", 200, "0123456789")
        running.wait_for("static files from the project's finders")
        edit(project / "mysite/settings.py", "DEBUG = False", "import os; os._exit(2)")
        running.wait_for("a worker ended while it loaded mysite.settings (exit code 2)")
        eventually(f"{url}/", 503, "cannot be loaded")  # nobody is left waiting
        edit(project / "mysite/settings.py", "import os; os._exit(2)", "DEBUG = True")
        assert "DEBUG = True" in eventually(f"{url}/nothing/", 404, "Using the URLconf").text
        assert running.stop() == 0


@pytest.mark.parametrize(
    ("variables", "code", "message"),
    [
        ({"DJANGO_THREADS": "many"}, 2, "static-host: this variable is wrong:\n  DJANGO_THREADS='many': "),
        ({"DJANGO_SETTINGS_MODULE": "mysite.setings"}, 2, "there is no module 'mysite.setings'"),
        ({"HOST": "192.0.2.1"}, 4, "static-host: HOST=192.0.2.1 PORT=0: "),
    ],
)
def test_an_operator_s_mistake_has_its_exit_code(
    project: Path, variables: dict[str, str], code: int, message: str
) -> None:
    result = run("static-host", "dev", cwd=project, **{**SETTINGS, "PORT": "0", **variables})
    assert (result.returncode, result.stdout) == (code, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_exit_code_0(project: Path, number: signal.Signals) -> None:
    edit(project / "mysite/urls.py", "def fail(", "def hang(request):\n    import time; time.sleep(60)\n\ndef fail(")
    edit(project / "mysite/urls.py", 'path("", page)', 'path("", page), path("hang/", hang)')
    with developing(project) as running, socket.create_connection(("127.0.0.1", running.port)) as held:
        held.sendall(b"GET /hang/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        os.killpg(running.process.pid, number)  # as a terminal's Ctrl-C, which all processes of the group get
        assert running.process.wait(20) == 0
        running.wait_for("static-host: stopped")
        assert "Traceback" not in running.output


def test_a_signal_while_the_server_process_begins(project: Path) -> None:
    (project / "sitecustomize.py").write_text(
        "import signal, sys\nsys.stderr.write(f'SIGINT {signal.getsignal(signal.SIGINT)!r}\\n')\n"
    )
    begins = r"(?s)(default_int_handler.*){2}"  # of the front and of its worker, where it is blocked
    with run_server("static-host", "dev", cwd=project, ready=begins, PYTHONPATH=str(project), **SETTINGS) as running:
        os.killpg(running.process.pid, signal.SIGINT)
        assert running.process.wait(20) == 0
        assert "Traceback" not in running.output


def test_a_signal_while_the_project_is_loaded(project: Path) -> None:
    say = "print('input', sys.stdin.fileno(), repr(signal.getsignal(signal.SIGINT)), file=sys.stderr)"
    append_settings(project, "import signal, sys, time", say, "time.sleep(60)")
    loads = "input 0 <function "  # the terminal's, for breakpoint(); and what a project starts can be ended
    with run_server("static-host", "dev", cwd=project, ready=loads, **SETTINGS) as running:
        os.killpg(running.process.pid, signal.SIGINT)
        assert running.process.wait(20) == 0
        assert "Traceback" not in running.output


def test_nothing_keeps_the_address_when_it_is_killed(project: Path) -> None:
    with developing(project) as running:
        running.stop(signal.SIGKILL)

        def is_gone() -> int:
            with closing(socket.socket()) as probe:
                return probe.connect_ex(("127.0.0.1", running.port))

        wait_until(is_gone, "the server outlived its parent")


@pytest.mark.parametrize(
    ("line", "variables", "url"),
    [
        ("STATIC_URL = '/assets/s/'", {}, "/assets/s/"),
        ("STATIC_URL = '/assets/'", {"DJANGO_STATIC_PREFIX": "/other/"}, "/other/"),
        ("STATIC_URL = 'https://cdn.example.com/v1/'", {}, "/v1/"),
        ("", {"DJANGO_STATIC_HOST": "cdn.example.com"}, "/static/"),
    ],
)
def test_urls_have_the_prefix_but_never_another_host(
    project: Path, line: str, variables: dict[str, str], url: str
) -> None:
    append_settings(project, line)
    with developing(project, **variables) as running:
        page = httpx.get(f"{running.url}/").text
        assert f'<link rel="stylesheet" href="{url}site.css">' in page
        assert httpx.get(f"{running.url}{url}digits.txt").text == "0123456789"
        told = "cdn.example.com is not used: static files come from this server\n"
        assert (told in running.output) == ("cdn" in line or "DJANGO_STATIC_HOST" in variables)
        assert (
            "static-host: DEBUG is False, so errors show no debug pages; DEBUG = True in mysite.settings"
            in running.output
        )


@pytest.mark.parametrize("debug", ["True", "False"])
def test_a_manifest_storage_of_the_project_needs_no_manifest(project: Path, debug: str) -> None:
    add_own_storage(project)
    append_settings(project, f"DEBUG = {debug}")
    with developing(project) as running:
        assert 'href="/static/site.css"' in httpx.get(f"{running.url}/").text
        assert "STORAGES['staticfiles']['BACKEND'] = 'django.contrib" in running.output


def test_an_asgi_project(project: Path) -> None:
    (project / "mysite/asgi.py").write_text(
        "from django.core.asgi import get_asgi_application\napplication = get_asgi_application()\n"
    )
    append_settings(project, "ASGI_APPLICATION = 'mysite.asgi.application'", "DEBUG = True")
    with developing(project) as running:
        assert "static-host: Django project mysite.settings through ASGI, Python " in running.output
        edit(project / "mysite/templates/page.html", "<title>plain</title>", "<title>edited</title>")
        assert "<title>edited</title>" in httpx.get(f"{running.url}/").text
        assert "this view always fails" in httpx.get(f"{running.url}/fail/").text


def test_web_sockets_of_a_channels_project_and_an_open_one_does_not_hold_up_a_reload(tmp_path: Path) -> None:
    project = copy_project("chat", tmp_path)
    with developing(project, DJANGO_SETTINGS_MODULE="chat.settings") as running:
        url = running.url.replace("http", "ws")
        with connect(f"{url}/ws/room/", origin=Origin(running.url)) as room:
            room.send('{"text": "hello"}')
            assert room.recv(timeout=10) == '{"text": "hello"}'
            (project / "chat/urls.py").touch()
            running.wait_for("chat/urls.py: loading the project again")
            eventually(f"{running.url}/static/room.js", 200, "WebSocket")
        assert "Traceback" not in running.output


def test_a_project_without_django_s_static_files(project: Path) -> None:
    edit(project / "mysite/settings.py", '"django.contrib.staticfiles"', "")
    (project / "mysite/templates/page.html").write_text("no static files")
    with developing(project) as running:
        assert "no static files: django.contrib.staticfiles is not in INSTALLED_APPS" in running.output
        assert httpx.get(f"{running.url}/").text == "no static files"
        assert httpx.get(f"{running.url}/static/site.css").status_code == 404


def test_the_bundled_site_says_how_debug_is_turned_on(tmp_path: Path) -> None:
    with run_server("static-host", "dev", cwd=tmp_path, ready=READY) as running:
        assert "DEBUG is False, so errors show no debug pages; DJANGO_DEBUG=true turns them on" in running.output
        assert 'href="/static/inspector/inspector.css"' in httpx.get(f"{running.url}/").text
    with run_server("static-host", "dev", cwd=tmp_path, ready=READY, DJANGO_DEBUG="true") as running:
        assert "DEBUG is False" not in running.output
        assert "Using the URLconf" in httpx.get(f"{running.url}/nothing").text


def test_code_outside_the_working_directory_is_loaded_again(project: Path, tmp_path: Path) -> None:
    package = tmp_path / "libraries/shared"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from .")  # from the start
    edit(project / "mysite/urls.py", "from django.urls", "import shared\nfrom django.urls")
    edit(project / "mysite/urls.py", '"this view always fails"', "shared.WORDS")
    append_settings(project, "DEBUG = True")
    with developing_in_vain(project, PYTHONPATH=str(tmp_path / "libraries")) as (running, url):
        (package / "__init__.py").write_text("from .words import WORDS\n")
        running.wait_for("ModuleNotFoundError: No module named 'shared.words'")
        (package / "words.py").write_text("WORDS = 'the first words'\n")
        eventually(f"{url}/fail/", 500, "the first words")
        (package / "words.py").write_text("WORDS = 'the second words'\n")
        eventually(f"{url}/fail/", 500, "the second words")
        assert f"static-host: {package}/words.py: loading the project again\n" in running.output


def test_a_package_that_is_a_link_is_loaded_again(project: Path, tmp_path: Path) -> None:
    (project / "mysite").rename(tmp_path / "elsewhere")
    (project / "mysite").symlink_to(tmp_path / "elsewhere")
    with developing(project) as running:
        (tmp_path / "elsewhere/urls.py").touch()
        running.wait_for(f"static-host: {tmp_path}/elsewhere/urls.py: loading the project again\n")


def test_what_the_project_registered_with_atexit_is_run_before_it_is_loaded_again(project: Path) -> None:
    edit(project / "mysite/urls.py", "def fail(", "import atexit\natexit.register(print, 'at exit')\n\ndef fail(")
    with developing(project) as running:
        (project / "mysite/urls.py").touch()
        running.wait_for("at exit\n")


RECEIVERS = """
from pathlib import Path
from django.dispatch import receiver
from django.utils.autoreload import autoreload_started, file_changed, trigger_reload

@receiver(autoreload_started)
def started(sender, **_):
    sender.watch_dir(Path("notes"), "**/*.txt")
    sender.watch_dir(Path("notes"), "*.toml")
    sender.extra_files.add(Path("single.ini"))

@receiver(file_changed)
def changed(sender, file_path, **_):
    print("told of", file_path.name)
    if file_path.stem == "raises":
        raise RuntimeError("no")
    if file_path.stem == "asks":
        trigger_reload(file_path)
    return file_path.stem == "handled"
"""


def test_django_s_autoreload_signals_are_sent(project: Path) -> None:
    (project / "notes/deep").mkdir(parents=True)
    (project / "mysite/receivers.py").write_text(RECEIVERS)
    edit(project / "mysite/urls.py", "from django.urls", "from . import receivers\nfrom django.urls")
    with developing(project) as running:
        (project / "notes/deep/handled.toml").touch()  # not at that depth
        for name in ("notes/deep/handled.txt", "notes/handled.toml"):
            (project / name).touch()
            running.wait_for(f"told of {Path(name).name}\n")
        assert "loading the project again" not in running.output
        assert running.output.count("told of") == 2
        for name in ("notes/other.txt", "notes/deep/raises.txt", "notes/asks.txt", "single.ini", "mysite/urls.py"):
            (project / name).touch()
            running.wait_for(f"static-host: {name}: loading the project again\n")
            assert f"told of {Path(name).name}\n" in running.output
            is_ready_again(running)


def is_ready_again(running: Running) -> None:
    """Wait until the project that is being loaded is served."""
    wait_until(
        lambda: running.output.count("loading the project again") == running.output.count("reloaded in"),
        lambda: running.output,
    )


def translated(word: str) -> bytes:
    """Return a catalogue as msgfmt compiles it: "house" → the word."""
    pairs = [("", "Content-Type: text/plain; charset=UTF-8\n"), ("house", word)]
    texts = [text.encode() for text in (*(key for key, _ in pairs), *(value for _, value in pairs))]
    start = 28 + 8 * len(texts)
    starts = [start + sum(len(text) + 1 for text in texts[:number]) for number in range(len(texts))]
    table = b"".join(struct.pack("<2I", len(text), at) for text, at in zip(texts, starts, strict=True))
    head = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    return head + table + b"".join(text + b"\0" for text in texts)


def test_translations_are_read_again_without_a_reload(project: Path) -> None:
    catalogue = project / "locale/de/LC_MESSAGES/django.mo"
    catalogue.parent.mkdir(parents=True)
    catalogue.write_bytes(translated("Haus"))
    append_settings(project, "USE_I18N, LANGUAGE_CODE = True, 'de'", "LOCALE_PATHS = [BASE_DIR / 'locale']")
    (project / "mysite/templates/page.html").write_text("{% load i18n %}{% translate 'house' %}")
    with developing(project) as running:
        assert httpx.get(f"{running.url}/").text == "Haus"
        catalogue.write_bytes(translated("Hausboot"))
        eventually(f"{running.url}/", 200, "Hausboot")
        assert "loading the project again" not in running.output


def test_django_browser_reload_is_told_of_static_files_and_templates(project: Path) -> None:
    append_settings(project, "DEBUG = True", "INSTALLED_APPS += ['django_browser_reload']")
    edit(project / "mysite/urls.py", "import path", "import include, path")
    edit(
        project / "mysite/urls.py",
        "urlpatterns = [",
        "urlpatterns = [path('b/', include('django_browser_reload.urls')), ",
    )
    with developing(project) as running:
        for name in ("static/site.css", "templates/page.html"):
            with httpx.stream("GET", f"{running.url}/b/events/", headers={"accept": "text/event-stream"}) as events:
                lines = (line for line in events.iter_lines() if line)
                assert '"type": "ping"' in next(lines)
                (project / "mysite" / name).write_text("edited")
                assert any('"type": "reload"' in line for line in lines)
        assert "loading the project again" not in running.output


def test_jinja_s_templates_are_read_again_without_debug(project: Path) -> None:
    (project / "mysite/jinja").mkdir()
    (project / "mysite/jinja/page.html").write_text("first")
    backend = "django.template.backends.jinja2.Jinja2"
    append_settings(project, f"TEMPLATES = [{{'BACKEND': '{backend}', 'DIRS': [BASE_DIR / 'mysite/jinja']}}]")
    with developing(project) as running:
        assert httpx.get(f"{running.url}/").text == "first"
        (project / "mysite/jinja/page.html").write_text("second")
        assert httpx.get(f"{running.url}/").text == "second"


def test_an_env_file_in_a_directory_of_templates_is_loaded_all_the_same(project: Path) -> None:
    append_settings(project, "TEMPLATES[0]['DIRS'] = [BASE_DIR, *TEMPLATES[0]['DIRS']]")
    with developing(project) as running:
        (project / ".env").write_text("DJANGO_STATIC_PREFIX=/other/\nHOST=::1\n")
        eventually(f"{running.url}/other/digits.txt", 200, "0123456789")
        assert "static-host: .env: loading the project again\n" in running.output
        running.wait_for("HOST or PORT changed; restart `static-host dev` to use the new address\n")


CHECKS = """
from django.core.checks import Error, Warning, register

@register
def shelf(**_): return [Warning("the shelf is dusty", id="shop.W001"), *FURTHER]
"""


def test_system_checks_are_run_as_by_runserver(project: Path) -> None:
    append_settings(project, CHECKS, "FURTHER = []")
    with developing(project) as running:
        assert "WARNINGS:\n?: (shop.W001) the shelf is dusty\n" in running.output
        edit(project / "mysite/settings.py", "FURTHER = []", "FURTHER = [Error('the shelf fell', id='shop.E001')]")
        eventually(f"{running.url}/", 503, "cannot be loaded")
        running.wait_for("static-host: Django's system checks find errors in mysite.settings:\n")
        running.wait_for("ERRORS:\n?: (shop.E001) the shelf fell\n")
        edit(project / "mysite/settings.py", "[Error('the shelf fell', id='shop.E001')]", "None")
        eventually(f"{running.url}/echo/", 200, "GET /echo/ 0")
        running.wait_for("static-host: one of Django's system checks raised an exception, and the others were not run:")
        running.wait_for("TypeError: ")


def test_a_source_folder_with_the_static_root_s_name_is_no_error(project: Path) -> None:
    (project / "mysite/static").rename(project / "staticfiles")
    append_settings(project, "STATICFILES_DIRS = [BASE_DIR / 'staticfiles']")
    with developing(project) as running:
        assert httpx.get(f"{running.url}/static/digits.txt").text == "0123456789"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("'db.sqlite3'", "You have 3 unapplied migration(s). Your project may not work properly until you apply the"),
        ("'no/such/folder/db'", "cannot find out whether all migrations are applied: django.db.utils.Operation"),
    ],
)
def test_migrations_that_are_not_applied_are_told_of(project: Path, name: str, told: str) -> None:
    append_settings(project, "INSTALLED_APPS += ['django.contrib.contenttypes', 'django.contrib.sessions']")
    append_settings(project, f"DATABASES = {{'default': {{'ENGINE': 'django.db.backends.sqlite3', 'NAME': {name}}}}}")
    with developing(project) as running:
        running.wait_for(told)
        assert httpx.get(f"{running.url}/echo/").status_code == 200


def test_a_project_whose_lifespan_does_not_start_is_answered_for(project: Path) -> None:
    (project / "mysite/asgi.py").write_text(
        "from django.core.asgi import get_asgi_application\n"
        "django = get_asgi_application()\n"
        "async def application(scope, receive, send):\n"
        "    if scope['type'] == 'lifespan':\n"
        "        await receive()\n"
        "        raise RuntimeError('no broker')\n"
        "    await django(scope, receive, send)\n"
    )
    append_settings(project, "ASGI_APPLICATION = 'mysite.asgi.application'")
    with developing_in_vain(project) as (running, url):
        assert "static-host: the ASGI application of mysite.settings could not start\n" in running.output
        assert running.output.count("RuntimeError: no broker\n") == 1
        answer = httpx.get(f"{url}/")
        assert answer.status_code == 503
        assert "RuntimeError: no broker\n" in answer.text
        assert httpx.get(f"{url}/static/digits.txt").text == "0123456789"
        edit(project / "mysite/asgi.py", "await receive()\n        raise RuntimeError('no broker')", "return")
        eventually(f"{url}/echo/", 200, "GET /echo/ 0")


def test_the_terminal_has_its_echo_again_after_a_debugger_was_ended(project: Path) -> None:
    mine, its = pty.openpty()

    def begin() -> None:
        minding_signals()
        os.login_tty(its)

    edit(project / "mysite/urls.py", 'raise RuntimeError("this view always fails")', "breakpoint()")
    process = subprocess.Popen(
        [SCRIPTS / "static-host", "dev"],
        cwd=project,
        env=make_environment({**SETTINGS, "PORT": (port := str(find_free_port()))}),
        stdin=its,
        stdout=its,
        stderr=its,
        preexec_fn=begin,
    )
    os.close(its)
    try:
        until(mine, b"ready on")
        asked = Thread(target=httpx.get, args=(f"http://127.0.0.1:{port}/fail/",), kwargs={"timeout": 60})
        asked.start()
        until(mine, b"(Pdb) ")
        assert not termios.tcgetattr(mine)[3] & termios.ECHO  # the debugger edits its own line
        edit(project / "mysite/urls.py", "breakpoint()", "return HttpResponse('went on')")
        until(mine, b"reloaded in")
        asked.join(20)
        wait_until(lambda: termios.tcgetattr(mine)[3] & termios.ECHO, "the terminal has no echo")
        os.write(mine, b"\x03")
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(mine)


def until(terminal: int, text: bytes) -> None:
    """Read from a terminal until the text comes."""
    read = b""
    while text not in read:
        read += os.read(terminal, 1000)


def test_a_working_directory_that_is_removed_ends_it(project: Path) -> None:
    with developing(project) as running:
        shutil.rmtree(project)
        assert running.process.wait(20) == 2
        running.wait_for("static-host: the working directory was removed. Start `static-host dev` again.\n")


def test_changes_are_new_gone_and_edited_sources_alone(tmp_path: Path) -> None:
    for folder in ("site", "node_modules/x", ".venv", "env", "tree/x", "deep/er", "__pycache__"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "env/pyvenv.cfg").touch()
    (tmp_path / "pyvenv.cfg").touch()  # a project in its own virtual environment
    (tmp_path / "tree/static-host.index").touch()
    (tmp_path / "site/gone.py").touch()
    (tmp_path / "site/edited.py").touch()
    changes = FileWatcher(tmp_path)

    def new() -> list[str]:
        return [path.removeprefix(f"{tmp_path}/") for path in changes.find_changes()]

    (tmp_path / "site/new.py").touch()
    assert new() == []  # nothing that is loaded
    changes.search_folders(since=time.time_ns())
    assert new() == []
    for name in ("node_modules/x/a.py", ".venv/a.py", "env/a.py", "tree/x/a.py", "__pycache__/a.py", "site/a.css"):
        (tmp_path / name).touch()
    assert changes.find_changes() == []
    (tmp_path / "site/gone.py").unlink()
    os.utime(tmp_path / "site/edited.py", (1, 1))  # older than before: what a version control system brings back
    for name in (".env", "deep/er/new.py"):
        (tmp_path / name).touch()
    assert new() == [".env", "deep/er/new.py", "site/edited.py", "site/gone.py"]
    assert changes.find_changes() == []
    changes.stop_searching()
    (tmp_path / "deep/er/new.py").unlink()
    assert new() == []


@pytest.mark.parametrize("pattern", ["made", "made/", "deep/made", "*_pb2.py", "deep/*/a_pb2.py", "deep"])
def test_what_is_to_be_ignored(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "deep/made").mkdir(parents=True)
    changes = FileWatcher(tmp_path, [pattern])
    changes.search_folders(since=time.time_ns())
    (tmp_path / "deep/made/a_pb2.py").touch()
    (tmp_path / "remade.py").touch()
    assert changes.find_changes() == [f"{tmp_path}/remade.py"]


def test_places_that_are_told_later(tmp_path: Path) -> None:
    for folder in ("here", "shared", "here/.hidden/more", "notes/a", "notes/node_modules"):
        (tmp_path / folder).mkdir(parents=True)
    long_ago = ("shared/old.py", "single.so", "here/.hidden/more/__init__.py", "notes/b.txt")
    for name in long_ago:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000, 1000))
    changes = FileWatcher(tmp_path / "here")
    places = WatchedPaths(
        frozenset({f"{tmp_path}/single.so", f"{tmp_path}/gone", "nu\0l"}),
        frozenset({f"{tmp_path}/shared", f"{tmp_path}/here/.hidden/more", f"{tmp_path}/nothing"}),
        frozenset({(f"{tmp_path}/notes", "**/*.txt"), (f"{tmp_path}/notes", "a/*.md"), (f"{tmp_path}/notes", "/no")}),
    )
    changes.search_folders(since=2000 * 10**9)
    (tmp_path / "shared/new.py").touch()  # while the project was being loaded
    changes.watch(places, since=2000 * 10**9)
    assert changes.find_changes() == [f"{tmp_path}/shared/new.py"]
    for name in ("notes/a/c.txt", "notes/node_modules/d.txt", "notes/a/e.md", "notes/f.md", *long_ago):
        (tmp_path / name).touch()
    told = {*long_ago, "notes/a/c.txt", "notes/a/e.md"}
    assert changes.find_changes() == sorted(f"{tmp_path}/{name}" for name in told)
    changes.watch(WatchedPaths(), since=0)  # what was told before is not forgotten
    (tmp_path / "single.so").unlink()
    assert changes.find_changes() == [f"{tmp_path}/single.so"]
