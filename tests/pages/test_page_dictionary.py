"""Pages as a difference to the dictionary that the build makes of templates (RFC 9842)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
import zstandard
from playwright.sync_api import Browser

from tests.support.processes import Running, run, run_server
from tests.support.worker_projects import VARIABLES, build, make_project

VIEWS = """
from django.contrib import admin
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import condition

def page(request, name="world"):
    return render(request, "page.html", {"name": name})

def plain(request):
    return HttpResponse("words of a page " * 100)

def data(request):
    return JsonResponse({"numbers": list(range(1000))})

@condition(etag_func=lambda request: '"abc"')
def tagged(request):
    return page(request)

urlpatterns = [path("tagged/", tagged), path("plain/", plain), path("data/", data)]
urlpatterns += [path("", page), path("hello/<name>/", page, name="page")]
"""
BASE = """<!doctype html>
<title>{% block title %}A title{% endblock %}</title>
{# a secret of the authors #}{% comment "why" %}another one{% endcomment %}
<link rel="stylesheet" href="{% static 'site.css' %}">
""" + "".join(f"<p class='paragraph-{number}'>Text number {number} of the template</p>\n" for number in range(60))
PAGE = """{% extends "base.html" %}{% load static i18n %}
{% block title %}Hello {{ name }}{% endblock %}
{% translate "Page" %} {% url 'page' 'x' %}"""
UNUSED = "<p>nothing extends this, but it is the project's own</p>"
BROWSER = {"accept-encoding": "gzip, deflate, br, zstd, dcb, dcz", "sec-fetch-dest": "document"}


def make(directory: Path, cache: Path, base: str = BASE) -> Path:
    project = make_project(directory, cache, VIEWS)
    settings = project / "mysite/settings.py"
    settings.write_text(
        settings.read_text()
        + "\nTEMPLATES = [{'BACKEND': 'django.template.backends.django.DjangoTemplates',"
        + " 'DIRS': [__import__('pathlib').Path(__file__).parent / 'pages'],"
        + " 'OPTIONS': {'builtins': ['django.templatetags.static']}}]\n"
    )
    folder = project / "mysite/pages"
    folder.mkdir()
    (folder / "base.html").write_text(base)
    (folder / "page.html").write_text(PAGE)
    (folder / "unused.html").write_text(UNUSED)
    (folder / "mail.txt").write_text("a mail")
    build(project, cache)
    return project


def find_dictionary(project: Path) -> Path:
    (found,) = (project / "staticfiles").glob("page-dictionary.*.txt")
    return found


def name_dictionary(content: bytes) -> str:
    return f":{b64encode(sha256(content).digest()).decode()}:"


def decode(body: bytes, dictionary: bytes) -> bytes:
    assert body[:40] == bytes.fromhex("5e2a4d1820000000") + sha256(dictionary).digest()
    assert body[40:44] == b"\x50\x2a\x4d\x18"  # the padding
    body = body[48 + int.from_bytes(body[44:48], "little") :]
    data = zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return zstandard.ZstdDecompressor(dict_data=data).decompressobj().decompress(body)


def get_raw(client: httpx.Client, path: str, **fields: str) -> tuple[httpx.Headers, bytes]:
    headers = {**BROWSER, **{name.replace("_", "-"): value for name, value in fields.items()}}
    with client.stream("GET", path, headers=headers) as response:
        return response.headers, b"".join(response.iter_raw())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    return make(tmp_path_factory.mktemp("dictionary"), cache)


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def server(project: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    with run_server(cwd=project, DJANGO_INTERFACE=request.param, **VARIABLES) as running:
        yield running


@pytest.fixture
def client(server: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as opened:
        yield opened


def test_the_dictionary_is_the_literal_text_of_templates(project: Path) -> None:
    file = find_dictionary(project)
    text = file.read_text()
    assert file.name == f"page-dictionary.{sha256(file.read_bytes()).hexdigest()[:12]}.txt"
    assert text.endswith("".join(f"<p class='paragraph-{n}'>Text number {n} of the template</p>\n" for n in range(60)))
    assert re.search(
        r'<title>A title</title>\n\n<link rel="stylesheet" href="/static/site\.[0-9a-f]{12}\.css">\n', text
    )
    assert UNUSED in text
    assert not re.search("secret|another one|a mail|%|{", text)


def test_it_is_an_immutable_file_for_documents(client: httpx.Client, project: Path) -> None:
    response = client.get(f"/static/{find_dictionary(project).name}", headers={"accept-encoding": "br"})
    assert response.headers["use-as-dictionary"] == 'match="/*", match-dest=("document")'
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["content-encoding"] == "br"
    assert response.content == find_dictionary(project).read_bytes()


def test_a_document_names_the_dictionary(client: httpx.Client, project: Path) -> None:
    link = f'</static/{find_dictionary(project).name}>; rel="compression-dictionary"'
    fields, _ = get_raw(client, "/")
    assert (fields["link"], fields["content-encoding"], fields["vary"]) == (link, "zstd", "Accept-Encoding")
    fields, _ = get_raw(client, "/", available_dictionary=name_dictionary(b"another"))
    assert (fields["link"], fields["content-encoding"]) == (link, "zstd")
    assert fields["vary"] == "Available-Dictionary, Accept-Encoding"
    for path, destination in (("/data/", "document"), ("/", "empty"), ("/", "")):
        assert "link" not in get_raw(client, path, sec_fetch_dest=destination)[0]


def test_a_document_is_a_difference_to_it(client: httpx.Client, project: Path) -> None:
    dictionary = find_dictionary(project).read_bytes()
    page = client.get("/hello/you/", headers={"accept-encoding": "identity"}).content
    fields, body = get_raw(client, "/hello/you/", available_dictionary=name_dictionary(dictionary))
    assert (fields["content-encoding"], fields["vary"]) == ("dcz", "Available-Dictionary, Accept-Encoding")
    assert "link" not in fields
    assert decode(body, dictionary) == page
    assert len(page) > 3000
    assert len(body) < 280
    assert int(fields["content-length"]) == len(body)


@pytest.mark.parametrize(
    "fields",
    [
        {"accept_encoding": "br, zstd"},
        {"accept_encoding": "br, zstd, dcz;q=0"},
        {"accept_encoding": "br, zstd, dcz;q=0.9"},
        {"accept_encoding": "*"},
        {"sec_fetch_dest": "iframe"},
        {"available_dictionary": ":AAAA:"},
        {"available_dictionary": "x" * 5000},
    ],
)
def test_other_clients_get_what_they_accept(client: httpx.Client, project: Path, fields: dict[str, str]) -> None:
    known = {"available_dictionary": name_dictionary(find_dictionary(project).read_bytes())}
    assert get_raw(client, "/", **{**known, **fields})[0]["content-encoding"] in ("br", "zstd")


def test_no_data_is_a_difference(client: httpx.Client, project: Path) -> None:
    known = name_dictionary(find_dictionary(project).read_bytes())
    assert get_raw(client, "/data/", available_dictionary=known)[0]["content-encoding"] == "zstd"


def test_earlier_dictionaries_count_while_they_are_carried(tmp_path: Path, cache: Path) -> None:
    project = make(tmp_path, cache)
    before = find_dictionary(project).read_bytes()
    (project / "mysite/pages/base.html").write_text(BASE + "<p>a new paragraph</p>")
    build(project, cache, "--previous", str(project / "staticfiles"))
    files = {file.read_bytes() for file in (project / "staticfiles").glob("page-dictionary.*.txt")}
    (after,) = files - {before}
    with run_server(cwd=project, **VARIABLES) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        page = client.get("/", headers={"accept-encoding": "identity"}).content
        for known in (before, after):
            fields, body = get_raw(client, "/", available_dictionary=name_dictionary(known))
            assert decode(body, known) == page
            name = f"page-dictionary.{sha256(after).hexdigest()[:12]}.txt"
            assert fields.get("link", "") == (
                "" if known is after else f'</static/{name}>; rel="compression-dictionary"'
            )


def test_a_reload_takes_the_new_dictionary(tmp_path: Path, cache: Path) -> None:
    project = make(tmp_path, cache)
    with run_server(cwd=project, **VARIABLES) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        first = get_raw(client, "/")[0]["link"]
        (project / "mysite/pages/base.html").write_text(BASE + "<p>a new paragraph</p>")
        build(project, cache)
        server.process.send_signal(1)
        server.wait_for(": release ")
        second = get_raw(client, "/")[0]["link"]
        assert first != second
        assert find_dictionary(project).name in second


def test_a_second_build_changes_nothing_and_a_template_does(tmp_path: Path, cache: Path) -> None:
    project = make(tmp_path, cache)
    tree = (project / "staticfiles").resolve()
    build(project, cache)
    assert (project / "staticfiles").resolve() == tree
    (project / "mysite/pages/unused.html").write_text(UNUSED + "!")
    build(project, cache)
    assert (project / "staticfiles").resolve() != tree


def test_the_variable_limits_it_and_turns_it_off(tmp_path: Path, cache: Path) -> None:
    project = make(tmp_path, cache)
    for limit, length in (("5000", len(BASE)), ("0", 0)):
        variables = {**VARIABLES, "DJANGO_PAGE_DICTIONARY": limit, "DJANGO_STATIC_CACHE": str(cache)}
        assert run("static-host", "build", cwd=project, **variables).returncode == 0
        found = [file.stat().st_size for file in (project / "staticfiles").glob("page-dictionary.*.txt")]
        assert bool(found) is bool(length)
        assert all(size <= int(limit) for size in found)
    with run_server(cwd=project, **VARIABLES) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        assert "link" not in get_raw(client, "/")[0]


def test_no_path_of_the_project_is_in_it_and_the_urlconf_is_not_imported(tmp_path: Path, cache: Path) -> None:
    project = make(tmp_path, cache, BASE + "<a href=\"{% url 'page' 'x' %}\">a link</a>")
    assert b"a link" in find_dictionary(project).read_bytes()
    assert b"hello" not in find_dictionary(project).read_bytes()
    (project / "mysite/urls.py").write_text("raise SystemExit(3)")
    done = run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **VARIABLES)
    assert (done.returncode, done.stderr) == (0, "")


def test_templates_that_cannot_be_read_leave_it_out_with_a_warning(tmp_path: Path, cache: Path) -> None:
    project = make(tmp_path, cache)
    settings = project / "mysite/settings.py"
    settings.write_text(settings.read_text() + "\nTEMPLATES[0]['OPTIONS']['loaders'] = ['nothing.like.It']\n")
    done = run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **VARIABLES)
    assert done.returncode == 0, done.stderr
    assert "there is no dictionary of pages: the templates cannot be read: " in done.stderr


def test_a_304_varies_as_the_document_does(client: httpx.Client, project: Path) -> None:
    known = name_dictionary(find_dictionary(project).read_bytes())
    fields, _ = get_raw(client, "/tagged/", available_dictionary=known)
    assert (fields["content-encoding"], fields["etag"]) == ("dcz", 'W/"abc~page"')
    not_modified, _ = get_raw(client, "/tagged/", available_dictionary=known, if_none_match=fields["etag"])
    assert (not_modified["etag"], not_modified["vary"]) == (fields["etag"], fields["vary"])


def test_chromium_gets_the_second_page_as_a_difference(project: Path, browser: Browser) -> None:
    with run_server(cwd=project, **VARIABLES) as server:
        page = browser.new_page()
        with page.expect_event("requestfinished", lambda request: "page-dictionary" in request.url):
            page.goto(f"{server.url}/")
        for name in ("one", "two", "three"):
            response = page.goto(f"{server.url}/hello/{name}/")
            assert response is not None
            assert response.header_value("content-encoding") == "dcz"
            assert response.request.sizes()["responseBodySize"] < 300
            assert page.title() == f"Hello {name}"
            assert page.locator("p").count() == 60
        page.close()
