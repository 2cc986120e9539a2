"""``static-host verify`` on deployments with the traces of each CDN, and with what goes wrong there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import brotli
import pytest

from static_host.origin.representation import compute_digest
from static_host.verify.audit_scope import Scope
from static_host.verify.client import Client, NoResponseError
from static_host.verify.crawler import fetch_page, probe_files
from tests.support.deployments import CSS, ENCODERS, Answer, Change, Deployment, serve_deployment
from tests.support.processes import SCRIPTS, find_free_port, make_environment, run

NAME = "/static/site.0123456789ab.css"
PAGE = f'<link rel="stylesheet" href="{NAME}">'
CDNS = {
    "CloudFront": (
        {
            "via": "1.1 0123456789abcdef.cloudfront.net (CloudFront)",
            "x-amz-cf-pop": "FRA56-P1",
            "x-amz-cf-id": "r5y8WlFqk==",
        },
        {"x-cache": "Miss from cloudfront"},
        {"x-cache": "Hit from cloudfront", "age": "3"},
    ),
    "Cloudflare": (
        {"server": "cloudflare", "cf-ray": "8f2a41c9de1b-FRA", "alt-svc": 'h3=":443"; ma=86400'},
        {"cf-cache-status": "MISS"},
        {"cf-cache-status": "HIT", "age": "3"},
    ),
    "Fastly": (
        {
            "via": "1.1 varnish, 1.1 varnish",
            "x-served-by": "cache-bwi5120-BWI, cache-fra-eddf8230020-FRA",
            "x-timer": "S1764000000.123456,VS0,VE1",
        },
        {"x-cache": "MISS, MISS", "x-cache-hits": "0, 0"},
        {"x-cache": "MISS, HIT", "x-cache-hits": "0, 1"},
    ),
    "Varnish": (
        {"via": "1.1 cache (Varnish/7.5)"},
        {"x-varnish": "32770", "age": "0"},
        {"x-varnish": "32773 32771", "age": "0"},
    ),
    "nginx": ({"server": "nginx/1.28.0"}, {"x-cache-status": "MISS"}, {"x-cache-status": "HIT"}),
    "": ({}, {"cache-status": "Edge; fwd=uri-miss; stored"}, {"cache-status": "Edge; hit; ttl=100"}),
}
"""CDN → the fields that it always writes, those of a miss, and those of a hit."""


def behind(name: str, change: Change = lambda path, asked, before, answer: answer) -> Change:
    """Return what the CDN of that name makes of answers: it keeps what may be kept; `change` is how it is set up."""
    always, miss, hit = CDNS[name]

    def changed(path: str, asked: Mapping[str, str], before: int, answer: Answer) -> Answer:
        status, headers, body = answer
        kept = before and "private" not in headers["cache-control"]
        return change(path, asked, before, (status, {**headers, **always, **(hit if kept else miss)}, body))

    return changed


def only_gzip(path: str, asked: Mapping[str, str], before: int, answer: Answer) -> Answer:
    """A CDN that asks its origin for gzip on behalf of all who speak it."""
    status, headers, body = answer
    if "content-encoding" in headers and status == 200:
        body = ENCODERS["gzip"](CSS) if "gzip" in asked["accept-encoding"] else CSS
        coding = {"content-encoding": "gzip"} if body is not CSS else {}
        return (
            status,
            {**{n: v for n, v in headers.items() if n != "content-encoding"}, **coding, "etag": 'W/"x"'},
            body,
        )
    return answer


def with_fields(**fields: str) -> Change:
    own = {name.replace("_", "-"): value for name, value in fields.items()}
    return lambda path, asked, before, answer: (
        answer if path == "/" or answer[0] == 404 else (answer[0], {**answer[1], **own}, answer[2])
    )


def for_404(status: int = 404, **fields: str) -> Change:
    own = {name.replace("_", "-"): value for name, value in fields.items()}
    return lambda path, asked, before, answer: (status, {**answer[1], **own}, answer[2]) if answer[0] == 404 else answer


def on_a_terminal(width: int, *command: str, cwd: Path) -> list[str]:
    """Run a program on a terminal of that width; return the lines of its standard output."""
    reader, writer = os.openpty()
    process = subprocess.Popen(
        [SCRIPTS / command[0], *command[1:]],
        cwd=cwd,
        env=make_environment({"COLUMNS": str(width)}),
        stdout=writer,
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    output = b""
    with suppress(OSError):  # how Linux tells the end of a terminal
        while data := os.read(reader, 4096):
            output += data
    os.close(reader)
    process.wait(20)
    return output.decode().splitlines()


def verified(deployment: Deployment, directory: Path, *options: str) -> tuple[int, dict[str, Any]]:
    with serve_deployment(deployment):
        result = run("static-host", "verify", "--json", *options, deployment.url, cwd=directory)
    assert result.stderr == ""
    return result.returncode, json.loads(result.stdout)


def told(printed: dict[str, Any], *levels: str) -> list[tuple[str, str, str]]:
    """Return level and check, what was found, and the remedy."""
    findings = printed["findings"]
    return [(f"{f['level']} {f['check']}", f["found"], f["remedy"]) for f in findings if f["level"] in levels]


@pytest.mark.parametrize("name", CDNS)
def test_a_cdn_is_known_by_its_fields_and_so_is_a_hit(name: str, tmp_path: Path) -> None:
    code, printed = verified(Deployment(PAGE, {NAME: CSS}, behind(name)), tmp_path)
    assert (code, told(printed, "error", "warning")) == (0, [])
    (host,) = printed["hosts"].values()
    assert host["cdn"] == [name][: bool(name)]
    assert bool(host["alt_svc"]) == (name == "Cloudflare")
    (file,) = printed["files"]
    states = [(asked["first"]["cache"], asked["again"]["cache"]) for asked in file["asked"].values()]
    assert states == [("miss", "hit")] * 5
    assert [answer["cache"] for answer in printed["not_found"][0]["answers"]] == ["miss", "miss"]
    assert ("ok cache", "1 file from the cache at the second request", "") in told(printed, "ok")


def test_of_two_cdns_that_passed_an_answer_on_both_are_named(tmp_path: Path) -> None:
    change = behind("CloudFront", behind("nginx"))
    _, printed = verified(Deployment(PAGE, {NAME: CSS}, change), tmp_path)
    assert next(iter(printed["hosts"].values()))["cdn"] == ["CloudFront", "nginx"]


@pytest.mark.parametrize(
    ("name", "change", "expected", "code", "remedy"),
    [
        ("CloudFront", only_gzip, "warning compression", 0, "cache policy with Gzip and Brotli enabled"),
        ("Cloudflare", only_gzip, "warning compression", 0, "compression rules that disable Brotli"),
        ("Fastly", only_gzip, "warning compression", 0, 'if (req.http.Fastly-Orig-Accept-Encoding ~ "br")'),
        ("Varnish", only_gzip, "warning compression", 0, "-p http_gzip_support=off"),
        ("nginx", only_gzip, "warning compression", 0, "proxy_set_header Accept-Encoding $http_accept_encoding"),
        ("", only_gzip, "warning compression", 0, "Let the CDN pass Accept-Encoding on"),
        ("Cloudflare", with_fields(cache_control="max-age=99"), "error cache-control", 1, "Respect Existing Headers"),
        ("Cloudflare", with_fields(cache_control="max-age=99"), "error cache-control", 1, "transform rule or a Worker"),
        ("CloudFront", with_fields(cache_control="no-store"), "error cache-control", 1, "response headers policy"),
        ("Fastly", with_fields(cache_control="immutable, max-age=9"), "error cache-control", 1, "Surrogate-Control"),
        ("", with_fields(cache_control="max-age=31536000"), "error cache-control", 1, "remove what sets another one"),
        ("Cloudflare", with_fields(cf_cache_status="DYNAMIC"), "warning cache", 0, "Eligible for cache"),
        ("Fastly", with_fields(x_cache="MISS, MISS"), "warning cache", 0, "returns pass"),
        ("Varnish", with_fields(x_varnish="7"), "warning cache", 0, "unset req.http.Cookie"),
        ("CloudFront", with_fields(x_cache="Miss from cloudfront"), "warning cache", 0, "CachingOptimized"),
        ("CloudFront", for_404(x_cache="Error from cloudfront", age="2"), "error not-found", 1, "obeys no-store"),
        ("Cloudflare", for_404(cf_cache_status="HIT"), "error not-found", 1, "status code TTL for 404"),
        ("Fastly", for_404(x_cache="HIT"), "error not-found", 1, "beresp.ttl"),
        ("CloudFront", for_404(200), "error not-found", 1, "none may answer 200"),
        ("", for_404(403), "warning not-found", 0, "Let the status pass"),
        ("", for_404(cache_control="max-age=5"), "warning not-found", 0, "Let the origin's Cache-Control pass"),
        ("Varnish", with_fields(vary=""), "warning vary", 0, "the VCL that changes Vary"),
        ("", with_fields(vary="*"), "error vary", 1, "Let the origin's own Vary pass"),
        ("", with_fields(etag='"one-for-all"'), "error etag", 1, "the origin's tag is a digest"),
        ("Cloudflare", with_fields(etag='"0123456789abcdef01234567"'), "error etag", 1, "Respect Strong ETags"),
        ("Cloudflare", with_fields(set_cookie="__cf_bm=1"), "warning cookie", 0, "Bot Management"),
        ("", with_fields(content_type="text/html"), "error media-type", 1, "with a page in place of a file"),
        ("", with_fields(content_encoding="br, br"), "error coding", 1, "part of its key"),
    ],
)  # fmt: skip
def test_what_is_wrong_comes_with_the_cdns_own_remedy(
    name: str, change: Change, expected: str, code: int, remedy: str, tmp_path: Path
) -> None:
    exit_code, printed = verified(Deployment(PAGE, {NAME: CSS}, behind(name, change)), tmp_path)
    findings = told(printed, "error", "warning")
    assert expected in [finding[0] for finding in findings], findings
    assert [finding for finding in findings if finding[0] == expected and remedy in finding[2]], findings
    assert exit_code == code, findings


def test_bytes_that_were_changed_under_a_strong_entity_tag(tmp_path: Path) -> None:
    def change(path: str, asked: Mapping[str, str], before: int, answer: Answer) -> Answer:
        status, headers, body = answer
        hasty = brotli.compress(CSS, quality=1)
        return status, headers, hasty if status == 200 and headers.get("content-encoding") == "br" else body

    code, printed = verified(Deployment(PAGE, {NAME: CSS}, change), tmp_path)
    lying, hasty = told(printed, "error", "warning")
    assert (code, lying[0], hasty[0]) == (1, "error etag", "warning re-encoded")
    assert lying[1].startswith(f"{NAME}: the strong entity tag is not that of the bytes: they were changed on the way")
    assert hasty[1].startswith(f"{NAME}: browsers get br from the CDN's fast encoder")


def test_a_second_machine_of_a_cdn_may_not_have_the_file_yet(tmp_path: Path) -> None:
    def change(path: str, asked: Mapping[str, str], before: int, answer: Answer) -> Answer:
        return answer[0], {**answer[1], "cf-cache-status": "HIT" if before > 1 else "MISS"}, answer[2]

    code, printed = verified(Deployment(PAGE, {NAME: CSS}, change), tmp_path)
    assert (code, told(printed, "error", "warning")) == (0, [])
    assert printed["files"][0]["asked"]["browser"]["again"]["cache"] == "hit"


def test_a_connection_that_is_closed_unanswered_is_tried_again(tmp_path: Path) -> None:
    def change(path: str, asked: Mapping[str, str], before: int, answer: Answer) -> Answer:
        return answer if before else (0, {}, b"")

    code, printed = verified(Deployment(PAGE, {NAME: CSS}, change), tmp_path)
    assert (code, told(printed, "error", "warning")) == (0, [])


def test_no_more_than_four_requests_are_under_way(tmp_path: Path) -> None:
    names = [f"/static/{number}.0123456789ab.css" for number in range(12)]
    page = "".join(f'<link rel="stylesheet" href="{name}">' for name in names)
    deployment = Deployment(page, dict.fromkeys(names, CSS), slowness=0.01)
    code, printed = verified(deployment, tmp_path)
    assert (code, len(printed["files"])) == (0, 12)
    assert 1 < deployment.max_under_way <= 4


def test_nothing_is_remembered_between_requests(tmp_path: Path) -> None:
    deployment = Deployment(PAGE, {NAME: CSS}, with_fields(set_cookie="visitor=7"))
    verified(deployment, tmp_path)
    assert sum(deployment.request_counts.values()) > 10
    assert deployment.cookies == []


def test_files_of_others_are_left_out_and_said_so(tmp_path: Path) -> None:
    css = CSS + b"@import '/static/more.0123456789ab.css'; body { background: url(../media/photo.png) }"
    other = "/static/more.0123456789ab.css"
    page = f"""
        {PAGE}<img src="/media/photo.png"><img src="/static/plain.png">
        <link rel="stylesheet" href="http://fonts.example.com/css?family=Inter">
        <script src="//stats.example/s.js"></script>
    """
    files = {NAME: css, other: CSS, "/static/plain.png": b"png", "/media/photo.png": b"photo"}
    _, printed = verified(Deployment(page, files), tmp_path)
    paths = [re.sub(r"http://127.0.0.1:\d+", "", file["url"]) for file in printed["files"]]
    assert paths == [NAME, "/static/plain.png", other]
    texts = [re.sub(r":\d+/", ":PORT/", found) for check, found, _ in told(printed, "info") if check == "info left-out"]
    assert texts == [
        f"1 file below {prefix} not examined: they may not be your static files"
        for prefix in ("http://127.0.0.1:PORT/media/", "http://fonts.example.com/", "http://stats.example/")
    ]


def test_the_prefixes_and_the_number_can_be_said(tmp_path: Path) -> None:
    page = PAGE + '<img src="/media/a.png"><img src="/media/b.png"><img src="/media/c.png">'
    deployment = Deployment(page, {f"/media/{name}.png": b"png" for name in "abc"})
    with serve_deployment(deployment):
        options = ("--json", "--static-prefix", f"{deployment.url}/media", "--max-files", "2")
        printed = json.loads(run("static-host", "verify", *options, deployment.url, cwd=tmp_path).stdout)
    assert [file["url"][-6:] for file in printed["files"]] == ["/a.png", "/b.png"]
    remedy = "--max-files N examines more; --static-prefix URL names the prefixes of your static files."
    assert ("info left-out", "1 file more not examined", remedy) in told(printed, "info")


def test_without_a_fingerprint_on_the_page_its_host_is_examined(tmp_path: Path) -> None:
    page = '<link rel="stylesheet" href="/static/site.css"><img src="http://other.example/a.png">'
    code, printed = verified(Deployment(page, {"/static/site.css": CSS}), tmp_path)
    assert (code, [check for check, _, _ in told(printed, "error", "warning")]) == (0, ["warning fingerprint"])
    assert len(printed["files"]) == 1


@pytest.mark.parametrize(
    ("cache_control", "expected"),
    [
        ("max-age=60, must-revalidate", []),
        ("no-cache", []),
        ("", ["warning cache-control"]),
        ("public", ["warning cache-control"]),
        ("max-age=86400", ["warning cache-control"]),
        ("max-age=86400, immutable", ["error cache-control"]),
    ],
)
def test_a_name_without_a_fingerprint_is_revalidated(cache_control: str, expected: list[str], tmp_path: Path) -> None:
    page = PAGE + '<link rel="stylesheet" href="/static/plain.css">'

    def change(path: str, asked: Mapping[str, str], before: int, answer: Answer) -> Answer:
        return with_fields(cache_control=cache_control)(path, asked, before, answer) if "plain" in path else answer

    _, printed = verified(Deployment(page, {NAME: CSS, "/static/plain.css": CSS}, change), tmp_path)
    assert [check for check, _, _ in told(printed, "error", "warning")] == expected


def test_a_video_needs_ranges(tmp_path: Path) -> None:
    video = "/static/film.0123456789ab.mp4"

    def change(path: str, asked: Mapping[str, str], before: int, answer: Answer) -> Answer:
        return (200, answer[1], b"film") if answer[0] == 206 else answer

    code, printed = verified(Deployment(f'<video src="{video}">', {video: b"film"}, change), tmp_path)
    assert code == 1
    assert told(printed, "error")[0][:2] == (
        "error range", f"{video}: a range request gets 200, not 206: Safari does not play it, and players cannot skip"
    )  # fmt: skip


def test_a_file_that_is_missing_or_breaks_off_is_told(tmp_path: Path) -> None:
    names = [f"/static/{name}.0123456789ab.css" for name in ("gone", "short", "moved")]
    page = "".join(f'<link rel="stylesheet" href="{name}">' for name in names)

    def change(path: str, asked: Mapping[str, str], before: int, answer: Answer) -> Answer:
        if "short" in path:
            return 200, {**answer[1], "content-length": "9999", "connection": "close"}, b"short"
        return (301, {"location": "/elsewhere", **answer[1]}, b"") if "moved" in path else answer

    code, printed = verified(Deployment(page, dict.fromkeys(names[1:], CSS), change), tmp_path)
    assert code == 1
    found = [found for check, found, _ in told(printed, "error", "warning") if check.endswith(" file")]
    assert found[0] == f"{names[0]}: the status is 404"
    assert found[1].startswith(f"{names[1]}: no response: RemoteProtocolError: peer closed connection")
    assert found[2].startswith(f"{names[2]}: the response is a redirect (301)")


def test_of_a_very_large_file_only_the_head_is_judged(tmp_path: Path) -> None:
    name = "/static/large.0123456789ab.png"
    code, printed = verified(Deployment(f'<img src="{name}">', {name: bytes(9 << 20)}), tmp_path)
    assert (code, told(printed, "error", "warning")) == (0, [])
    assert 8 << 20 < printed["files"][0]["asked"]["browser"]["first"]["bytes"] < 9 << 20


@pytest.mark.parametrize(("careful", "code"), [(True, 0), (False, 1)])
def test_a_delta_comes_only_to_who_has_its_dictionary(careful: bool, code: int, tmp_path: Path) -> None:
    known = f":{b64encode(sha256(CSS).digest()).decode()}:"

    def change(path: str, asked: Mapping[str, str], before: int, answer: Answer) -> Answer:
        status, headers, body = answer
        if status != 200 or path == "/":
            return answer
        headers = {**headers, "use-as-dictionary": 'match="/static/site.*.css"'}
        headers["vary"] = "accept-encoding, available-dictionary"
        wants = "dcz" in asked["accept-encoding"] and (not careful or asked["available-dictionary"] == known)
        return (200, {**headers, "content-encoding": "dcz"}, b"delta") if wants else (200, headers, body)

    exit_code, printed = verified(Deployment(PAGE, {NAME: CSS}, change), tmp_path)
    assert [check for check, _, _ in told(printed, "error", "warning")] == ["error dictionary"][:code]
    assert exit_code == code
    assert printed["files"][0]["dictionary"][0]["coding"] == "dcz"
    found = "1 file offered as compression dictionaries; 1 came as a delta to itself"
    assert found in [found for _, found, _ in told(printed, "info")]


def test_a_page_that_a_cache_gives_to_all_with_a_cookie(tmp_path: Path) -> None:
    def change(path: str, asked: Mapping[str, str], before: int, answer: Answer) -> Answer:
        status, headers, body = answer
        return (status, {**headers, "cf-cache-status": "HIT", "set-cookie": "id=1"}, body) if path == "/" else answer

    code, printed = verified(Deployment(PAGE, {NAME: CSS}, behind("Cloudflare", change)), tmp_path)
    ((check, found, remedy),) = told(printed, "error", "warning")
    assert (code, check) == (1, "error page")
    assert "visitors get each other's" in found
    assert "Take pages out of the rule that caches everything" in remedy
    _, printed = verified(Deployment(PAGE, {NAME: CSS}, behind("Fastly", change)), tmp_path)
    ((check, _, remedy),) = told(printed, "error", "warning")
    assert (check, "Fastly keeps a page for an hour" in remedy) == ("error page", True)


def test_a_page_elsewhere_is_followed_and_one_that_is_refused_is_told(tmp_path: Path) -> None:
    def change(path: str, asked: Mapping[str, str], before: int, answer: Answer) -> Answer:
        if path == "/":
            return 302, {"location": "/en/", **answer[1]}, b""
        return (401, {"content-type": "text/html", "cache-control": "private"}, b"") if path == "/en/" else answer

    deployment = Deployment(PAGE, {NAME: CSS}, change)
    code, printed = verified(deployment, tmp_path)
    assert (code, printed["page"]) == (1, {"url": f"{deployment.url}/en/", "status": 401})
    assert told(printed, "error")[0][1] == f"{deployment.url}/en/ returns 401"


def test_a_coding_that_is_not_answered_is_told(tmp_path: Path) -> None:
    def change(path: str, asked: Mapping[str, str], before: int, answer: Answer) -> Answer:
        return (502, answer[1], b"") if asked["accept-encoding"] == "gzip" and path == NAME else answer

    code, printed = verified(Deployment(PAGE, {NAME: CSS}, change), tmp_path)
    assert code == 1
    assert told(printed, "error")[0][:2] == (
        "error file",
        f"{NAME}: the status is 502 for Accept-Encoding: gzip",
    )


@pytest.mark.parametrize(("kept_without", "code"), [(False, 0), (True, 1)])
def test_cors_headers_for_those_who_ask_with_an_origin_are_enough(
    kept_without: bool, code: int, tmp_path: Path
) -> None:
    def change(path: str, asked: Mapping[str, str], before: int, answer: Answer) -> Answer:
        status, headers, body = answer
        own = {name: value for name, value in headers.items() if name != "access-control-allow-origin"}
        if "origin" in asked and not kept_without:
            own["access-control-allow-origin"] = asked["origin"]
        return status, own, body

    deployment = Deployment("", {NAME: CSS}, change)
    with serve_deployment(deployment):
        elsewhere = deployment.url.replace("127.0.0.1", "localhost")
        deployment.page = f'<link rel="stylesheet" href="{elsewhere}{NAME}" crossorigin>'
        result = run("static-host", "verify", "--json", deployment.url, cwd=tmp_path)
    assert [check for check, _, _ in told(json.loads(result.stdout), "error")] == ["error cors"][:code]
    assert result.returncode == code


def test_on_a_narrow_terminal_what_all_files_agree_in_is_one_line(tmp_path: Path) -> None:
    names = ["/static/site.0123456789ab.css", "/static/a-longer-name-than-others.0123456789ab.png"]
    deployment = Deployment(f'{PAGE}<img src="{names[1]}">', {names[0]: CSS, names[1]: b"png"})
    with serve_deployment(deployment):
        lines = on_a_terminal(72, "static-host", "verify", deployment.url, cwd=tmp_path)
    table = lines[: lines.index("")]
    assert [line.split()[:2] for line in table[:3]] == [
        ["file", "browser"],
        ["/static/site.0123456789ab.css", "br"],
        ["/static/a-…thers.0123456789ab.png", "identity"],
    ]
    assert " ".join(table[3:]) == (
        "all: status 200, cache ?, cache-control immutable, etag strong, cors *, range yes, 304 yes, dictionary -, "
        "http 1.1"
    )
    assert max(map(len, table)) <= 72


def test_readmes_example_is_what_browser_cache_ttl_and_no_cache_rule_do(tmp_path: Path) -> None:
    """Browser Cache TTL raises shorter ages only, so the stylesheet's year stays, and the logo's 60 s become 14400."""
    page = (
        '<link rel="stylesheet" href="/static/site.e8e374d844cc.css">'
        '<link rel="preload" as="fetch" crossorigin href="/static/cart.6cb17b72a0f1.json">'
        '<img src="/static/logo.png">'
    )

    def change(path: str, asked: Mapping[str, str], before: int, answer: Answer) -> Answer:
        status, headers, body = answer
        if path.endswith(".json"):
            return status, {**headers, "cf-cache-status": "DYNAMIC"}, body
        raised = headers["cache-control"].replace("max-age=60,", "max-age=14400,")
        return status, {**headers, "cache-control": raised}, body

    files = {
        "/static/site.e8e374d844cc.css": CSS,
        "/static/logo.png": bytes(700),
        "/static/cart.6cb17b72a0f1.json": b'{"a":1}',
    }
    deployment = Deployment(page, files, behind("Cloudflare", change))
    with serve_deployment(deployment):
        lines = on_a_terminal(103, "static-host", "verify", deployment.url, cwd=tmp_path)
    table = "\n".join(lines[: lines.index("")])
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert f"Behind Cloudflare, the first table may be:\n\n```\n{table}\n```\n" in readme
    _, printed = verified(deployment, tmp_path)
    (cache, lifetime) = told(printed, "error", "warning")
    assert (cache[0], lifetime[0]) == ("warning cache", "warning cache-control")
    assert "Eligible for cache" in cache[2]
    assert "Browser Cache TTL to Respect Existing Headers" in lifetime[2]


def test_where_nobody_answers_that_is_the_finding(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{find_free_port()}/"
    result = run("static-host", "verify", url, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.startswith(f"error    page  {url} gives no response: ConnectError: ")
    printed = json.loads(run("static-host", "verify", "--json", url, cwd=tmp_path).stdout)
    assert (printed["ok"], printed["files"], printed["page"]) == (False, [], {"url": url, "status": None})


@pytest.mark.parametrize(
    "url", ["example.com", "ftp://example.com/", "https://", "http://[::1", "https://x:99999/", "http://a b/"]
)
def test_what_is_no_url_of_a_page_is_refused(url: str, tmp_path: Path) -> None:
    for arguments in ([url], ["http://localhost/", "--static-prefix", url]):
        result = run("static-host", "verify", *arguments, cwd=tmp_path)
        assert (result.returncode, result.stdout) == (2, "")
        assert f"{url!r} is not the URL of a page. Give one that begins with https://" in result.stderr


def instead_of_the_page(status: int, body: bytes, **fields: str) -> Change:
    own = {name.replace("_", "-"): value for name, value in fields.items()}
    return lambda path, asked, before, answer: (status, {**answer[1], **own}, body) if path == "/" else answer


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (instead_of_the_page(302, b"", location="http://[bad"), "redirects to 'http://[bad', which is not the URL"),
        (instead_of_the_page(302, b"", location="http://localhost:99999/"), "which is not the URL of a page"),
        (instead_of_the_page(302, b"", location="ftp://localhost/"), "which is not the URL of a page"),
        (instead_of_the_page(200, bytes(9_000_000)), "is too long"),
        (
            instead_of_the_page(200, brotli.compress(bytes(100_000_000), quality=1), content_encoding="br"),
            "is too long",
        ),
        (instead_of_the_page(200, b"no", content_encoding="gzip"), "cannot be decoded as gzip"),
        (instead_of_the_page(200, b"no", content_encoding="snappy"), "cannot be decoded as snappy"),
        (instead_of_the_page(200, b"no"), "refers to no static files"),
    ],
)
def test_a_page_that_cannot_be_had_is_said_to_be_so(change: Change, found: str, tmp_path: Path) -> None:
    code, printed = verified(Deployment(PAGE, {}, change), tmp_path)
    assert code == 1
    (said, *_) = told(printed, "error")
    assert said[0] == "error page"
    assert found in said[1]


def test_a_host_that_no_name_server_can_be_asked_for_is_a_finding(tmp_path: Path) -> None:
    page = f'{PAGE}<link rel="stylesheet" href="http://a..b{NAME}">'
    code, printed = verified(Deployment(page, {NAME: CSS}), tmp_path)
    assert code == 1
    assert any(f"http://a..b{NAME}: no response: " in found for _, found, _ in told(printed, "error"))


def test_an_answer_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("static_host.verify.client.MAX_RESPONSE_SECONDS", 0.0)
    without_end = pytest.raises(NoResponseError, match="the response took longer than 0 s")
    with serve_deployment(Deployment(PAGE, {})) as deployment, Client() as client, without_end:
        client.fetch(f"{deployment.url}/")


def test_what_was_examined_takes_no_memory_for_its_bytes() -> None:
    with serve_deployment(Deployment(PAGE, {NAME: CSS})) as deployment, Client() as client:
        page = fetch_page(client, f"{deployment.url}/")
        ((file,), _) = probe_files(client, page, Scope.from_references(page.references, page.url), 50)
    answers = [answer for _, answer in file.successful_responses]
    assert len(answers) == 10
    assert all(answer.decoded_body is None and answer.decoded_digest == compute_digest(CSS) for answer in answers)
