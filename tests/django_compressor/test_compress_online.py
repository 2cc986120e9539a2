"""django-compressor in online mode, its default, and what is the same in both modes: `either` is a project in each."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from static_host.origin.index import parse_index
from tests.support.builds import read_files
from tests.support.processes import Running, run, run_server
from tests.support.projects import copy_project

VARIABLES = {"DJANGO_SETTINGS_MODULE": "shop.settings"}
CSS = r"/static/CACHE/css/output\.[0-9a-f]{12}\.css"
SCRIPT = r"/static/CACHE/js/output\.[0-9a-f]{12}\.js"
LINK = """<link rel="stylesheet" href="{% static 'css/shop.css' %}">"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The project "compressed" with django-compressor as it is unless it is configured."""
    project = copy_project("compressed", tmp_path)
    path = project / "shop/settings.py"
    text = path.read_text().replace("COMPRESS_ENABLED = True\nCOMPRESS_OFFLINE = True\n", "")
    path.write_text(text)
    assert "COMPRESS_" not in text
    return project


@pytest.fixture(params=["online", "offline"])
def either(shop: Path, request: pytest.FixtureRequest) -> Path:
    """The same in each of the two modes."""
    configure(shop, f"COMPRESS_OFFLINE = {request.param == 'offline'}", "COMPRESS_ENABLED = True")
    return shop


def configure(project: Path, *lines: str) -> None:
    path = project / "shop/settings.py"
    path.write_text("\n".join([path.read_text(), *lines, ""]))


def template(project: Path, text: str, name: str = "shop.html") -> None:
    path = project / "shop/templates" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{% load static compress %}" + text if not text.startswith("{% extends") else text)


def built(project: Path, cache: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **{**VARIABLES, **variables})


@contextmanager
def opened(project: Path, path: str = "/", **variables: str) -> Iterator[tuple[Running, str]]:
    """Give a server and its page; nothing in the tree may be another than before."""
    before = read_files((project / "static").resolve())
    with run_server(cwd=project, **{**VARIABLES, **variables}) as running:
        page = httpx.get(running.url + path)
        assert page.status_code == 200, running.output
        yield running, page.text
    assert read_files((project / "static").resolve()) == before


def found(running: Running, pattern: str, page: str) -> httpx.Response:
    """Return the answer for the one URL in the page that the pattern finds."""
    (path,) = re.findall(pattern, page)
    answer = httpx.get(running.url + path)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    return answer


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("host", ["", "https://cdn.example.com/assets"])
def test_its_files_are_in_the_tree_and_pages_name_them(shop: Path, cache: Path, host: str, workers: str) -> None:
    variables = {"DJANGO_STATIC_HOST": host, "WEB_CONCURRENCY": workers}
    result = built(shop, cache, **variables)
    assert (result.returncode, result.stderr) == (0, "")
    with opened(shop, **variables) as (running, page):
        assert re.search(rf'href="{host}{CSS}"', page)
        assert re.search(rf'src="{host}{SCRIPT}"', page)
        text = found(running, CSS, page).text
        assert re.search(rf"url\(.?{host}/static/fonts/shop\.[0-9a-f]{{12}}\.woff2", text)
        assert "function total" in found(running, SCRIPT, page).text
        assert httpx.get(f"{running.url}/static/CACHE/manifest.json").status_code == 404
        assert "static-host: " in running.output
        assert "no such block" not in running.output
    index = parse_index((shop / "static/static-host.index").read_bytes())
    assert sum(name.startswith("CACHE/") for name in index) == 2
    checked = run("static-host", "check", cwd=shop, **VARIABLES, **variables)
    assert "django-compressor" not in checked.stdout


def test_two_builds_give_the_same_release(shop: Path, cache: Path) -> None:
    assert built(shop, cache).returncode == 0
    before = read_files((shop / "static").resolve())
    assert built(shop, cache).returncode == 0
    assert read_files((shop / "static").resolve()) == before


PER_REQUEST = {
    "{% if user.is_staff %}" + LINK + "{% endif %}": "it uses user",
    "{{ request.path }}": "it uses request.path",
    """<link rel="stylesheet" href="{% static theme %}">""": "it uses theme",
    "<style>a { content: '{{ csrf_token }}' }</style>": "it uses request.META",
    "{% if user.is_staff and request.path %}{% endif %}": "it uses user",
    "{% for sheet in sheets %}{{ sheet }}{% endfor %}": "it uses sheets",
    "{% load shop %}{% count_sessions %}": "it queries the database",
    """<link rel="stylesheet" href="/static/css/absent.css">""": "'css/absent.css' could not be found",
    """<link rel="stylesheet" href="https://example.com/x.css">""": "'https://example.com/x.css' isn't accessible",
}


@pytest.mark.parametrize("content", PER_REQUEST)
def test_a_block_that_needs_a_request_is_an_error_with_file_and_line(either: Path, cache: Path, content: str) -> None:
    configure(
        either,
        "TEMPLATES[0]['OPTIONS'] = {'context_processors': [",
        "    'django.template.context_processors.request',",
        "    'django.template.context_processors.csrf',",
        "    'django.contrib.auth.context_processors.auth',",
        "]}",
        "INSTALLED_APPS += ['shop', 'django.contrib.auth', 'django.contrib.contenttypes', 'django.contrib.sessions']",
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': BASE_DIR / 'db.sqlite3'}}",
    )
    tags = either / "shop/templatetags/shop.py"
    tags.parent.mkdir()
    tags.write_text(
        "from django import template\n"
        "from django.contrib.sessions.models import Session\n"
        "register = template.Library()\n"
        "@register.simple_tag\n"
        "def count_sessions():\n"
        "    return Session.objects.count()\n"
    )
    template(
        either, "\n\n{% compress css %}" + content + "{% endcompress %}\n{% compress css %}{{ other }}{% endcompress %}"
    )
    result = built(either, cache)
    assert result.returncode == 5
    *_, first, one, two, remedy = result.stderr.splitlines()
    assert first == "static-host: django-compressor cannot compress these blocks in a build:"
    assert one.startswith(f"  shop/templates/shop.html, line 3: {PER_REQUEST[content]}")
    assert two == "  shop/templates/shop.html, line 4: it uses other"
    assert "COMPRESS_OFFLINE_CONTEXT" in remedy
    assert not (either / "static").exists()
    assert not (either / "db.sqlite3").exists()


def test_an_exception_of_the_project_s_own_is_told_with_its_traceback(either: Path, cache: Path) -> None:
    configure(either, "INSTALLED_APPS += ['shop']")
    tags = either / "shop/templatetags/shop.py"
    tags.parent.mkdir()
    tags.write_text(
        "from django import template\n"
        "register = template.Library()\n"
        "@register.simple_tag\n"
        "def sheet():\n"
        "    raise RuntimeError('no sheet today')\n"
    )
    template(either, "{% load shop %}{% compress css %}{% sheet %}{% endcompress %}")
    result = built(either, cache)
    assert result.returncode == 5
    assert "  shop/templates/shop.html, line 1: RuntimeError: no sheet today\n" in result.stderr
    assert "    raise RuntimeError('no sheet today')\n" in result.stderr


def test_what_a_request_would_give_can_be_given_to_the_build(either: Path, cache: Path) -> None:
    configure(either, "COMPRESS_OFFLINE_CONTEXT = [{'dark': False}, {'dark': True}]")
    template(
        either,
        "{% compress css %}" + LINK + "{% if dark %}<style>p { color: #eee }</style>{% endif %}{% endcompress %}",
    )
    (either / "shop/urls.py").write_text(
        "from django.shortcuts import render\n"
        "from django.urls import path\n"
        "def page(request):\n"
        "    return render(request, 'shop.html', {'dark': 'dark' in request.GET})\n"
        "urlpatterns = [path('', page)]\n"
    )
    assert built(either, cache).returncode == 0
    for query, is_dark in (("/", False), ("/?dark", True)):
        with opened(either, query) as (running, page):
            assert ("#eee" in found(running, CSS, page).text) == is_dark


NO_REQUEST = {
    "a context processor": "{% compress css %}" + LINK + "<style>p { color: {{ colour }} }</style>{% endcompress %}",
    "a name of a tag around it": (
        "{% with colour='#0f0' %}{% compress css %}<style>p { color: {{ colour }} }</style>"
        "{% endcompress %}{% endwith %}"
    ),
    "a name of a tag before it": (
        "{% static 'css/shop.css' as sheet %}{% if never %}{% compress css %}"
        """<link rel="stylesheet" href="{{ sheet }}"><style>p { color: #0f0 }</style>{% endcompress %}{% endif %}"""
        "{% compress css %}"
        """<link rel="stylesheet" href="{{ sheet }}"><style>p { color: #0f0 }</style>{% endcompress %}"""
    ),
    "STATIC_URL": (
        """{% compress css %}<link rel="stylesheet" href="{{ STATIC_URL }}css/shop.css">"""
        "<style>p { color: #0f0 }</style>{% endcompress %}"
    ),
    "debug": "{% compress css %}{% if debug %}x{% endif %}<style>p { color: #0f0 }</style>{% endcompress %}",
    "a page that extends": "{% extends 'base.html' %}{% block sheet %}<style>p{color:#0f0}</style>{% endblock %}",
    "a page that includes": "{% include 'head.html' with colour='#0f0' %}",
    "a loop around it": (
        "{% for a, colour in pairs reversed %}"
        "{% compress css %}<style>p { color: {{ colour }}; order: {{ forloop.counter }} }</style>{% endcompress %}"
        "{% empty %}{{ request.path }}{% endfor %}"
    ),
    "an inclusion tag": "{% load shop %}{% sheet_in '#0f0' %}",
    "a name": "{% compress css file basket %}<style>p { color: #0f0 }</style>{% endcompress %}",
}


@pytest.mark.parametrize("case", NO_REQUEST)
def test_what_needs_no_request_is_rendered(either: Path, cache: Path, case: str) -> None:
    configure(
        either,
        "TEMPLATES[0]['OPTIONS'] = {'context_processors': [",
        "    'django.template.context_processors.static', 'django.template.context_processors.debug',",
        "    'shop.more.colours', 'shop.more.never',",
        "]}",
        "INSTALLED_APPS += ['shop']",
    )
    tags = either / "shop/templatetags/shop.py"
    tags.parent.mkdir()
    tags.write_text(
        "from django import template\n"
        "register = template.Library()\n"
        "@register.inclusion_tag('tag.html')\n"
        "def sheet_in(colour):\n"
        "    return {'tagged': colour}\n"
    )
    (either / "shop/more.py").write_text(
        "def colours(request):\n    return {'colour': '#0f0', 'pairs': [('a', '#0f0')]}\n"
        "def never(request):\n    return {'path': request.path}\n"
    )
    template(
        either,
        "{% compress css %}{% block sheet %}<style>p { color: #f00 }</style>{% endblock %}{% endcompress %}",
        "base.html",
    )
    template(either, "{% compress css %}<style>p { color: {{ colour }} }</style>{% endcompress %}", "head.html")
    if "sheet_in" in NO_REQUEST[case]:
        template(either, "{% compress css %}<style>p { color: {{ tagged }} }</style>{% endcompress %}", "tag.html")
    template(either, NO_REQUEST[case])
    result = built(either, cache)
    assert (result.returncode, result.stderr) == (0, "")
    with opened(either) as (running, page):
        assert "#0f0" in found(running, CSS.replace("output", "[a-z]+"), page).text
        assert "no such block" not in running.output


def test_a_loop_s_blocks_are_all_rendered_and_an_unknown_one_s_is_an_error(either: Path, cache: Path) -> None:
    sheet = "{% compress css %}<style>p { order: {{ order }} }</style>{% endcompress %}"
    block = "{% for order in ORDERS %}" + sheet + "{% endfor %}"
    template(either, block.replace("ORDERS", "'12'"))
    assert built(either, cache).returncode == 0
    with opened(either) as (running, page):
        orders = [httpx.get(running.url + path).text.strip() for path in re.findall(CSS, page)]
    assert orders == ["p{order:1}", "p{order:2}"]
    template(either, block.replace("ORDERS", "user.orders"))
    result = built(either, cache)
    assert result.returncode == 5
    assert "  shop/templates/shop.html, line 1: it uses order\n" in result.stderr


def test_a_block_that_no_request_would_mend_has_another_remedy(either: Path, cache: Path) -> None:
    template(either, """{% compress css %}<link rel="stylesheet" href="https://example.com/x.css">{% endcompress %}""")
    result = built(either, cache)
    assert result.returncode == 5
    assert result.stderr.endswith(
        "\nCorrect the names in the block, or remove them from it; or set COMPRESS_ENABLED = False.\n"
    )


def test_a_template_s_own_block_may_need_what_those_that_include_it_give(either: Path, cache: Path) -> None:
    template(either, "{% compress css %}<style>p { color: {{ tint }} }</style>{% endcompress %}", "head.html")
    template(either, "{% include 'head.html' with tint='#0f0' %}")
    assert built(either, cache).returncode == 0
    template(either, "{% include 'head.html' %}", "other.html")
    result = built(either, cache)
    assert result.returncode == 5
    assert "  shop/templates/head.html, line 1 (in shop/templates/other.html): it uses tint\n" in result.stderr


def test_inline_blocks_and_preloads_are_rendered_too(either: Path, cache: Path) -> None:
    block = "{% compress css MODE %}" + LINK + "{% endcompress %}"
    template(either, "".join(block.replace("MODE", mode) for mode in ("inline", "preload", "file")))
    assert built(either, cache).returncode == 0
    with opened(either) as (_, page):
        assert re.search(r"<style[^>]*>\.basket\{", page)
        assert re.search(rf'<link rel="preload" href="{CSS}" as="style"', page)
        assert re.search(rf'<link rel="stylesheet" href="{CSS}"', page)


PLACES = {
    "COMPRESS_ROOT = STATIC_ROOT\nCOMPRESS_URL = STATIC_URL": "",
    "COMPRESS_ROOT = str(STATIC_ROOT)": "",
    "COMPRESS_ROOT = BASE_DIR / 'shop/static'": "",
    "COMPRESS_ROOT = BASE_DIR / 'shop/static'\nSTATIC_ROOT = None": "",
    "COMPRESS_OUTPUT_DIR = 'made/here'": "",
    "COMPRESS_STORAGE = 'compressor.storage.GzipCompressorFileStorage'": "",
    "COMPRESS_STORAGE = 'django.contrib.staticfiles.storage.StaticFilesStorage'": "",
    "STORAGES = {'compressor': {'BACKEND': 'compressor.storage.CompressorFileStorage', "
    "'OPTIONS': {'location': '/nowhere', 'base_url': '/x/'}}}": "",
    "COMPRESS_STORAGE = 'shop.storage.Elsewhere'": "",
    "COMPRESS_CSS_HASHING_METHOD = 'mtime'": "",
    "COMPRESS_FILTERS = {'css': ['compressor.filters.css_default.CssRelativeFilter'], 'js': []}": "",
    "CACHES = {'default': {'BACKEND': 'django.core.cache.backends.redis.RedisCache', "
    "'LOCATION': 'redis://no-such-cache.invalid'}}": "",
    "COMPRESS_DEBUG_TOGGLE = 'nocompress'": "",
    "STORAGES = {'staticfiles': {'BACKEND': 'django.contrib.staticfiles.storage.ManifestStaticFilesStorage'}}": "",
    "COMPRESS_ENABLED = True\nDEBUG = True": "",
    "FORCE_SCRIPT_NAME = '/shop'\nSTATIC_URL = 'static/'\nCOMPRESS_URL = STATIC_URL": "/shop",
}


@pytest.mark.parametrize("lines", PLACES)
def test_settings_that_say_where_and_how(shop: Path, cache: Path, lines: str) -> None:
    configure(shop, *lines.splitlines())
    (shop / "shop/storage.py").write_text(
        "from compressor.storage import CompressorFileStorage\n"
        "class Elsewhere(CompressorFileStorage):\n"
        "    def __init__(self, *args, **kwargs):\n"
        "        super().__init__(location='/tmp/static-host-tests-compressed')\n"
    )
    sources = read_files(shop / "shop/static")
    root = "" if "None" not in lines else "static"
    variables = {"DJANGO_STATIC_ROOT": root} if root else {}
    for _ in range(2):
        result = built(shop, cache, **variables)
        assert (result.returncode, result.stderr) == (0, "")
    assert read_files(shop / "shop/static") == sources
    with opened(shop, **variables) as (running, page):
        place = "made/here" if "made" in lines else "CACHE"
        css = found(running, CSS.replace("CACHE", place), page)
        assert ".basket" in css.text
        (font,) = re.findall(r"url\(.?([^)'\"]+)", css.text)
        assert httpx.get(httpx.URL(str(css.url)).join(font)).text == "wOF2 not really a font"


def test_a_url_of_somewhere_else_is_left_alone_with_a_warning(shop: Path, cache: Path) -> None:
    configure(shop, "COMPRESS_URL = 'https://bucket.example.com/'", "COMPRESS_ROOT = BASE_DIR / 'bucket'")
    result = built(shop, cache)
    assert result.returncode == 0
    assert "COMPRESS_URL = 'https://bucket.example.com/' is not below STATIC_URL" in result.stderr
    assert not (shop / "bucket").exists()


@pytest.mark.parametrize("enabled", [True, False])
def test_what_a_precompiler_makes_is_in_the_tree(shop: Path, cache: Path, enabled: bool) -> None:
    (shop / "upper.py").write_text("import sys\nprint(open(sys.argv[1]).read().replace('ink', '#123456'))\n")
    configure(
        shop,
        "import sys",
        f"COMPRESS_ENABLED = {enabled}",
        "COMPRESS_PRECOMPILERS = (('text/x-ink', f'{sys.executable} {BASE_DIR}/upper.py {{infile}}'),)",
    )
    (shop / "shop/static/css/own.ink").write_text("p { color: ink }")
    sheet = """<link rel="stylesheet" type="text/x-ink" href="{% static 'css/own.ink' %}">"""
    template(shop, "{% compress css %}" + sheet + LINK + "{% endcompress %}")
    result = built(shop, cache)
    assert (result.returncode, result.stderr) == (0, "")
    (shop / "upper.py").unlink()
    with opened(shop) as (running, page):
        name = "output" if enabled else "own"
        assert "#123456" in found(running, CSS.replace("output", rf"{name}(?:\.[0-9a-f]{{12}})?"), page).text


def test_jinja_s_blocks_are_rendered(either: Path, cache: Path) -> None:
    configure(
        either,
        "TEMPLATES.insert(0, {",
        "    'BACKEND': 'django.template.backends.jinja2.Jinja2',",
        "    'DIRS': [BASE_DIR / 'shop/jinja2'],",
        "    'OPTIONS': {'environment': 'shop.more.environment'},",
        "})",
    )
    (either / "shop/more.py").write_text(
        "from django.templatetags.static import static\n"
        "from jinja2 import Environment\n"
        "def environment(**options):\n"
        "    environment = Environment(**options, extensions=['compressor.contrib.jinja2ext.CompressorExtension'])\n"
        "    environment.globals['static'] = static\n"
        "    return environment\n"
    )
    path = either / "shop/jinja2/shop.html"
    path.parent.mkdir()
    text = (
        "{% set sheet = static('css/shop.css') %}{% block all %}\n"
        "{% compress css %}<link rel='stylesheet' href='{{ sheet }}'>{% endcompress %}{% endblock %}"
    )
    path.write_text(text)
    result = built(either, cache)
    assert (result.returncode, result.stderr) == (0, "")
    with opened(either) as (running, page):
        assert ".basket" in found(running, CSS, page).text
    path.write_text(text.replace("{{ sheet }}", "{{ theme }}"))
    result = built(either, cache)
    assert result.returncode == 5
    assert "  shop/jinja2/shop.html, line 2: it uses theme\n" in result.stderr
    (either / "shop/templates/shop.html").rename(either / "shop/templates/other.html")
    configure(either, "COMPRESS_OFFLINE_CONTEXT = {'theme': '/static/css/shop.css'}")
    assert built(either, cache).returncode == 0
    rendered = json.loads((either / "static/CACHE/manifest.json").read_text())
    assert len(set(rendered.values())) == 3


def test_a_block_that_the_build_did_not_render_is_sent_as_it_is_written(either: Path, cache: Path) -> None:
    (either / "page.txt").write_text("{% load static compress %}{% compress css %}" + LINK + "{% endcompress %}")
    (either / "shop/urls.py").write_text(
        "from pathlib import Path\n"
        "from django.http import HttpResponse\n"
        "from django.template import engines\n"
        "from django.urls import path\n"
        "def page(request):\n"
        "    template = engines['django'].from_string(Path('page.txt').read_text())\n"
        "    return HttpResponse(template.render({}, request))\n"
        "urlpatterns = [path('', page)]\n"
    )
    assert built(either, cache).returncode == 0
    with opened(either) as (running, page):
        assert ".basket" in found(running, r"/static/css/shop\.[0-9a-f]{12}\.css", page).text
        assert httpx.get(running.url).text == page
        assert running.output.count("the build has no such block, it is sent as it is written: <link") == 1


def test_every_language_of_the_project_has_its_own(either: Path, cache: Path) -> None:
    configure(
        either,
        "USE_I18N = True",
        "LANGUAGES = [('en', 'English'), ('de', 'German')]",
        "MIDDLEWARE = ['django.middleware.locale.LocaleMiddleware']",
    )
    template(either, "{% load i18n %}{% compress js %}<script>say('{% trans 'Yes' %}')</script>{% endcompress %}")
    assert built(either, cache).returncode == 0
    with opened(either) as (running, page):
        german = httpx.get(running.url, headers={"accept-language": "de"}).text
        assert "say('Yes')" in found(running, SCRIPT, page).text
        assert "say('Ja')" in found(running, SCRIPT, german).text


def test_a_tree_that_was_built_without_it_is_told_of(shop: Path, cache: Path) -> None:
    configure(shop, "import os", "COMPRESS_ENABLED = 'WITHOUT' not in os.environ")
    assert built(shop, cache, WITHOUT="yes").returncode == 0
    with opened(shop) as (running, page):
        assert ".basket" in found(running, r"/static/css/shop\.[0-9a-f]{12}\.css", page).text
        assert "the tree has no files of django-compressor: its blocks are sent as they are written" in running.output
    assert "django-compressor" in run("static-host", "check", cwd=shop, **VARIABLES).stdout
    assert built(shop, cache).returncode == 0
    assert "django-compressor" not in run("static-host", "check", cwd=shop, **VARIABLES).stdout


@pytest.mark.parametrize("mode", ["COMPRESS_OFFLINE = True", "COMPRESS_OFFLINE = False"])
def test_a_reference_in_its_output_that_leads_nowhere_is_reported(shop: Path, cache: Path, mode: str) -> None:
    configure(shop, mode)
    sheet = "<style>\na { color: red }\nb { background: url(img/absent.png) }</style>"
    template(shop, "{% compress css %}" + LINK + sheet + "{% endcompress %}")
    result = built(shop, cache)
    assert result.returncode == 5
    first, line, _ = result.stderr.splitlines()
    assert first == "static-host: references that do not resolve:"
    assert re.fullmatch(r"  CACHE/css/output\.[0-9a-f]{12}\.css, line \d: img/absent\.png does not exist\.", line)
    warned = built(shop, cache, DJANGO_STATIC_MISSING_REFERENCES="warn")
    assert warned.returncode == 0
    assert re.search(r"static-host: CACHE/css/output\.\w+\.css, line \d: img/absent\.png does not exist", warned.stderr)


def test_a_reference_of_a_source_s_that_leads_nowhere_is_reported_once(shop: Path, cache: Path) -> None:
    with (shop / "shop/static/css/shop.css").open("a") as sheet:
        sheet.write("b { background: url('../img/absent.png') }\n")
    result = built(shop, cache, DJANGO_STATIC_MISSING_REFERENCES="warn")
    assert result.returncode == 0
    assert result.stderr == "static-host: css/shop.css, line 4: ../img/absent.png does not exist.\n"


def test_a_filter_that_misses_a_file_says_so_without_a_traceback(shop: Path, cache: Path) -> None:
    configure(
        shop,
        "COMPRESS_FILTERS = {'css': ['compressor.filters.css_default.CssAbsoluteFilter', "
        "'compressor.filters.datauri.CssDataUriFilter'], 'js': []}",
    )
    with (shop / "shop/static/css/shop.css").open("a") as sheet:
        sheet.write("b { background: url('../img/absent.png') }\n")
    result = built(shop, cache, DJANGO_STATIC_MISSING_REFERENCES="warn")
    assert result.returncode == 5
    assert "  shop/templates/shop.html, line 3: FileNotFoundError: " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
@pytest.mark.parametrize("mode", [True, False])
def test_a_tree_serves_the_other_mode_and_a_project_that_renders_by_itself(
    shop: Path, cache: Path, mode: bool, interface: str
) -> None:
    configure(
        shop,
        "import os",
        "COMPRESS_OFFLINE = os.environ['OFFLINE'] == 'True'",
        "COMPRESS_OFFLINE_MANIFEST = 'blocks.json'",
    )
    template(
        shop,
        "{% static 'css/shop.css' as sheet %}{% for n in 'ab' %}{% compress css %}"
        "<link rel='stylesheet' href='{{ sheet }}'><style>.{{ n }}{color:red}</style>{% endcompress %}{% endfor %}",
    )
    result = built(shop, cache, OFFLINE=str(mode))
    assert (result.returncode, result.stderr) == (0, "")
    pages = []
    for offline in (mode, not mode):
        with opened(shop, OFFLINE=str(offline), DJANGO_INTERFACE=interface) as (running, page):
            assert [httpx.get(running.url + path).status_code for path in re.findall(CSS, page)] == [200, 200]
            assert "no such block" not in running.output
            pages.append(page)
        assert "compressor" not in run("static-host", "check", cwd=shop, OFFLINE=str(offline), **VARIABLES).stdout
    assert pages[0] == pages[1]
    code = (
        "import django; django.setup(); from django.template.loader import render_to_string as r; print(r('shop.html'))"
    )
    alone = run("python", "-c", code, cwd=shop, OFFLINE="True", **VARIABLES)
    assert (alone.returncode, alone.stdout.strip()) == (0, pages[0].strip()), alone.stderr


def test_a_package_s_block_that_cannot_be_rendered_is_a_warning(either: Path, cache: Path) -> None:
    configure(either, "import sys", "sys.path.append(str(BASE_DIR / 'site-packages'))", "INSTALLED_APPS += ['pack']")
    package = either / "site-packages/pack"
    (package / "templates").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "templates/syntax.html").write_text("{% load absent %}{% compress css %}")
    (package / "templates/pack.html").write_text(
        "{% load compress %}{% compress css %}<style>{{ request.path }}</style>{% endcompress %}"
    )
    result = built(either, cache)
    assert result.returncode == 0
    assert result.stderr == (
        "static-host: django-compressor: site-packages/pack/templates/pack.html, line 1: it uses request. "
        "This block is sent uncompressed\n"
    )


GIVEN = {
    "'shop.more.contexts'": None,
    "[{'order': 1}, {'order': 2}]": None,
    "'shop.more.absent'": "'shop.more.absent': shop.more has no function absent. ",
    "'shop.absent.contexts'": "'shop.absent.contexts': No module named 'shop.absent'. ",
    "[1]": "[1] gives no dicts: ",
}


@pytest.mark.parametrize("given", GIVEN)
def test_contexts_may_come_from_a_function_that_asks_a_database(either: Path, cache: Path, given: str) -> None:
    configure(
        either,
        f"COMPRESS_OFFLINE_CONTEXT = {given}",
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}",
    )
    (either / "shop/more.py").write_text(
        "from django.db import connection\n"
        "def contexts():\n"
        "    with connection.cursor() as cursor:\n"
        "        yield {'order': cursor.execute('SELECT 1').fetchone()[0]}\n"
        "    yield {'order': 2}\n"
    )
    template(either, "{% compress css %}<style>p { order: {{ order }} }</style>{% endcompress %}")
    result = built(either, cache)
    if problem := GIVEN[given]:
        assert result.returncode == 5
        assert result.stderr.startswith(f"static-host: COMPRESS_OFFLINE_CONTEXT = {problem}")
        assert "dotted path of a function" in result.stderr
        assert "Traceback" not in result.stderr
    else:
        assert (result.returncode, result.stderr) == (0, "")
        texts = {path.read_text().strip() for path in (either / "static/CACHE/css").glob("*.css")}
        assert texts == {"p{order:1}", "p{order:2}"}


ORDER = "{% compress css %}<style>p{order:{{ n }}}</style>{% endcompress %}"
JINJA = {
    "{% for k in [1, 2] %}{% set n = k * 2 %}" + ORDER + "{% endfor %}": 2,
    "{% with n=1 %}{% if x %}" + ORDER + "{% endif %}{% endwith %}": 1,
    "{% set t = user.name %}" + ORDER.replace("{{ n }}", "1"): 1,
    "{% for n in user.all %}" + ORDER + "{% endfor %}": "n",
    "{% set n = user.name %}" + ORDER: "user",
}


@pytest.mark.parametrize("text", JINJA)
def test_jinja_s_blocks_have_what_is_set_around_them(either: Path, cache: Path, text: str) -> None:
    configure(
        either,
        "from importlib import import_module",
        "COMPRESS_JINJA2_GET_ENVIRONMENT = lambda: import_module('shop.more').environment",
    )
    (either / "shop/more.py").write_text(
        "from jinja2 import DictLoader, Environment\n"
        "extensions = ['compressor.contrib.jinja2ext.CompressorExtension']\n"
        f"environment = Environment(loader=DictLoader({{'page.html': {text!r}}}), extensions=extensions)\n"
    )
    template(either, "")
    result = built(either, cache)
    expected = JINJA[text]
    if isinstance(expected, int):
        assert (result.returncode, result.stderr) == (0, "")
        assert len(list((either / "static/CACHE/css").glob("*.css"))) == expected
    else:
        assert result.returncode == 5
        assert f"  page.html, line 1: it uses {expected}\n" in result.stderr
