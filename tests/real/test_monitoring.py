"""The recipes of docs/monitoring.md, run as they stand there: OpenTelemetry's SDK, and Sentry's."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from static_host.telemetry.timings import measure_proxy_seconds
from tests.support.collector import Collector, run_collector
from tests.support.nginx import NGINX, run_nginx
from tests.support.processes import SCRIPTS, Running, find_free_port, run, run_server
from tests.support.required import required
from tests.support.worker_projects import get

pytestmark = pytest.mark.timeout(300)

PAGE = (Path(__file__).parents[2] / "docs/monitoring.md").read_text()
FILES = dict(re.findall(r"^```python\n# (mysite/\w+\.py)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
SETTINGS = """
ALLOWED_HOSTS = ["127.0.0.1"]
DEBUG = False
ASGI_APPLICATION = "mysite.asgi.application"
"""
URLS = """
import asyncio
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.templatetags.static import static
from django.urls import path

NAMES = ("HTTP_TRACEPARENT", "HTTP_TRACESTATE", "HTTP_X_REQUEST_START")

def page(request):
    return JsonResponse([request.META.get(name) for name in NAMES], safe=False)

def link(request):
    return HttpResponse(static("admin/css/base.css"))

async def later(request):
    await asyncio.sleep(0)
    return HttpResponse("later")

def fail(request):
    raise ValueError("this view fails")

async def fail_later(request):
    await asyncio.sleep(0)
    raise ValueError("this view fails")

def fail_within(request):
    def pieces():
        yield b"first"
        raise ValueError("this view fails")
    return StreamingHttpResponse(pieces())

urlpatterns = [path(f"{view.__name__}/", view) for view in (page, link, later, fail, fail_later, fail_within)]
"""
SPAN = "00f067aa0ba902b7"
START = "t=1799999999.250"
READY = r"ready on (http://[^\s\"]+)"
SPANS = r'"name": "([^"]+)",\s+"context": \{\s+"trace_id": "0x(\w+)"'


def make_site(directory: Path, cache: Path, *names: str) -> Path:
    """Return a built project that `startproject` has made, with these files of the recipes."""
    directory.mkdir()
    subprocess.run([sys.executable, "-m", "django", "startproject", "mysite"], cwd=directory, check=True)
    project = directory / "mysite"
    own = {"mysite/settings.py": SETTINGS, "mysite/urls.py": URLS}
    for name in dict.fromkeys((*own, *names)):
        path = project / name
        begin = path.read_text() if name == "mysite/settings.py" else ""
        path.write_text(begin + own.get(name, "") + (FILES[name] if name in names else ""))
    (project / "db.sqlite3").touch()
    variables = {"DJANGO_STATIC_CACHE": str(cache), "DJANGO_STATIC_EFFORT": "fast"}
    built = run("static-host", "build", cwd=project, **variables)
    assert built.returncode == 0, built.stderr
    return project


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    names = ("mysite/tracing.py", "mysite/wsgi.py", "mysite/asgi.py")
    return make_site(tmp_path_factory.mktemp("traced") / "site", cache, *names)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    return make_site(tmp_path_factory.mktemp("watched") / "site", cache, "mysite/settings.py")


def trace_of(number: int) -> str:
    return f"4bf92f3577b34da6a3ce929d0e0e473{number}"


def ask(server: Running, path: str, number: int) -> httpx.Response:
    """Request a path as a part of the trace with this number."""
    fields = {"traceparent": f"00-{trace_of(number)}-{SPAN}-01", "tracestate": "a=b", "X-Request-Start": START}
    return httpx.get(server.url + path, headers=fields, timeout=60)


def read_log(output: str) -> list[dict[str, Any]]:
    """Return the lines of the access log."""
    lines = [json.loads(line) for line in output.splitlines() if line.startswith('{"time"')]
    return [line for line in lines if "target" in line]


@pytest.mark.parametrize("preload", ["auto", "true"])
@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_a_span_and_one_line_of_the_log_have_the_trace_of_the_request(
    traced: Path, interface: str, preload: str
) -> None:
    variables = {
        "DJANGO_INTERFACE": interface,
        "DJANGO_PRELOAD": preload,
        "LOG_FORMAT": "json",
        "OTEL_BSP_SCHEDULE_DELAY": "3600000",  # so the end of the workers brings the spans
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_TRACES_EXPORTER": "console",
        "WEB_CONCURRENCY": "2",
    }
    with run_server(cwd=traced, ready=READY, DJANGO_PYTHON=sys.executable, **variables) as server:
        assert ask(server, "/page/", 1).json() == [f"00-{trace_of(1)}-{SPAN}-01", "a=b", START]
        assert ask(server, "/later/", 2).text == "later"
        assert ask(server, "/healthz", 3).text == "ok\n"
        assert get(server, "/later/").text == "later"
        assert server.stop() == 0, server.output
    output = server.output
    assert [(line["target"], line.get("trace_id"), line.get("span_id")) for line in read_log(output)] == [
        ("/page/", trace_of(1), SPAN),
        ("/later/", trace_of(2), SPAN),
        ("/healthz", trace_of(3), SPAN),
        ("/later/", None, None),
    ]
    spans = {trace: name for name, trace in re.findall(SPANS, output)}
    (own,) = set(spans) - {trace_of(1), trace_of(2)}
    assert spans == {trace_of(1): "GET page/", trace_of(2): "GET later/", own: "GET later/"}
    assert own not in {trace_of(3), "0" * 32}
    assert sorted(re.findall(r'"parent_id": (\S+),', output)) == [f'"0x{SPAN}"', f'"0x{SPAN}"', "null"]
    assert output.count('"service.name": "shop"') == 3


def test_the_exporter_for_a_collector_sends_the_same_trace(traced: Path) -> None:
    with run_collector() as collector:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector.authority}", "OTEL_SERVICE_NAME": "shop"}
        with run_server(cwd=traced, DJANGO_PYTHON=sys.executable, **variables) as server:
            assert ask(server, "/page/", 1).status_code == 200
            assert server.stop() == 0, server.output
    ((path, body),) = collector.received
    assert path == "/v1/traces"
    assert bytes.fromhex(trace_of(1)) in body
    assert bytes.fromhex(SPAN) in body
    assert b"GET page/" in body


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_the_program_that_instruments_others_does_so_with_workers(watched: Path, interface: str) -> None:
    variables = {
        "DJANGO_INTERFACE": interface,
        "DJANGO_SETTINGS_MODULE": "mysite.settings",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_TRACES_EXPORTER": "console",
    }
    command = ("opentelemetry-instrument", str(SCRIPTS / "static-host"), "serve")
    with run_server(*command, cwd=watched, DJANGO_PYTHON=sys.executable, **variables) as server:
        assert re.fullmatch(r"/static/admin/css/base\.[0-9a-f]{12}\.css", ask(server, "/link/", 1).text)
        assert server.stop() == 0, server.output
    assert re.findall(SPANS, server.output) == [("GET link/", trace_of(1))]
    assert f" trace_id={trace_of(1)} span_id={SPAN}" in server.output


def test_a_worker_that_is_replaced_sends_its_spans(traced: Path) -> None:
    variables = {"OTEL_BSP_SCHEDULE_DELAY": "3600000", "OTEL_TRACES_EXPORTER": "console"}
    with run_server(cwd=traced, DJANGO_PYTHON=sys.executable, **variables) as server:
        ask(server, "/page/", 1)
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(f'"trace_id": "0x{trace_of(1)}"')
        assert server.stop() == 0, server.output


def test_nginx_sets_the_start_of_a_request_whatever_the_client_says(watched: Path, tmp_path: Path) -> None:
    required("" if NGINX else "nginx is not installed")
    (directive,) = re.findall(r"`(proxy_set_header [^`]+;)`", PAGE)
    port = find_free_port()
    with (
        run_server(cwd=watched, ready=READY, DJANGO_PYTHON=sys.executable, LOG_FORMAT="json") as server,
        run_nginx(f"127.0.0.1:{server.port}", tmp_path / "nginx", port=port, also=directive),
    ):
        fields = {"X-Request-Start": f"{time.time() - 500:.3f}"}
        start = httpx.get(f"http://127.0.0.1:{port}/page/", headers=fields, timeout=60).json()[2]
        server.wait_for('"target": "/page/"')
        (line,) = [line for line in read_log(server.output) if line["target"] == "/page/"]
    assert re.fullmatch(r"t=\d{10}\.\d{3}", start)
    assert measure_proxy_seconds(start.encode(), float(start[2:]) + 1) == 1
    assert 0 <= line["queue_ms"] < 400_000


def list_events(collector: Collector) -> list[dict[str, Any]]:
    """Return the events of the envelopes that Sentry's SDK has sent."""
    assert {path for path, _ in collector.received} == {"/api/1/envelope/"}
    lines = [json.loads(line) for _, body in collector.received for line in body.splitlines()]
    return [line for line in lines if "exception" in line or "logentry" in line]


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
@pytest.mark.parametrize("path", ["/fail/", "/fail_later/", "/fail_within/"])
def test_an_exception_is_one_event_that_the_log_can_be_searched_for(watched: Path, interface: str, path: str) -> None:
    with run_collector() as collector:
        variables = {"DJANGO_INTERFACE": interface, "LOG_FORMAT": "json", "WEB_CONCURRENCY": "2"}
        variables |= {"DJANGO_PYTHON": sys.executable, "SENTRY_DSN": f"http://key@{collector.authority}/1"}
        with run_server(cwd=watched, ready=READY, **variables) as server:
            assert "each worker loads the project" not in server.output
            try:
                assert ask(server, path, 1).status_code == 500
            except httpx.RemoteProtocolError:
                assert path == "/fail_within/"
            assert get(server, "/later/").status_code == 200
            assert server.stop() == 0, server.output
    (event,) = list_events(collector)
    (exception,) = event["exception"]["values"]
    assert (exception["type"], exception["value"]) == ("ValueError", "this view fails")
    (line,) = [line for line in read_log(server.output) if line["target"] == path]
    assert line["trace_id"] == trace_of(1)
    if interface == "asgi" or path != "/fail_within/":  # through WSGI a request is over for Sentry when a stream begins
        named = {name.lower(): value for name, value in event["request"]["headers"].items()}
        assert named["x-request-id"] == line["request_id"]
        assert named["traceparent"] == f"00-{trace_of(1)}-{SPAN}-01"
