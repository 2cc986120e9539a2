"""``static-host serve`` as a process: what it says, what it answers, how it ends."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.builds import Build, append_settings
from tests.support.processes import READY_PATTERN, Running, find_free_port, run, run_server
from tests.support.projects import SETTINGS, copy_project


@pytest.fixture
def client(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"accept-encoding": "gzip, br"}) as client:
        yield client


def test_one_line_says_where_it_is_ready(server: Running) -> None:
    assert len(re.findall(READY_PATTERN, server.output)) == 1
    assert re.search(r"^static-host: ready on http://127\.0\.0\.1:\d+$", server.output, re.MULTILINE)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_exit_code_0(plain: Path, number: int, workers: str) -> None:
    with run_server(cwd=plain, WEB_CONCURRENCY=workers, **SETTINGS) as running:
        assert httpx.get(f"{running.url}/static/digits.txt").text == "0123456789"
        assert running.stop(number) == 0
        assert "Traceback" not in running.output


def test_host_and_port_are_respected(plain: Path) -> None:
    port = find_free_port()
    with run_server(cwd=plain, HOST="127.0.0.2", PORT=str(port), **SETTINGS) as running:
        assert running.url == f"http://127.0.0.2:{port}"
        assert httpx.get(f"http://127.0.0.2:{port}/healthz").text == "ok\n"


def test_pages_come_from_django_with_fingerprinted_urls(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert '<link rel="stylesheet" href="/static/site.e8e374d844cc.css">' in page.text
    assert page.headers["cache-control"] == "no-cache, no-store, must-revalidate, max-age=0"
    assert "tracking" in page.cookies


def test_a_name_that_the_manifest_lacks_does_not_break_the_page(client: httpx.Client, server: Running) -> None:
    assert '<img src="/static/img/forgotten.png" alt="">' in client.get("/").text
    server.wait_for("{% static 'img/forgotten.png' %} is not in the manifest; its URL has no fingerprint")


@pytest.mark.parametrize(
    "path", ["/static/site.e8e374d844cc.css", "/static/nothing.css", "/static/nothing.0123456789ab.css"]
)
def test_a_hostile_middleware_changes_nothing_on_a_static_answer(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    found = answer.status_code == 200
    assert answer.headers["cache-control"] == (
        "public, max-age=31536000, immutable" if found else "private, no-store, max-age=0"
    )
    assert "set-cookie" not in answer.headers
    assert answer.headers.get("content-encoding") == ("br" if found else None)


@pytest.mark.parametrize(
    ("host", "prefix"),
    [
        ("", "/static/"),
        ("//", "/static/"),
        ("cdn.example.com", "//cdn.example.com/static/"),
        ("https://cdn.example.com/assets/", "https://cdn.example.com/assets/static/"),
    ],
)
def test_the_static_host_is_in_the_urls_of_a_rendered_page(plain: Path, host: str, prefix: str) -> None:
    with run_server(cwd=plain, DJANGO_STATIC_HOST=host, **SETTINGS) as running:
        page = httpx.get(f"{running.url}/").text
        assert f'href="{prefix}site.e8e374d844cc.css"' in page
        assert f'src="{prefix}main.' in page
        assert httpx.get(f"{running.url}/static/site.e8e374d844cc.css").status_code == 200


@pytest.mark.parametrize("host", ["", "//"])
def test_two_slashes_are_the_page_s_own_host_also_if_static_url_has_another(
    project: Path, build: Build, host: str
) -> None:
    append_settings(project, "STATIC_URL = 'https://bucket.example.com/static/'")
    assert build(DJANGO_STATIC_HOST=host).returncode == 0
    expected = {"": "https://bucket.example.com/static/", "//": "/static/"}[host]
    program = ("run", "--", "python", "-c", "import django; django.setup(); print(django.conf.settings.STATIC_URL)")
    done = run("static-host", *program, cwd=project, DJANGO_STATIC_HOST=host, **SETTINGS)
    assert (done.stdout, done.stderr) == (f"{expected}\n", "")
    with run_server(cwd=project, DJANGO_STATIC_HOST=host, **SETTINGS) as running:
        assert f'href="{expected}site.e8e374d844cc.css"' in httpx.get(f"{running.url}/").text


def test_health_is_answered_for_any_host_and_never_kept(server: Running) -> None:
    answer = httpx.get(f"{server.url}/healthz", headers={"host": "10.1.2.3"})
    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert answer.headers["cache-control"] == "private, no-store, max-age=0"
    assert "set-cookie" not in answer.headers
    assert httpx.get(f"{server.url}/", headers={"host": "10.1.2.3"}).status_code == 400
    refused = httpx.post(f"{server.url}/healthz")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    assert httpx.head(f"{server.url}/healthz").status_code == 200
    assert httpx.get(f"{server.url}/healthz/").status_code == 404  # Django's


def test_an_exception_in_a_view_is_a_500_and_is_logged_whole(client: httpx.Client, server: Running) -> None:
    assert client.get("/fail/").status_code == 500
    server.wait_for("RuntimeError: this view always fails")
    assert "Traceback (most recent call last):" in server.output


def test_a_request_body_reaches_django(client: httpx.Client) -> None:
    assert client.post("/echo/", content=b"x" * 300_000).text == "POST /echo/ 300000"


def test_a_path_that_only_begins_like_the_prefix_is_django_s(client: httpx.Client) -> None:
    assert client.get("/staticpages/").text == "GET /staticpages/ 0"


def test_the_prefix_of_the_environment_wins(plain: Path) -> None:
    with run_server(cwd=plain, DJANGO_STATIC_PREFIX="/assets/v1/", **SETTINGS) as running:
        assert 'href="/assets/v1/site.e8e374d844cc.css"' in httpx.get(f"{running.url}/").text
        assert httpx.get(f"{running.url}/assets/v1/site.e8e374d844cc.css").status_code == 200
        assert httpx.get(f"{running.url}/static/site.e8e374d844cc.css").status_code == 404


@pytest.mark.parametrize("command", ["serve", "dev"])
def test_behind_a_proxy_that_takes_the_script_name_off_static_files_are_found(
    project: Path, build: Build, command: str
) -> None:
    append_settings(project, "FORCE_SCRIPT_NAME = '/shop'")
    build()
    with run_server(
        "static-host",
        command,
        cwd=project,
        ready=r"ready on (http://[\w.:]+)",
        DJANGO_SETTINGS_MODULE="mysite.settings",
    ) as running:
        assert 'href="/shop/static/' in httpx.get(f"{running.url}/").text
        for path in ("/shop/static/digits.txt", "/static/digits.txt"):
            assert httpx.get(running.url + path).text == "0123456789"
        assert httpx.get(f"{running.url}/static/absent.txt").text.startswith("Not Found\n")
        assert "at /shop/static/ and /static/" in running.output


def test_it_serves_the_tree_that_it_loaded_while_another_one_is_built(tmp_path: Path, cache: Path) -> None:

    project = copy_project("plain", tmp_path)
    variables = {"DJANGO_STATIC_CACHE": str(cache), **SETTINGS}
    assert run("static-host", "build", cwd=project, **variables).returncode == 0
    with run_server(cwd=project, **variables) as running:
        for text in ("one", "two", "three"):
            (project / "mysite/static/digits.txt").write_text(text)
            assert run("static-host", "build", cwd=project, **variables).returncode == 0
        assert httpx.get(f"{running.url}/static/digits.txt").text == "0123456789"
    with run_server(cwd=project, **variables) as running:
        assert httpx.get(f"{running.url}/static/digits.txt").text == "three"


def test_a_websocket_below_the_prefix_is_refused_and_django_not_asked(server: Running) -> None:
    key = {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    answer = httpx.get(f"{server.url}/static/digits.txt", headers={**key, "sec-websocket-version": "13"})
    assert answer.status_code == 403


def test_a_client_that_goes_away_in_the_middle_of_a_large_file_leaves_nothing_behind(server: Running) -> None:
    for _ in range(5):
        with httpx.stream("GET", f"{server.url}/static/large.bin") as answer:
            next(answer.iter_raw())
    assert httpx.get(f"{server.url}/static/digits.txt").text == "0123456789"
