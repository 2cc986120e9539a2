"""``static_host.asgi:app`` under the ASGI servers that people use."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.support.processes import find_free_port, run, run_server
from tests.support.waiting import wait_until
from tests.support.worker_projects import list_children

COMMANDS = {
    "uvicorn": ("uvicorn", "static_host.asgi:app", "--port", "{port}"),
    "hypercorn": ("hypercorn", "static_host.asgi:app", "--bind", "127.0.0.1:{port}"),
    "granian": ("granian", "--interface", "asgi", "static_host.asgi:app", "--port", "{port}"),
}
READY = {
    "uvicorn": "Uvicorn running on",
    "hypercorn": "Running on http",
    "granian": "Started worker-1",
}
SERVERS = pytest.mark.parametrize("name", COMMANDS)


def command(name: str, port: int) -> tuple[str, ...]:
    return tuple(part.format(port=port) for part in COMMANDS[name])


def read_command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


@SERVERS
def test_it_serves_static_files_pages_and_health(plain: Path, name: str) -> None:
    port = find_free_port()
    with (
        run_server(
            *command(name, port), cwd=plain, ready=READY[name], DJANGO_SETTINGS_MODULE="mysite.settings"
        ) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=httpx.HTTPTransport(retries=20)) as client,
    ):
        css = client.get("/static/site.e8e374d844cc.css", headers={"accept-encoding": "br"})
        assert (css.status_code, css.headers["content-encoding"]) == (200, "br")
        assert css.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert len(client.get("/static/large.bin").content) == 3_000_000
        assert client.get("/static/nothing").headers["cache-control"] == "private, no-store, max-age=0"
        assert client.get("/healthz").text == "ok\n"
        assert '<link rel="stylesheet" href="/static/site.e8e374d844cc.css">' in client.get("/").text
        assert client.post("/echo/", content=b"12345").text == "POST /echo/ 5"
        assert "Traceback" not in running.output


@SERVERS
def test_what_stops_the_boot_is_printed_and_the_server_exits(plain: Path, name: str) -> None:
    result = run(
        *command(name, find_free_port()),
        cwd=plain,
        DJANGO_SETTINGS_MODULE="mysite.settings",
        DJANGO_STATIC_ROOT="elsewhere",
    )
    if name != "hypercorn":  # it prints its own traceback and exits with 0
        assert result.returncode != 0
    assert f"static-host: there is no static tree at {plain}/elsewhere. Build it with" in result.stderr


def test_a_file_that_does_not_have_its_length_stops_the_boot_there_too(plain: Path, tree: Path) -> None:
    (tree / "digits.txt").write_text("")
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_ROOT": str(tree)}
    result = run(*command("uvicorn", find_free_port()), cwd=plain, **variables)
    assert result.returncode != 0
    assert f"static-host: the static tree at {tree} is damaged: digits.txt has 0 bytes, the index says 10." in (
        result.stderr
    )


@SERVERS
def test_our_lines_there_are_json_too(plain: Path, name: str) -> None:
    port = find_free_port()
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "LOG_FORMAT": "json"}
    with run_server(*command(name, port), cwd=plain, ready=READY[name], **variables) as running:
        wait_until(lambda: "fast path" in running.output, lambda: running.output)
    record = next(json.loads(line) for line in running.output.splitlines() if "fast path" in line)
    assert (record["logger"], record["level"]) == ("static_host", "warning")
    assert record["message"] == "static files are served through ASGI; only `static-host serve` has the fast path"


def test_an_error_there_is_json_too(plain: Path) -> None:
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_ROOT": "elsewhere", "LOG_FORMAT": "json"}
    lines = run(*command("uvicorn", find_free_port()), cwd=plain, **variables).stderr.splitlines()
    record = next(json.loads(line) for line in lines if line.startswith('{"time"'))
    assert record["message"].startswith(f"there is no static tree at {plain}/elsewhere. Build it with")


def test_two_processes_of_uvicorn_have_one_worker_each(plain: Path) -> None:
    port = find_free_port()
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "WEB_CONCURRENCY": "2", "DJANGO_PRELOAD": "false"}
    told = "one Django worker in each process of the server, which reads WEB_CONCURRENCY, too"
    with run_server(*command("uvicorn", port), cwd=plain, ready="Started parent process", **variables) as running:
        running.wait_for("Application startup complete.", times=2)
        assert running.output.count(told) == 2
        fronts = [pid for pid in list_children(running.process.pid) if "spawn_main" in read_command(pid)]
        assert [len(list_children(pid)) for pid in fronts] == [1, 1]
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").text == "ok\n"
