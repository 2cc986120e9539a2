"""The CDN for a laptop: ``docker-compose --profile cdn up`` on a real engine, with visitors' requests."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from tests.support.builds import DECODERS
from tests.support.compose import Laptop, run_laptop
from tests.support.containers import ROOT, run_command
from tests.support.processes import run
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("engine")]

IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.fixture(scope="module")
def laptop(image: str) -> Iterator[Laptop]:
    """Runs ``docker-compose --profile cdn up`` until a page comes through the CDN."""
    with run_laptop(image) as laptop:
        yield laptop


def test_the_second_request_is_a_hit(laptop: Laptop) -> None:
    path = laptop.find_named_path(r"favicon\.[0-9a-f]{12}\.svg")
    first, again = (laptop.ask(path, accept_encoding="gzip, deflate, br, zstd") for _ in range(2))
    assert (first[0], first[1]["x-cache-status"]) == (200, "MISS")
    assert (again[0], again[1]["x-cache-status"]) == (200, "HIT")
    assert again[1]["cache-control"] == first[1]["cache-control"] == IMMUTABLE
    assert again[2] == first[2]


def test_each_coding_is_kept_apart(laptop: Laptop) -> None:
    path = laptop.find_named_path(r"inspector/inspector\.[0-9a-f]{12}\.css")
    plain = laptop.ask(path)[2]
    etags = set()
    for coding in ("br", "zstd", "gzip"):
        for state in ("MISS", "HIT"):
            _, headers, body = laptop.ask(path, accept_encoding=coding)
            assert (headers["content-encoding"], headers["x-cache-status"]) == (coding, state)
            assert headers["vary"] == "Accept-Encoding"
            assert headers["content-length"] == str(len(body))
            assert DECODERS[coding](body) == plain
            etags.add(headers["etag"])
    _, headers, body = laptop.ask(path)
    assert "content-encoding" not in headers
    assert (headers["x-cache-status"], body) == ("HIT", plain)
    assert len(etags | {headers["etag"]}) == 4
    assert not any(etag.startswith("W/") for etag in etags)


def test_a_document_is_a_difference_to_the_dictionary(laptop: Laptop, browser: Browser) -> None:
    page = browser.new_page()
    with page.expect_event("requestfinished", lambda request: "page-dictionary" in request.url):
        first = page.goto(f"{laptop.url}/")
    again = page.goto(f"{laptop.url}/?again")
    assert first is not None
    assert again is not None
    assert first.header_value("content-encoding") == "zstd"
    assert again.header_value("content-encoding") == "dcz"
    assert again.request.sizes()["responseBodySize"] < first.request.sizes()["responseBodySize"] / 3
    assert page.title() == "Delivery inspector · django-static-host"
    page.close()
    path = laptop.find_named_path("inspector/inspector.[0-9a-f]{12}.css")  # other clients get what they got before
    assert "use-as-dictionary" not in laptop.ask(path)[1]


def test_what_a_visitor_has_is_not_sent_again(laptop: Laptop) -> None:
    path = laptop.find_named_path(r"inspector/main\.[0-9a-f]{12}\.js")
    etag = laptop.ask(path, accept_encoding="br")[1]["etag"]
    status, headers, body = laptop.ask(path, accept_encoding="br", if_none_match=f'"other", {etag}')
    assert (status, body, headers["x-cache-status"]) == (304, b"", "HIT")
    assert (headers["etag"], headers["cache-control"]) == (etag, IMMUTABLE)
    assert (headers["vary"], headers["access-control-allow-origin"]) == ("Accept-Encoding", "*")


def test_a_part_comes_from_the_cache(laptop: Laptop) -> None:
    path = laptop.find_named_path(r"inspector/instrument-sans\.[0-9a-f]{12}\.woff2")
    _, headers, whole = laptop.ask(path)
    status, part, body = laptop.ask(path, range="bytes=4-9", if_range=headers["etag"])
    assert (status, body, part["x-cache-status"]) == (206, whole[4:10], "HIT")
    assert part["content-range"] == f"bytes 4-9/{len(whole)}"
    assert laptop.ask(path, range="bytes=4-9", if_range='"other"')[0] == 200


def test_a_404_is_not_kept(laptop: Laptop) -> None:
    for _ in range(2):
        status, headers, _ = laptop.ask("/static/inspector/inspector.000000000000.css")
        assert (status, headers["x-cache-status"]) == (404, "MISS")
        assert headers["cache-control"] == "private, no-store, max-age=0"


@pytest.mark.parametrize("path", ["/", "/admin/login/", "/healthz"])
def test_what_django_says_and_how_it_is_are_not_kept(laptop: Laptop, path: str) -> None:
    for _ in range(2):
        status, headers, _ = laptop.ask(path)
        assert (status, headers["x-cache-status"]) == (200, "MISS")


def test_verify_finds_it_in_order(laptop: Laptop, tmp_path: Path) -> None:
    result = run("static-host", "verify", "--json", f"http://127.0.0.1:{laptop.cdn_port}/", cwd=tmp_path)
    printed = json.loads(result.stdout)
    assert (result.returncode, printed["static_prefixes"]) == (0, [f"{laptop.url}/static/"])
    assert [finding for finding in printed["findings"] if finding["level"] in ("error", "warning")] == []
    assert {file["cdn"] for file in printed["files"]} == {"nginx"}
    assert {file["asked"]["browser"]["again"]["cache"] for file in printed["files"]} == {"hit"}
    assert len(printed["files"]) == 8


def test_verify_finds_what_a_wrong_configuration_does(laptop: Laptop, tmp_path: Path) -> None:
    right = (ROOT / "deploy/cdn/nginx.conf").read_text()
    wrong = right.replace("Accept-Encoding $http_accept_encoding;", "Accept-Encoding '';").replace(
        "proxy_cache cdn;", "proxy_cache cdn; proxy_ignore_headers Cache-Control; proxy_cache_valid any 1m;"
    )
    (tmp_path / "nginx.conf").write_text(wrong)
    volume = f"{tmp_path}/nginx.conf:/etc/nginx/nginx.conf:ro"
    (tmp_path / "wrong.yml").write_text(f"services:\n  cdn:\n    volumes: ['{volume}']\n")
    up = ("up", "--detach", "--no-deps", "cdn")
    try:
        laptop.compose("--file", "docker-compose.yml", "--file", f"{tmp_path}/wrong.yml", *up)
        wait_until(laptop.is_answering, lambda: laptop.compose("logs"))
        result = run("static-host", "verify", "--json", f"http://127.0.0.1:{laptop.cdn_port}/", cwd=tmp_path)
    finally:
        laptop.compose(*up)
        wait_until(laptop.is_answering, lambda: laptop.compose("logs"))
    found = {each["check"] for each in json.loads(result.stdout)["findings"] if each["level"] == "error"}
    assert result.returncode == 1
    assert found == {"compression", "not-found", "page"}


def test_the_image_does_without_the_libraries_of_verify_and_says_so(image: str) -> None:
    script = "static-host verify http://localhost:8000/ 2>&1; echo $?"
    message, code = run_command("docker", "run", "--rm", image, "sh", "-c", script).splitlines()
    assert message.startswith("static-host: verify needs httpx, h2, zstandard, which the server does not, so it comes")
    assert message.endswith("from which you verify: pip install 'django-static-host[verify]'")
    assert code == "2"


def test_static_files_are_served_while_the_app_is_stopped(laptop: Laptop) -> None:
    path = laptop.find_named_path(r"inspector/inspector\.[0-9a-f]{12}\.css")
    kept = laptop.ask(path, accept_encoding="br")[2]
    laptop.compose("stop", "origin")
    try:
        status, headers, body = laptop.ask(path, accept_encoding="br")
        assert (status, headers["x-cache-status"], body) == (200, "HIT", kept)
        assert laptop.ask("/")[0] in (502, 504)
    finally:
        laptop.compose("start", "origin")
    wait_until(laptop.is_answering, lambda: laptop.compose("logs"))


def test_a_visitors_word_for_its_address_is_not_believed(laptop: Laptop) -> None:
    path = f"/static/{secrets.token_hex(6)}"
    laptop.ask(path, x_forwarded_for="192.0.2.7", forwarded="for=192.0.2.7")

    def lines() -> list[str]:
        return [line for line in laptop.compose("logs", "origin").splitlines() if path in line]

    wait_until(lambda: bool(lines()), lambda: laptop.compose("logs"))
    assert not [line for line in lines() if "192.0.2.7" in line]


def test_the_proxy_has_no_privileges_and_writes_only_its_cache(laptop: Laptop) -> None:
    script = (
        "grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs):' /proc/1/status | tr '\\t' ' ';"
        "for place in / /etc/nginx /var/log /tmp; do touch $place/written 2>/dev/null && echo $place; done; true"
    )
    assert laptop.compose("exec", "-T", "cdn", "sh", "-c", script).splitlines() == [
        "Uid: 101 101 101 101",
        "CapEff: 0000000000000000",
        "CapBnd: 0000000000000000",
        "NoNewPrivs: 1",
        "/tmp",
    ]


def test_only_the_proxy_reaches_its_origin(laptop: Laptop) -> None:
    origin = laptop.compose("ps", "--quiet", "origin").strip()
    facts = json.loads(run_command("docker", "inspect", origin))[0]["NetworkSettings"]
    assert facts["Ports"] == {"8000/tcp": None}
    assert list(facts["Networks"]) == [f"{laptop.project}_cdn"]


def test_the_site_without_the_cdn_is_as_before(laptop: Laptop) -> None:
    page = httpx.get(f"http://localhost:{laptop.port}/").text
    assert re.search(r'href="/static/inspector/inspector\.[0-9a-f]{12}\.css"', page)
    assert laptop.url not in page
