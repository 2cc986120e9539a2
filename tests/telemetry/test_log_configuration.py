"""LOG_FORMAT=json: what the program says is JSON, from its first word to its last, and what the project says is not."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.cases import DIGITS
from tests.support.processes import Running, run, run_server
from tests.support.projects import copy_project

VIEWS = """
import logging, threading, time, warnings
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

def fails(request):
    raise RuntimeError("in a view:\\nof two lines")

def breaks(request):
    def chunks():
        yield b"begun"
        raise RuntimeError("in the middle")
    return StreamingHttpResponse(chunks())

def warns(request):
    warnings.warn("a warning of the project's")
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    return HttpResponse("warned")

def says(request):
    logging.getLogger("shop").warning("sold %s", "out")
    return HttpResponse("said")

class Leftover:
    def __del__(self):
        raise RuntimeError("while it was left")

def leaves(request):
    Leftover()
    logging.getLogger("shop").warning("%d of them", "many")
    logging.error("a root without %s", "handlers")  # gives it one
    return HttpResponse("left")

views = {"fails/": fails, "breaks/": breaks, "warns/": warns, "says/": says, "leaves/": leaves}
urlpatterns = [path(name, view) for name, view in views.items()]
"""
LOGGING = """LOGGING = {
    "version": 1,
    "formatters": {"own": {"format": "shop says: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "own"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}"""
VARIABLES = {"DJANGO_SETTINGS_MODULE": "mysite.settings"}
JSON = {**VARIABLES, "LOG_FORMAT": "json"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    project = copy_project("plain", tmp_path_factory.mktemp("logs"))
    (project / "mysite/urls.py").write_text(VIEWS)
    (project / "own.py").write_text(f"from mysite.settings import *\n{LOGGING}\n")
    assert run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **VARIABLES).returncode == 0
    return project


def records(lines: list[str]) -> list[dict[str, Any]]:
    """Return the objects, of which each line is one; those of messages have what a program needs to sort them."""
    found: list[dict[str, Any]] = [json.loads(line) for line in lines]
    for record in found:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["time"])
        assert "method" in record or {"level", "logger", "message"} <= record.keys()
    return found


def messages(running: Running) -> list[dict[str, Any]]:
    return [record for record in records(running.lines) if "message" in record]


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_every_line_of_a_server_is_one_object(project: Path, interface: str) -> None:
    with run_server(cwd=project, DJANGO_INTERFACE=interface, **JSON) as running:
        assert httpx.get(running.url + DIGITS).status_code == 200
        assert httpx.get(f"{running.url}/fails/").status_code == 500
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{running.url}/breaks/")
        assert httpx.get(f"{running.url}/warns/").text == "warned"
        assert httpx.get(f"{running.url}/says/").text == "said"
        assert httpx.get(f"{running.url}/leaves/").text == "left"
        assert httpx.get(f"{running.url}/fails/?again").status_code == 500
        with socket.create_connection(("127.0.0.1", running.port), 10) as connection:
            connection.sendall(b"no request\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
        running.process.send_signal(signal.SIGHUP)
        running.wait_for("SIGHUP: all workers are new")
        assert running.stop() == 0
        running.wait_for('"stopped"')
        said = messages(running)
    by_message = {record["message"]: record for record in said}
    assert said[0]["message"] == "16 static resources of staticfiles at /static/"
    ready = by_message[f"ready on {running.url}"]
    assert (ready["level"], ready["logger"]) == ("info", "static_host")
    assert [record["message"] for record in said].count("Internal Server Error: /fails/") == 2
    view = by_message["Internal Server Error: /fails/"]
    assert (view["level"], view["logger"]) == ("error", "django.request")
    assert view["exception"].startswith("Traceback (most recent call last):\n")
    assert view["exception"].endswith("\nRuntimeError: in a view:\nof two lines")
    stream = by_message[f"'GET /breaks/': the {interface.upper()} application raised an exception"]
    assert (stream["level"], stream["logger"]) == ("error", "static_host.worker")
    assert "RuntimeError: in the middle" in stream["exception"]
    assert by_message["sold out"]["logger"] == "shop"
    assert by_message["a root without handlers"]["logger"] == "root"
    (leftover,) = (record for record in said if record["message"].startswith("Exception ignored in: "))
    assert leftover["exception"].endswith("RuntimeError: while it was left")
    (unwritten,) = (record for record in said if record["message"].startswith("a record of shop cannot be written: "))
    assert "TypeError: " in unwritten["exception"]
    (warning,) = (record for record in said if record["logger"] == "static_host.warnings")
    assert warning["message"].endswith("UserWarning: a warning of the project's")
    (crash,) = (record for record in said if record["level"] == "critical")
    assert crash["exception"].endswith("ZeroDivisionError: division by zero")
    assert "exception" not in ready


def test_several_workers_write_objects_too(project: Path) -> None:
    with run_server(cwd=project, WEB_CONCURRENCY="2", **JSON) as running:
        assert httpx.get(f"{running.url}/fails/").status_code == 500
        running.wait_for("Internal Server Error: /fails/")
        assert run("python", "-c", f"import os; os.kill({running.workers[0]}, 9)", cwd=project).returncode == 0
        running.wait_for("is ready")
        running.process.send_signal(signal.SIGHUP)
        running.wait_for("SIGHUP: all workers are new")
        assert running.stop() == 0
        running.wait_for('"stopped"')
        said = [record["message"] for record in messages(running)]
    assert said[-1] == "stopped"
    assert f"ready on {running.url}" in said


def test_the_project_s_own_logging_stays_its_own(project: Path) -> None:
    with run_server(cwd=project, **{**JSON, "DJANGO_SETTINGS_MODULE": "own"}) as running:
        assert httpx.get(f"{running.url}/says/").text == "said"
        assert httpx.get(f"{running.url}/fails/").status_code == 500
        assert running.stop() == 0
        running.wait_for('"stopped"')
    assert "shop says: sold out\n" in running.lines
    assert "shop says: Internal Server Error: /fails/\n" in running.lines
    assert not any("Internal Server Error" in line for line in running.lines if line.startswith("{"))


ENDINGS = {
    "a wrong variable": (2, {"PORT": "x"}, "this variable is wrong:\n  PORT='x': "),
    "no tree": (3, {"DJANGO_STATIC_ROOT": "elsewhere"}, "there is no static tree at "),
    "no address": (4, {"HOST": "nowhere.invalid"}, "HOST=nowhere.invalid PORT=0: "),
    "no module": (2, {"DJANGO_SETTINGS_MODULE": "nothing.settings"}, "DJANGO_SETTINGS_MODULE='nothing.settings': "),
    "a broken project": (1, {"DJANGO_SETTINGS_MODULE": "broken"}, "the Django project broken raised an exception"),
    "a silent one": (1, {"DJANGO_SETTINGS_MODULE": "silent"}, "the Django project silent raised an exception"),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_what_ends_the_program_is_one_object(project: Path, name: str) -> None:
    code, variables, message = ENDINGS[name]
    (project / "broken.py").write_text("raise RuntimeError('in the settings')\n")
    (project / "silent.py").write_text(
        "from mysite.settings import *\nROOT_URLCONF = 'broken'\nLOGGING = {'version': 1}  # turns all others off\n"
    )
    result = run("static-host", "serve", cwd=project, **{"PORT": "0", **JSON, **variables})
    assert result.returncode == code
    last = records((result.stdout + result.stderr).splitlines())[-1]
    assert (last["level"], last["logger"]) == ("error", "static_host")
    assert last["message"].startswith(message)
    assert ("exception" in last) is (code == 1)
    if code == 1:
        assert last["exception"].endswith("RuntimeError: in the settings")


def test_an_asgi_project_that_does_not_start_is_logged_in_objects(project: Path) -> None:
    (project / "mysite/asgi.py").write_text(
        "async def application(scope, receive, send):\n    await receive()\n    raise RuntimeError('no broker')\n"
    )
    (project / "lifeless.py").write_text(
        "from mysite.settings import *\nASGI_APPLICATION = 'mysite.asgi.application'\n"
    )
    for workers in ("1", "2"):
        variables = {**JSON, "DJANGO_SETTINGS_MODULE": "lifeless", "WEB_CONCURRENCY": workers, "PORT": "0"}
        result = run("static-host", "serve", cwd=project, **variables)
        assert result.returncode == 1
        said = records((result.stdout + result.stderr).splitlines())
        assert any("RuntimeError: no broker" in record.get("exception", record["message"]) for record in said)


WRONG = {
    "": "Usage: ",
    "nope": "No such command 'nope'.\nUsage: static-host [OPTIONS]",
    "--nope": "No such option '--nope'.",
    "serve --nope": "No such option '--nope'.\nUsage: static-host serve [OPTIONS]",
    "serve more": "Got unexpected extra argument (more)\n",
    "verify": "Missing argument 'URL'.\nUsage: static-host verify [OPTIONS] URL",
    "verify https://example.com --max-files few": "Invalid value for '--max-files': 'few' is not ",
    "publish --renew -1": "Invalid value for '--renew': -1 is not ",
    "index nowhere": "Invalid value for 'DIR': Directory 'nowhere' does not exist.",
    "build --report": "Option '--report' requires an argument.",
    "build --previous s3://a:b@c": "--previous s3://",
    "dev --nope": "No such option '--nope'.",
    "releases": "there is no static tree at ",
}
"""What a user may get wrong → how the message begins."""


@pytest.mark.parametrize("arguments", WRONG)
def test_a_command_that_is_wrong_is_one_object(tmp_path: Path, arguments: str) -> None:
    for beginning in (["static-host"], ["python", "-m", "static_host"]):
        result = run(*beginning, *arguments.split(), cwd=tmp_path, LOG_FORMAT="JSON")
        assert (result.returncode, result.stdout) == (3 if arguments == "releases" else 2, "")
        (record,) = records(result.stderr.splitlines())
        assert (record["level"], record["logger"]) == ("error", "static_host")
        assert record["message"].startswith(WRONG[arguments])


def test_the_build_s_own_module_tells_of_a_wrong_option_in_an_object_too(tmp_path: Path) -> None:
    result = run("python", "-m", "static_host_build", "--nope", cwd=tmp_path, LOG_FORMAT="json")
    (record,) = records(result.stderr.splitlines())
    assert record["message"].startswith("No such option '--nope'.\nUsage: static-host build [OPTIONS]")
    text = run("python", "-m", "static_host_build", "--nope", cwd=tmp_path)
    assert text.stderr.startswith("Usage: static-host build [OPTIONS]\nTry ")


def test_a_build_logs_objects_and_prints_its_result(project: Path, tmp_path: Path, cache: Path) -> None:
    shutil.copytree(project / "mysite", tmp_path / "mysite")
    (tmp_path / "mysite/static/more.css").write_text("a { b: url(gone.png) }")
    variables = {**JSON, "DJANGO_STATIC_CACHE": str(cache), "DJANGO_STATIC_MISSING_REFERENCES": "warn"}
    result = run("static-host", "build", cwd=tmp_path, **variables)
    assert result.returncode == 0
    (record,) = records(result.stderr.splitlines())
    assert (record["level"], record["logger"]) == ("warning", "static_host.build")
    assert "gone.png" in record["message"]
    assert result.stdout.startswith("static-host: 18 static resources in ")


def test_ctrl_c_is_one_object(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\nprint('loading', flush=True)\ntime.sleep(60)\n")
    variables = {"DJANGO_SETTINGS_MODULE": "slow", "LOG_FORMAT": "json"}
    with run_server("static-host", "build", cwd=tmp_path, ready="loading", **variables) as running:
        assert running.stop(signal.SIGINT) == 1
        running.wait_for("interrupted")
        loading, *lines = running.lines
        assert loading == "loading\n"
        (record,) = records(lines)
    assert record["message"] == "interrupted: the command did not end its work."


def test_what_check_writes_beside_its_table_is_objects(project: Path) -> None:
    (project / "checked.py").write_text(
        "from mysite.settings import *\nfrom django.core.checks import register\n"
        "@register\ndef broken(**_):\n    raise RuntimeError('in a check')\n"
    )
    result = run("static-host", "check", cwd=project, **{**JSON, "DJANGO_SETTINGS_MODULE": "checked"})
    assert result.returncode == 1
    (record,) = records(result.stderr.splitlines())
    assert record["message"].startswith("the check checked.broken raised an exception:")
    assert record["exception"].endswith("RuntimeError: in a check")


def test_while_developing_every_line_is_one_object(project: Path) -> None:
    (project / "warned.py").write_text(
        "from mysite.settings import *\nfrom django.core.checks import Warning, register\n"
        "register(lambda **_: [Warning('an own check', id='own.W001')])\n"
    )
    variables = {**JSON, "DJANGO_SETTINGS_MODULE": "warned"}
    with run_server("static-host", "dev", cwd=project, ready=r"ready on (http://[^\s,]+)", **variables) as running:
        assert httpx.get(f"{running.url}/fails/").status_code == 500
        running.wait_for('"target": "/fails/"')
        (project / "warned.py").write_text("raise RuntimeError('in the settings')\n")
        running.wait_for("loading the project again")
        running.wait_for("in the settings")
        assert running.stop(signal.SIGINT) == 0
        running.wait_for('"stopped"')
        said = records(running.lines)
    assert any("own.W001" in record["message"] for record in said)
    assert any(record.get("exception", "").endswith("RuntimeError: in the settings") for record in said)


def test_the_format_counts_wherever_it_is_set_and_whatever_else_is_wrong(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_FORMAT=json\nPORT=x\nWEB_CONCURRENCY=0\n")
    result = run("static-host", "serve", cwd=tmp_path)
    assert result.returncode == 2
    (record,) = records(result.stderr.splitlines())
    assert record["message"].startswith("these 2 variables are wrong:\n")
    (tmp_path / ".env").write_bytes(b"PORT=\xff\n")
    (record,) = records(run("static-host", "serve", cwd=tmp_path, LOG_FORMAT="json").stderr.splitlines())
    assert record["message"].startswith("the file .env is not UTF-8")


def test_an_invalid_format_is_reported_as_text(tmp_path: Path) -> None:
    result = run("static-host", "serve", cwd=tmp_path, LOG_FORMAT="yaml")
    assert result.returncode == 2
    assert "  LOG_FORMAT='yaml': Expected: text or json." in result.stderr
    assert result.stderr.startswith("static-host: ")
    for value in ("jsonl", "JSON lines"):
        (record,) = records(run("static-host", "serve", cwd=tmp_path, LOG_FORMAT=value).stderr.splitlines())
        assert record["message"].endswith(f"  LOG_FORMAT={value!r}: Expected: text or json.")


def test_text_is_as_it_was(project: Path) -> None:
    with run_server(cwd=project, **VARIABLES) as running:
        assert httpx.get(f"{running.url}/says/").text == "said"
        assert running.stop() == 0
        running.wait_for("static-host: stopped\n")
    assert "static-host: 16 static resources of staticfiles at /static/\n" in running.lines
    assert "sold out\n" in running.lines
