"""``static-host dev`` while the project is loaded again, and while it is broken; its address, lines and TLS."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from tests.dev.test_dev import READY, developing, developing_in_vain, edit, eventually
from tests.support.builds import append_settings
from tests.support.processes import find_free_port, run, run_server
from tests.support.projects import SETTINGS
from tests.support.waiting import wait_until

GATE = """
import os, time
print("loading", flush=True)
while not os.path.exists("gate"):
    time.sleep(0.01)
"""
"""The beginning of a module that is imported once the file "gate" exists."""


def add_view(project: Path, name: str, *lines: str) -> None:
    """Add a view to the project "plain"."""
    body = "".join(f"    {line}\n" for line in lines)
    edit(project / "mysite/urls.py", "\n\ndef fail(", f"\n\ndef {name}(request):\n{body}\n\ndef fail(")
    edit(project / "mysite/urls.py", 'path("", page)', f'path("", page), path("{name}/", {name})')


@contextmanager
def keep_doing(act: Callable[[], Any]) -> Any:
    """Do something again and again in another thread, until what it is for is done."""
    is_over = Event()

    def work() -> None:
        while not is_over.wait(0.03):
            act()

    thread = Thread(target=work)
    thread.start()
    yield
    is_over.set()
    thread.join()


def test_only_what_is_loaded_is_loaded_again_except_what_is_to_be_ignored(project: Path) -> None:
    edit(project / "mysite/urls.py", "from django.urls", "from . import generated\nfrom django.urls")
    for name in ("generated.py", "other.py"):
        (project / "mysite" / name).touch()
    with developing(project, DJANGO_DEV_IGNORE="generated.py") as running:
        for name in ("generated.py", "other.py", "new.py", "urls.py"):
            (project / "mysite" / name).touch()
        running.wait_for("mysite/urls.py: loading the project again\n")
        running.wait_for("reloaded in ")
        assert running.output.count("loading the project again") == 1


def test_a_template_that_is_saved_while_the_project_loads_does_not_begin_the_load_anew(project: Path) -> None:
    (project / "gate").touch()
    append_settings(project, "DEBUG = True")
    edit(project / "mysite/urls.py", "from django.http", f"{GATE}\nfrom django.http")
    with developing(project) as running:
        (project / "gate").unlink()
        (project / "mysite/urls.py").touch()
        running.wait_for("loading\n", times=2)
        saves: list[int] = []

        def save() -> None:
            saves.append((project / "saved.html").write_text("<title>saved</title>"))
            (project / "saved.html").rename(project / "mysite/templates/page.html")

        with keep_doing(save):
            wait_until(lambda: len(saves) > 30, "nothing is saved")
            (project / "gate").touch()
            running.wait_for("reloaded in ")
            assert httpx.get(f"{running.url}/").text == "<title>saved</title>"
        assert running.output.count("loading\n") == 2


def test_code_that_is_saved_while_the_project_loads_begins_the_load_anew(project: Path) -> None:
    (project / "gate").touch()
    edit(project / "mysite/urls.py", "from django.http", f"{GATE}\nfrom django.http")
    with developing(project) as running:
        (project / "gate").unlink()
        (project / "mysite/urls.py").touch()
        running.wait_for("loading\n", times=2)
        edit(project / "mysite/urls.py", "{request.method} {request.path}", "edited")
        running.wait_for("loading\n", times=3)
        (project / "gate").touch()
        assert eventually(f"{running.url}/echo/", 200, "edited 0")


def test_requests_wait_while_the_project_is_loaded_but_static_files_do_not(project: Path) -> None:
    (project / "gate").touch()
    edit(project / "mysite/urls.py", "from django.http", f"{GATE}\nfrom django.http")
    with developing(project) as running, ThreadPoolExecutor() as threads:
        (project / "gate").unlink()
        edit(project / "mysite/urls.py", "{request.method} {request.path}", "edited")
        running.wait_for("loading\n", times=2)
        waiting = [
            threads.submit(httpx.request, method, f"{running.url}/echo/", content=b"body", timeout=60)
            for method in ("GET", "POST", "PUT")
        ]
        assert httpx.get(f"{running.url}/static/digits.txt").text == "0123456789"
        assert httpx.get(f"{running.url}/readyz").status_code == 503
        assert httpx.get(f"{running.url}/healthz").status_code == 200
        assert not any(request.done() for request in waiting)
        (project / "gate").touch()
        assert [request.result().text for request in waiting] == ["edited 4"] * 3


def test_static_files_are_served_while_the_project_is_broken(project: Path) -> None:
    with developing(project) as running, httpx.Client(base_url=running.url) as client:
        edit(project / "mysite/urls.py", "def fail(", "def fail)")
        assert "SyntaxError: " in eventually(f"{running.url}/", 503, "cannot be loaded").text
        assert client.get("/static/digits.txt").text == "0123456789"
        (project / "mysite/static/site.css").write_text("p { margin: 0 }")
        assert client.get("/static/site.css").text == "p { margin: 0 }"
        assert client.get("/static/.hidden.txt").status_code == 404
        assert client.get("/static/../settings.py").status_code != 200
        assert client.get("/static/%2e%2e/settings.py").status_code == 404
        assert client.get("/static/nothing.css").status_code == 404
        edit(project / "mysite/urls.py", "def fail)", "def fail(")
        eventually(f"{running.url}/echo/", 200, "GET /echo/ 0")


def test_static_files_are_served_if_the_project_is_broken_from_the_start(project: Path) -> None:
    edit(project / "mysite/urls.py", "def fail(", "def fail)")
    with developing_in_vain(project) as (_, url):
        assert httpx.get(f"{url}/static/digits.txt").text == "0123456789"


def test_a_missing_static_file_is_named_with_the_nearest_one(project: Path) -> None:
    (project / "mysite/static/css").mkdir()
    (project / "mysite/static/css/theme.css").touch()
    with developing(project) as running:
        for asked, nearest in (
            ("ste.css", "site.css"),
            ("theme.css", "css/theme.css"),
            ("site.0123abc.css", "site.css"),
        ):
            answer = httpx.get(f"{running.url}/static/{asked}")
            assert (answer.status_code, answer.text) == (
                404,
                f"Not Found\nThe project has no static file '{asked}'.\nDid you mean {nearest}?\n",
            )
            running.wait_for(f"there is no static file '{asked}'; did you mean {nearest}?\n")
        assert "Did you mean" not in httpx.get(f"{running.url}/static/quite/different").text


def test_a_browser_shows_the_traceback_and_refreshes_itself(project: Path, browser: Browser) -> None:
    edit(project / "mysite/urls.py", "def fail(", "raise RuntimeError('<b>not</b> yet')\n\ndef fail(")
    with developing_in_vain(project) as (_, url):
        page = browser.new_page()
        answer = page.goto(url)
        assert answer is not None
        assert answer.status == 503
        assert "RuntimeError: <b>not</b> yet" in page.inner_text("pre")
        edit(project / "mysite/urls.py", "<b>not</b> yet", "nor now")
        page.wait_for_function("document.querySelector('pre').innerText.includes('nor now')")
        edit(project / "mysite/urls.py", "raise RuntimeError('nor now')", "")
        page.wait_for_function("document.title == 'plain'")
        page.close()


def test_each_request_has_a_line_with_time_status_size_and_duration(project: Path) -> None:
    with developing(project) as running:
        httpx.get(f"{running.url}/echo/?token=secret")
        httpx.get(f"{running.url}/static/nothing.css")
        httpx.get(f"{running.url}/readyz")
        running.wait_for("/static/nothing.css 404")
        assert re.search(r"\n\[\d\d:\d\d:\d\d\] GET /echo/\?token=\*\*\* 200 12 bytes \d+ ms\n", running.output)
        assert "readyz" not in running.output
        (project / "mysite/urls.py").touch()
        running.wait_for("static-host: reloaded in ")
        assert re.search(r"\nstatic-host: reloaded in \d+\.\d s\n", running.output)


STREAM = """
def streams(request):
    import time
    from django.http import StreamingHttpResponse

    def pieces():
        while True:
            yield b"piece"
            time.sleep(0.01)

    return StreamingHttpResponse(pieces())
"""


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_what_the_project_registered_for_its_end_is_run_also_with_an_open_stream(project: Path, interface: str) -> None:
    (project / "mysite/asgi.py").write_text(
        "from django.core.asgi import get_asgi_application\n"
        "django = get_asgi_application()\n"
        "async def application(scope, receive, send):\n"
        "    if scope['type'] != 'lifespan':\n"
        "        return await django(scope, receive, send)\n"
        "    for event in ('startup', 'shutdown'):\n"
        "        await receive()\n"
        "        print('lifespan', event, flush=True)\n"
        "        await send({'type': f'lifespan.{event}.complete'})\n"
    )
    append_settings(project, "ASGI_APPLICATION = 'mysite.asgi.application'")
    edit(
        project / "mysite/urls.py",
        "\n\ndef fail(",
        f"\nimport atexit\natexit.register(print, 'at exit')\n{STREAM}\n\ndef fail(",
    )
    edit(project / "mysite/urls.py", 'path("", page)', 'path("", page), path("streams/", streams)')
    with developing(project, DJANGO_INTERFACE=interface) as running:

        def touch() -> None:
            (project / "mysite/urls.py").touch()

        def interrupt() -> None:
            running.process.send_signal(signal.SIGINT)

        for number, end in enumerate([touch, interrupt], 1):
            with httpx.stream("GET", f"{running.url}/streams/", timeout=60) as answer:
                pieces = answer.iter_raw()
                assert next(pieces).startswith(b"piece")
                end()
                with pytest.raises(httpx.TransportError):
                    list(pieces)
            running.wait_for("at exit\n", times=number)
            assert running.output.count("lifespan shutdown\n") == (number if interface == "asgi" else 0)
        assert running.process.wait(20) == 0
        assert "Traceback" not in running.output


SLOW_END = """
import atexit, time
atexit.register(time.sleep, 600)
atexit.register(print, "ends", flush=True)
"""


def test_a_second_signal_ends_it_at_once(project: Path) -> None:
    edit(
        project / "mysite/urls.py",
        "\n\ndef fail(",
        f"\n{SLOW_END}\n\ndef fail(",
    )
    with developing(project) as running:
        os.killpg(running.process.pid, signal.SIGINT)
        running.wait_for("ends\n")
        os.killpg(running.process.pid, signal.SIGINT)
        assert running.process.wait(20) == 0
        assert "did not end within" not in running.output


def test_a_process_that_ends_by_itself_costs_its_requests_and_is_waited_for(project: Path) -> None:
    add_view(project, "die", "import os, time; os.kill(os.getpid(), 11); time.sleep(60)")
    with developing(project) as running:
        answer = httpx.get(f"{running.url}/die/")
        assert (answer.status_code, "signal SIGSEGV" in answer.text) == (503, True)
        running.wait_for("the project's process ended with signal SIGSEGV")
        assert httpx.get(f"{running.url}/static/digits.txt").text == "0123456789"
        assert "signal SIGSEGV" in httpx.get(f"{running.url}/echo/").text
        (project / "mysite/urls.py").touch()
        eventually(f"{running.url}/echo/", 200, "GET /echo/ 0")


def test_the_front_imports_neither_django_nor_the_project(project: Path) -> None:
    command = ("python", "-X", "importtime", "-m", "static_host", "dev")
    with run_server(*command, cwd=project, ready=READY, **SETTINGS) as running:
        assert httpx.get(f"{running.url}/static/digits.txt").text == "0123456789"
        imported = {match[1] for match in re.finditer(r"import time:.*\|\s+(\w+)", running.output)}
    assert {"starlette", "uvicorn", "static_host"} <= imported
    assert not {"django", "asgiref", "mysite"} & imported


@pytest.mark.parametrize("address", ["{port}", "localhost:{port}", "[::1]:{port}"])
def test_the_address_may_be_an_argument_as_with_runserver(project: Path, address: str) -> None:
    own = address.format(port=find_free_port())
    with run_server("static-host", "dev", own, cwd=project, ready=READY, **SETTINGS):
        host = own if ":" in own else f"127.0.0.1:{own}"
        assert httpx.get(f"http://{host}/static/digits.txt").text == "0123456789"


@pytest.mark.parametrize("address", ["eighty", "localhost", ":8000", "127.0.0.1:99999", "http://localhost:8000"])
def test_a_wrong_address_is_an_error_with_exit_code_2(project: Path, address: str) -> None:
    result = run("static-host", "dev", address, cwd=project, **SETTINGS)
    assert result.returncode == 2
    assert f"{address!r} is not a port or an address with a port, such as 8001 or 0.0.0.0:8001." in result.stderr


def test_tls_serves_https_which_the_project_knows(project: Path) -> None:
    add_view(project, "secure", "return HttpResponse(f'{request.scheme} {request.is_secure()}')")
    ready = r"ready on (https://[^\s,]+), development: "
    with run_server("static-host", "dev", "--tls", cwd=project, ready=ready, **SETTINGS) as running:
        assert httpx.get(f"{running.url}/secure/", verify=False).text == "https True"
        assert httpx.get(f"{running.url}/static/digits.txt", verify=False).text == "0123456789"


def test_tls_without_openssl_is_an_error_with_exit_code_2(project: Path, tmp_path: Path) -> None:
    result = run("static-host", "dev", "--tls", cwd=project, PATH=str(tmp_path), **SETTINGS)
    assert result.returncode == 2
    assert (
        "--tls needs the program openssl, which is not on PATH. Install openssl, or leave --tls out." in result.stderr
    )


def test_the_project_s_interpreter_needs_nothing_but_django(project: Path) -> None:
    add_view(project, "modules", "import sys; return HttpResponse(' '.join(sys.modules))")
    with developing(project, PYTHONUTF8="1") as running:  # else tests fork it, with what they imported
        loaded = {name.partition(".")[0] for name in httpx.get(f"{running.url}/modules/").text.split()}
    assert {"django", "static_host_django"} <= loaded
    assert not {"starlette", "uvicorn", "click", "pydantic", "static_host", "static_host_build"} & loaded
