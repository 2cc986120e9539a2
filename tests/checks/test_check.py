"""``static-host check``: each finding provoked once and absent once, on real projects; the table, and the document."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import django
import httpx
import pytest

from static_host.findings import Finding, format_findings
from static_host.origin.index import INDEX_FILE_NAME, dump_index, parse_index
from tests.support.builds import Build, append_settings
from tests.support.certificates import Authority
from tests.support.processes import SCRIPTS, make_environment, run, run_server
from tests.support.projects import SETTINGS, copy_project

SECURITY = "MIDDLEWARE = ['django.middleware.security.SecurityMiddleware', *MIDDLEWARE]"
REDIRECT = f"SECURE_SSL_REDIRECT = True\n{SECURITY}"
PROTO = "SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https')"
WHITENOISE = "MIDDLEWARE = ['whitenoise.middleware.WhiteNoiseMiddleware', *MIDDLEWARE]"
CDN = {"DJANGO_STATIC_HOST": "https://cdn.example.com"}
INTERPRETER = f"Python {platform.python_version()}, Django {django.get_version()}, {sys.executable}"
LOADED = f"Django project mysite.settings in 10 threads, {INTERPRETER}"
IN_ORDER = """
ok settings: all environment variables are understood
ok debug: DEBUG = False
ok allowed-hosts: ALLOWED_HOSTS = ['testserver', 'localhost', '127.0.0.1']
"""


@pytest.fixture
def project(tmp_path: Path, plain: Path) -> Path:
    """A copy of "plain" with its tree, under a link as a build leaves it."""
    project = copy_project("plain", tmp_path)
    shutil.copytree(plain / "staticfiles", project / ".releases/one")
    (project / "staticfiles").symlink_to(".releases/one")
    return project


def check(project: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run("static-host", "check", *options, cwd=project, **{**SETTINGS, **variables})


def document(project: Path, **variables: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and what ``--json`` prints."""
    result = check(project, "--json", **variables)
    return result.returncode, json.loads(result.stdout)


def told(project: Path, *names: str, **variables: str) -> str:
    """Return the findings of these names, each as ``level name: found -> remedy``, as one text."""
    _, printed = document(project, **variables)
    return told_by([finding for finding in printed["findings"] if finding["check"] in names])


def told_by(findings: list[dict[str, str]]) -> str:
    texts = (f"{f['level']} {f['check']}: {f['found']} {'->' * bool(f['remedy'])} {f['remedy']}" for f in findings)
    return one_line(" ".join(texts))


def one_line(text: str) -> str:
    return " ".join(text.split())


def reindex(project: Path, manifest: dict[str, Any] | None) -> None:
    """Put another manifest of Django's into the tree, or none, with an index that knows it."""
    tree = project / "staticfiles"
    index = parse_index((tree / INDEX_FILE_NAME).read_bytes())
    data = json.dumps(manifest).encode()
    (tree / "staticfiles.json").unlink()
    if manifest is not None:
        (tree / "staticfiles.json").write_bytes(data)
    (tree / INDEX_FILE_NAME).write_bytes(
        dump_index(index.prefix, index, ("staticfiles.json", data) if manifest is not None else None)
    )


def test_a_project_in_order(project: Path) -> None:
    append_settings(
        project, "SILENCED_SYSTEM_CHECKS = ['security.W001', 'security.W002', 'security.W003', 'security.W009']"
    )
    result = check(project)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1:] == [
        "ok       settings          all environment variables are understood",
        "ok       debug             DEBUG = False",
        "ok       allowed-hosts     ALLOWED_HOSTS = ['testserver', 'localhost', '127.0.0.1']",
        f"ok       project           {LOADED}",
        "ok       tree              19 static resources of staticfiles at /static/",
        "ok       manifest          all 9 names of Django's manifest are in the tree",
        "ok       django            Django's system checks find no error",
        "ok       tree              25 files of 19 resources decode to their sources",
    ]
    _, printed = document(project)
    assert printed["ok"] is True
    assert printed["findings"][1] == {
        "level": "ok",
        "check": "settings",
        "found": "all environment variables are understood",
        "remedy": "",
    }


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            "DEBUG = True",
            """warning debug: DEBUG = True: error pages show the project's code, its settings and the request to every
            visitor -> Set DEBUG = False wherever others than developers can reach the site.
            ok allowed-hosts: ALLOWED_HOSTS = ['testserver', 'localhost', '127.0.0.1']""",
        ),
        (
            "ALLOWED_HOSTS = []",
            """error allowed-hosts: ALLOWED_HOSTS = [] with DEBUG = False: Django answers every request with 400
            -> Set ALLOWED_HOSTS to the host names of the site; health checks at /healthz need none.
            ok debug: DEBUG = False""",
        ),
        (
            "ALLOWED_HOSTS = []\nDEBUG = True",
            """warning debug: DEBUG = True: error pages show the project's code, its settings and the request to every
            visitor -> Set DEBUG = False wherever others than developers can reach the site.
            warning allowed-hosts: ALLOWED_HOSTS = []: Django answers every request with 400, except to localhost with
            DEBUG = True -> Set ALLOWED_HOSTS to the host names of the site; health checks at /healthz need none.""",
        ),
        (
            "ALLOWED_HOSTS = ['*']",
            """warning allowed-hosts: ALLOWED_HOSTS = ['*']: Django's links, also those in its mails, name any host
            that a client sends
            -> Set ALLOWED_HOSTS to the host names of the site; health checks at /healthz need none.
            ok debug: DEBUG = False""",
        ),
    ],
)
def test_debug_and_hosts(project: Path, lines: str, expected: str) -> None:
    append_settings(project, lines)
    names = ("debug", "allowed-hosts", "django.security.W018", "django.security.W020")  # these two would say it again
    assert told(project, *names) == one_line(expected)
    assert check(project).returncode == expected.startswith("error")


def test_a_text_that_counts_as_true(project: Path) -> None:
    append_settings(project, "DEBUG = 'False'")
    assert told(project, "debug") == one_line(
        """warning debug: DEBUG = 'False', a str that counts as true: error pages show the project's code, its settings
        and the request to every visitor -> Set DEBUG = False wherever others than developers can reach the site."""
    )


def test_the_bundled_site_names_its_own_variables(project: Path) -> None:
    (project / "var").mkdir()
    (project / "var/static").symlink_to(project / "staticfiles")
    variables = {"DJANGO_SETTINGS_MODULE": "", "DJANGO_DEBUG": "true", "DJANGO_ALLOWED_HOSTS": "*"}
    assert told(project, "debug", "allowed-hosts", **variables) == one_line(
        """warning debug: DEBUG = True: error pages show the project's code, its settings and the request to every
        visitor
        -> Unset DJANGO_DEBUG wherever others than developers can reach the site.
        warning allowed-hosts: ALLOWED_HOSTS = ['*']: Django's links, also those in its mails, name any host that a
        client sends -> Set DJANGO_ALLOWED_HOSTS to the host names of the site; health checks at /healthz need none."""
    )


@pytest.mark.parametrize(
    ("lines", "variables", "expected"),
    [
        ("", {}, ""),
        ("SECURE_SSL_REDIRECT = True", {}, ""),  # without the middleware it does nothing, and Django's W001 says so
        (
            REDIRECT,
            {},
            """warning ssl-redirect: SECURE_SSL_REDIRECT = True, and X-Forwarded-Proto is trusted from 127.0.0.1, ::1
            only: behind a proxy at another address that ends TLS, every URL redirects to itself forever
            -> Set FORWARDED_ALLOW_IPS to the addresses or networks of the proxy.""",
        ),
        (
            REDIRECT,
            {"FORWARDED_ALLOW_IPS": "10.0.0.0/8,10.1.2.3"},
            """info proxy-ssl-header: SECURE_PROXY_SSL_HEADER is not set and not needed: the server takes the scheme
            from X-Forwarded-Proto, if 10.0.0.0/8, 10.1.2.3 sends it (FORWARDED_ALLOW_IPS)
            -> Requests through a proxy at another address are redirected forever: name all proxies.""",
        ),
        (
            "",
            {"FORWARDED_ALLOW_IPS": "10.1.2.3"},
            """info proxy-ssl-header: SECURE_PROXY_SSL_HEADER is not set and not needed: the server takes the scheme
            from X-Forwarded-Proto, if 10.1.2.3 sends it (FORWARDED_ALLOW_IPS)""",
        ),
        (
            REDIRECT,
            {"FORWARDED_ALLOW_IPS": "*", "HOST": "0.0.0.0"},
            """warning forwarded-allow-ips: FORWARDED_ALLOW_IPS=*: X-Forwarded-Proto and X-Forwarded-For are trusted
            from every client that reaches HOST=0.0.0.0; a client that bypasses the proxy can forge https and its
            address
            -> Name the addresses or networks of the proxy, or `private` for private networks; on a platform that
            does not tell them, set DJANGO_PROXY_HOPS in its place.""",
        ),
        (
            REDIRECT,
            {"FORWARDED_ALLOW_IPS": "*", "HOST": "localhost"},
            """info forwarded-allow-ips: FORWARDED_ALLOW_IPS=*: X-Forwarded-Proto and X-Forwarded-For are trusted from
            every client that reaches HOST=localhost; a client that bypasses the proxy can forge https and its address
            -> Name the addresses or networks of the proxy, or `private` for private networks; on a platform that
            does not tell them, set DJANGO_PROXY_HOPS in its place.""",
        ),
        (
            "",
            {"FORWARDED_ALLOW_IPS": "*", "HOST": "unix:/run/site.sock"},
            """info forwarded-allow-ips: FORWARDED_ALLOW_IPS=*: X-Forwarded-Proto and X-Forwarded-For are trusted from
            every client that reaches HOST=unix:/run/site.sock; a client that bypasses the proxy can forge https and its
            address
            -> Name the addresses or networks of the proxy, or `private` for private networks; on a platform that
            does not tell them, set DJANGO_PROXY_HOPS in its place.""",
        ),
        (
            REDIRECT,
            {"DJANGO_PROXY_HOPS": "2", "HOST": "0.0.0.0"},
            """info proxy-hops: DJANGO_PROXY_HOPS=2: X-Forwarded-Proto and X-Forwarded-For are trusted from every client
            that reaches HOST=0.0.0.0; a client that bypasses the proxy can forge https and its address
            -> Set FORWARDED_ALLOW_IPS, too, if the nearest proxy has a network.""",
        ),
        (
            "",
            {"FORWARDED_ALLOW_IPS": "private", "DJANGO_PROXY_HOPS": "2"},
            """info proxy-ssl-header: SECURE_PROXY_SSL_HEADER is not set and not needed: the server takes the scheme
            from X-Forwarded-Proto, if private sends it (FORWARDED_ALLOW_IPS)""",
        ),
        (
            f"{REDIRECT}\n{PROTO}",
            {"HOST": "0.0.0.0"},
            """warning proxy-ssl-header: SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https'): Django trusts
            this header from every client that reaches HOST=0.0.0.0, whatever FORWARDED_ALLOW_IPS says; a client that
            bypasses the proxy can forge https
            -> Remove it, and name the proxy in FORWARDED_ALLOW_IPS: the server then takes the scheme from
            X-Forwarded-Proto, and only from the proxy's.""",
        ),
        (
            "SECURE_PROXY_SSL_HEADER = ('HTTP_X_TLS', 'on')",
            {"HOST": "::1"},
            """info proxy-ssl-header: SECURE_PROXY_SSL_HEADER = ('HTTP_X_TLS', 'on'): Django trusts this header from
            every client that reaches HOST=::1, whatever FORWARDED_ALLOW_IPS says; a client that bypasses the proxy can
            forge https -> Let only the proxy reach the port, and let it set or remove this header in
            every request.""",
        ),
        (
            "SECURE_PROXY_SSL_HEADER = 'HTTP_X_TLS'",
            {},
            """error proxy-ssl-header: SECURE_PROXY_SSL_HEADER = 'HTTP_X_TLS' is not a pair of strings: Django answers
            every
            request with 500 -> Remove it, and name the proxy in FORWARDED_ALLOW_IPS; or set ('HTTP_X_FORWARDED_PROTO',
            'https').""",
        ),
        (
            "SECURE_PROXY_SSL_HEADER = ['X-Forwarded-Proto', 'https']",
            {},
            """warning proxy-ssl-header: SECURE_PROXY_SSL_HEADER = ['X-Forwarded-Proto', 'https'] is not a header name
            in Django's form: Django never finds it -> Remove it, and name the proxy in FORWARDED_ALLOW_IPS; or set
            ('HTTP_X_FORWARDED_PROTO', 'https').""",
        ),
    ],
)
def test_proxies(project: Path, lines: str, variables: dict[str, str], expected: str) -> None:
    append_settings(project, lines)
    names = ("ssl-redirect", "proxy-ssl-header", "proxy-hops", "forwarded-allow-ips")
    assert told(project, *names, **variables) == one_line(expected)


def test_tls_at_the_origin(project: Path, tmp_path: Path) -> None:
    append_settings(project, REDIRECT)
    authority = Authority(tmp_path)
    good, late = authority.issue("localhost"), authority.issue("localhost", days=-1)
    found = told(project, "tls", "ssl-redirect", TLS_CERTIFICATE=str(good))
    assert found.startswith("ok tls: the certificate of localhost, valid until ")
    assert "ssl-redirect" not in found, "requests over TLS are https"
    assert told(project, "tls", TLS_CERTIFICATE=str(late)) == (
        f"warning tls: TLS_CERTIFICATE={late}: clients will refuse it: certificate has expired "
        "-> Renew the certificate."
    )
    assert told(project, "tls", TLS_CERTIFICATE=f"{tmp_path}/none.pem") == (
        f"error tls: TLS_CERTIFICATE={tmp_path}/none.pem: No such file or directory. "
        "-> Set it to the path of a PEM file that this process may read."
    )


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
@pytest.mark.parametrize(
    ("lines", "trusted", "status"),
    [
        (REDIRECT, "10.0.0.1", 301),
        (REDIRECT, "127.0.0.1", 200),
        (REDIRECT, "*", 200),
        (f"{REDIRECT}\n{PROTO}", "10.0.0.1", 200),
    ],
)
def test_what_is_said_of_proxies_is_so(project: Path, interface: str, lines: str, trusted: str, status: int) -> None:
    append_settings(project, lines)
    variables = {**SETTINGS, "DJANGO_INTERFACE": interface, "FORWARDED_ALLOW_IPS": trusted}
    with run_server(cwd=project, **variables) as running:
        answer = httpx.get(f"{running.url}/echo/", headers={"x-forwarded-proto": "https"})
        assert answer.status_code == status
        assert answer.headers.get("location") == (f"https://127.0.0.1:{running.port}/echo/" if status == 301 else None)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("MEDIA_ROOT = BASE_DIR / 'media'", ""),
        (
            "MEDIA_ROOT = str(BASE_DIR)",
            """warning static-root: the static root {project}/staticfiles lies in MEDIA_ROOT = '{project}': an upload
            can overwrite built files -> Set STATIC_ROOT or DJANGO_STATIC_ROOT to a directory of its own.""",
        ),
        (
            "STATICFILES_DIRS += ['staticfiles']",
            """error static-root: the static root {project}/staticfiles is one of STATICFILES_DIRS: a build would
            collect the output of the last one -> Set STATIC_ROOT or DJANGO_STATIC_ROOT to a directory of its own.""",
        ),
        (
            "STATICFILES_DIRS += [('below', BASE_DIR / 'staticfiles')]",
            """error static-root: the static root {project}/staticfiles is one of STATICFILES_DIRS: a build would
            collect the output of the last one -> Set STATIC_ROOT or DJANGO_STATIC_ROOT to a directory of its own.""",
        ),
    ],
)
def test_the_static_root(project: Path, line: str, expected: str) -> None:
    append_settings(project, line)
    assert told(project, "static-root") == one_line(expected.format(project=project))
    assert check(project).returncode == expected.startswith("error")


def test_django_s_own_check_of_the_static_root_does_not_say_it_again(project: Path) -> None:
    (project / "staticfiles").unlink()
    (project / ".releases/one").rename(project / "staticfiles")
    append_settings(project, "STATICFILES_DIRS += [BASE_DIR / 'staticfiles']")
    _, printed = document(project)
    assert [f["check"] for f in printed["findings"] if f["level"] == "error"] == ["static-root"]


@pytest.mark.parametrize(
    ("line", "variables", "expected"),
    [
        ("STATIC_URL = None", {}, ""),
        ("", CDN, ""),
        ("STATIC_URL = 'https://cdn.example.com/static/'", {}, ""),
        ("STATIC_URL = 'https://cdn.example.com/static/'", {"DJANGO_STATIC_HOST": "cdn.example.com"}, ""),
        (
            "STATIC_URL = '/s/'",
            CDN,
            """warning static-url: STATIC_URL = '/s/', but files are served at https://cdn.example.com/static/:
            HARD CODED -> Set STATIC_URL = '/static/', or build the tree again.""",
        ),
        (
            "STATIC_URL = '/s/'",
            {"DJANGO_STATIC_PREFIX": "/static/"},
            """warning static-url: STATIC_URL = '/s/', but files are served at /static/:
            HARD CODED -> Set STATIC_URL = '/static/', or unset DJANGO_STATIC_PREFIX and build the tree again.""",
        ),
        (
            "STATIC_URL = 'https://old.example.com/static/'",
            CDN,
            """warning static-url: STATIC_URL = 'https://old.example.com/static/', but files are served at
            https://cdn.example.com/static/: HARD CODED
            -> Set STATIC_URL = 'https://cdn.example.com/static/', or correct DJANGO_STATIC_HOST.""",
        ),
        (
            "STATIC_URL = '/s/'",
            {"DJANGO_STATIC_PREFIX": "/s/"},
            """warning static-prefix: DJANGO_STATIC_PREFIX=/s/, but the tree was built for /static/: absolute
            references between files point below the latter
            -> Build the tree again with the same DJANGO_STATIC_PREFIX.""",
        ),
    ],
)
def test_static_urls(project: Path, line: str, variables: dict[str, str], expected: str) -> None:
    append_settings(project, line)
    hard_coded = """`{% static %}` gives the latter; URLs that are hard-coded with the former (in scripts, in other
    settings) get 404"""
    assert told(project, "static-url", "static-prefix", **variables) == one_line(
        expected.replace("HARD CODED", hard_coded)
    )
    assert check(project, **variables).returncode == 0


BELOW = """warning media-url: MEDIA_URL = {url!r} lies in {prefix}, where everything comes from the static tree: uploads
are a 404 -> Set MEDIA_URL to a path of its own, for example '/media/'."""
ABOVE = """warning media-url: MEDIA_URL = {url!r}, and static files are served at {prefix}: an upload whose name begins
with {name!r} is a 404 -> Set MEDIA_URL to a path of its own, for example '/media/'."""


@pytest.mark.parametrize(
    ("url", "lines", "variables", "expected"),
    [
        ("", "", {}, ""),
        ("/media/", "", {}, ""),
        ("/static-media/", "", {}, ""),
        ("media/", "FORCE_SCRIPT_NAME = '/shop'", {}, ""),
        ("https://static.example.com/static/", "", {}, ""),
        ("https://uploads.example.com/static/media/", "ALLOWED_HOSTS = ['*']", CDN, ""),
        ("/static/media/", "", {}, BELOW.format(url="/static/media/", prefix="/static/")),
        ("/static/media", "", CDN, BELOW.format(url="/static/media", prefix="/static/")),
        ("static/media/", "", {}, BELOW.format(url="static/media/", prefix="/static/")),
        ("/static/", "", {}, BELOW.format(url="/static/", prefix="/static/")),
        ("//testserver/static/m/", "", {}, BELOW.format(url="//testserver/static/m/", prefix="/static/")),
        (
            "https://CDN.example.com/static/m/",
            "",
            CDN,
            BELOW.format(url="https://CDN.example.com/static/m/", prefix="/static/"),
        ),
        (
            "https://cdn.example.com/v1/static/m/",
            "",
            {"DJANGO_STATIC_HOST": "https://cdn.example.com/v1"},
            BELOW.format(url="https://cdn.example.com/v1/static/m/", prefix="/v1/static/"),
        ),
        ("https://cdn.example.com/m/", "", CDN, ""),
        ("/assets/m/", "", {"DJANGO_STATIC_PREFIX": "/assets/"}, BELOW.format(url="/assets/m/", prefix="/assets/")),
        ("/static/m/", "", {"DJANGO_STATIC_PREFIX": "/assets/"}, ""),
        ("/static/m/", "STATIC_URL = '/s/'", {}, BELOW.format(url="/static/m/", prefix="/static/")),  # the tree's
        (
            "static/m/",
            "FORCE_SCRIPT_NAME = '/shop'",
            {"DJANGO_STATIC_PREFIX": "/shop/static/"},
            BELOW.format(url="static/m/", prefix="/shop/static/"),
        ),
        (
            "/static/m/",
            "FORCE_SCRIPT_NAME = '/shop'",
            {"DJANGO_STATIC_PREFIX": "/shop/static/"},
            BELOW.format(url="/static/m/", prefix="/static/"),
        ),
        (
            "/m/",
            "",
            {"DJANGO_STATIC_PREFIX": "/m/static/"},
            ABOVE.format(url="/m/", prefix="/m/static/", name="static/"),
        ),
        ("/", "", {}, ABOVE.format(url="/", prefix="/static/", name="static/")),
    ],
)
def test_uploads_below_the_static_prefix(
    project: Path, url: str, lines: str, variables: dict[str, str], expected: str
) -> None:
    append_settings(project, lines, f"MEDIA_URL = {url!r}")
    assert told(project, "media-url", **variables) == one_line(expected)


def test_an_address_of_uploads_may_be_lazy(project: Path) -> None:
    append_settings(project, "from django.utils.functional import lazystr", "MEDIA_URL = lazystr('/static/m/')")
    assert told(project, "media-url") == one_line(BELOW.format(url="/static/m/", prefix="/static/"))


def test_uploads_are_looked_at_before_the_first_build(project: Path) -> None:
    (project / "staticfiles").unlink()
    append_settings(project, "STATIC_URL = '/s/'", "MEDIA_URL = '/s/media/'")
    assert told(project, "media-url") == one_line(BELOW.format(url="/s/media/", prefix="/s/"))


def test_what_is_said_of_uploads_is_so(project: Path) -> None:
    append_settings(
        project,
        "MEDIA_ROOT = BASE_DIR / 'media'",
        "MEDIA_URL = '/static/media/'",
        "ROOT_URLCONF = 'mysite.uploads'",
    )
    (project / "mysite/uploads.py").write_text(
        "from django.http import HttpResponse\n"
        "from django.urls import re_path\n"
        "urlpatterns = [re_path('', lambda request: HttpResponse('an upload'))]\n"
    )
    with run_server(cwd=project, **SETTINGS) as running:
        assert httpx.get(f"{running.url}/media/cat.png").text == "an upload"
        assert httpx.get(f"{running.url}/static/media/cat.png").status_code == 404


def policies(project: Path, *texts: str) -> None:
    """Give the project middleware of its own that send these policies: csp_0, csp_1 and so on."""
    (project / "mysite/security.py").write_text(
        "from django.core.exceptions import MiddlewareNotUsed\n"
        "def middleware(text):\n"
        "    def made(get_response):\n"
        "        def call(request):\n"
        "            response = get_response(request)\n"
        "            response['Content-Security-Policy'] = text\n"
        "            return response\n"
        "        return call\n"
        "    return made\n" + "".join(f"csp_{n} = middleware({text!r})\n" for n, text in enumerate(texts))
    )
    names = [f"mysite.security.csp_{n}" for n in range(len(texts))]
    append_settings(project, f"MIDDLEWARE = [*MIDDLEWARE, *{names!r}]")


ALL = "scripts, styles, images"
REFUSALS: dict[str, list[tuple[str, str, str]]] = {
    "": [("default-src 'none'", "", "")],
    "cdn.example.com": [
        ("", "", ""),
        ("frame-ancestors 'none'", "", ""),
        ("default-src 'self'", ALL, "default-src"),
        ("DEFAULT-SRC 'none' ; img-src * ;; img-src 'none'", "scripts, styles", "default-src"),
        ("script-src 'self'; style-src", "scripts, styles", "script-src, style-src"),
        ("script-src 'none'; script-src-elem cdn.example.com", "", ""),
        ("default-src *, img-src 'self'", "images", "img-src"),
        ("default-src https:", "", ""),
        ("default-src data: blob:", ALL, "default-src"),
        ("default-src CDN.Example.com", "", ""),
        ("default-src *.example.com", "", ""),
        ("default-src *.cdn.example.com", ALL, "default-src"),
        ("default-src cdn.example.com/static/", "", ""),
        ("default-src cdn.example.com/assets/", ALL, "default-src"),
        ("default-src cdn.example.com/static", ALL, "default-src"),
        ("script-src 'nonce-x'; style-src 'NONCE-x'; img-src 'nonce-x'", "images", "img-src"),
        ("script-src 'strict-dynamic' 'sha256-x'; style-src 'sha256-x'", "styles", "style-src"),
    ],
    "https://cdn.example.com": [
        ("default-src http:", "", ""),
        ("default-src http://cdn.example.com", "", ""),
        ("default-src http://cdn.example.com:80", "", ""),
        ("default-src cdn.example.com:443", "", ""),
        ("default-src cdn.example.com:8443", ALL, "default-src"),
    ],
    "http://cdn.example.com": [
        ("default-src https:", ALL, "default-src"),
        ("default-src https://cdn.example.com", ALL, "default-src"),
        ("default-src http://cdn.example.com", "", ""),
    ],
    "badexample.com": [("default-src *.example.com", ALL, "default-src")],
    "https://cdn.example.com:8443": [
        ("default-src cdn.example.com", ALL, "default-src"),
        ("default-src cdn.example.com:*", "", ""),
        ("default-src https://*:8443", "", ""),
        ("default-src cdn.example.com:80", ALL, "default-src"),
    ],
    "https://cdn.example.com/v1": [
        ("default-src cdn.example.com/v%31/", "", ""),
        ("default-src cdn.example.com/v1/static/site.css", ALL, "default-src"),
    ],
    "http://localhost:9000": [  # pages may come from there: it is one of ALLOWED_HOSTS
        ("default-src 'self'", "", ""),
        ("default-src 'none'", ALL, "default-src"),
    ],
}


@pytest.mark.parametrize("host", REFUSALS)
def test_a_content_security_policy(project: Path, host: str) -> None:
    policies(project, *(text for text, _, _ in REFUSALS[host]))
    own = host.removesuffix("/v1")
    expected = [
        f"warning csp: the policy of mysite.security.csp_{number} does not allow {own}: browsers block {refused} from "
        f"there -> Add {own} to {directives}."
        for number, (_, refused, directives) in enumerate(REFUSALS[host])
        if refused
    ]
    assert told(project, "csp", DJANGO_STATIC_HOST=host) == " ".join(expected)


def test_source_maps_are_asked_for_by_no_page(project: Path, build: Build) -> None:
    (project / "staticfiles").unlink()
    (project / "mysite/static/a.js.map").write_text("{}")
    assert build().returncode == 0
    policies(project, "connect-src 'self'")
    assert told(project, "csp", **CDN) == ""


def test_a_policy_is_compared_with_the_files_that_there_are(project: Path, build: Build) -> None:
    (project / "staticfiles").unlink()
    for name in ("a.woff2", "a.mp4", "a.vtt", "a.webmanifest", "a.json", "a.js.map", "a.wasm", "a.html", "a.pdf"):
        (project / "mysite/static" / name).write_bytes(b"{}")
    assert build(DJANGO_STATIC_MISSING_REFERENCES="warn").returncode == 0
    policies(project, "font-src 'self'; media-src 'self'; manifest-src 'self'; connect-src 'self'; child-src 'self'")
    assert told(project, "csp", **CDN) == one_line(
        """warning csp: the policy of mysite.security.csp_0 does not allow https://cdn.example.com: browsers block
        fonts, audio and video, manifests from there
        -> Add https://cdn.example.com to font-src, media-src, manifest-src.
        info csp: the policy of mysite.security.csp_0 does not allow https://cdn.example.com: browsers block what
        scripts fetch, frames from there
        -> Add https://cdn.example.com to connect-src, child-src, if pages need them."""
    )


@pytest.mark.parametrize(
    ("lines", "directives"),
    [
        ("CONTENT_SECURITY_POLICY = {'DIRECTIVES': {'img-src': ['*'], 'style-src': [NONCE]}}", "default-src"),
        ("CONTENT_SECURITY_POLICY = {'EXCLUDE_URL_PREFIXES': ['/x/']}", "default-src"),  # 'self' is its default
        ("CONTENT_SECURITY_POLICY = {'DIRECTIVES': {'default-src': [SELF, 'cdn.example.com']}}", ""),
        ("CONTENT_SECURITY_POLICY_REPORT_ONLY = {'DIRECTIVES': {'default-src': [SELF]}}", ""),
        ("", ""),
    ],
)
def test_the_policy_of_django_csp(project: Path, lines: str, directives: str) -> None:
    append_settings(project, "from csp.constants import NONCE, SELF", lines)
    assert told(project, "csp", **CDN) == ""  # without its middleware they do nothing
    append_settings(project, "INSTALLED_APPS += ['csp']", "MIDDLEWARE = [*MIDDLEWARE, 'csp.middleware.CSPMiddleware']")
    found = told(project, "csp", **CDN)
    assert (f"-> Add https://cdn.example.com to {directives}." in found) == bool(directives)
    assert bool(found) == bool(directives)
    assert ("styles" in found) == ("EXCLUDE" in lines)


@pytest.mark.skipif(
    django.VERSION < (6,), reason="Django 5.2 has no policy of its own; tests/deploy/test_image.py has 6"
)
def test_the_policy_of_django_itself(project: Path) -> None:
    append_settings(
        project,
        "from django.utils.csp import CSP",
        "SECURE_CSP = {'default-src': {CSP.SELF}, 'script-src': [CSP.NONCE], 'style-src': True, 'img-src': []}",
    )
    assert told(project, "csp", **CDN) == ""  # without its middleware it does nothing
    append_settings(project, "MIDDLEWARE = [*MIDDLEWARE, 'django.middleware.csp.ContentSecurityPolicyMiddleware']")
    assert told(project, "csp", **CDN) == one_line(
        """warning csp: the policy of django.middleware.csp.ContentSecurityPolicyMiddleware does not allow
        https://cdn.example.com: browsers block styles, images from there
        -> Add https://cdn.example.com to style-src, default-src."""
    )


def test_a_policy_that_cannot_be_asked_is_not_passed_over(project: Path) -> None:
    policies(project, "default-src 'self'")
    edit = (project / "mysite/security.py").read_text().replace("return response", "return response.no_such_thing")
    (project / "mysite/security.py").write_text(edit)
    assert told(project, "csp", **CDN) == one_line(
        """info csp: the policy of mysite.security.csp_0 cannot be read: AttributeError: 'HttpResponse' object has no
        attribute 'no_such_thing'"""
    )
    (project / "mysite/security.py").write_text(
        edit.replace("    def call", "    raise MiddlewareNotUsed\n        def call")
    )
    assert told(project, "csp", **CDN) == ""


def test_whitenoise_s_settings_are_honoured_and_the_others_named_one_by_one(project: Path) -> None:
    (project / "root").mkdir()
    append_settings(
        project,
        WHITENOISE,
        "INSTALLED_APPS = ['whitenoise.runserver_nostatic', *INSTALLED_APPS]",
        "STORAGES = {'staticfiles': {'BACKEND': 'whitenoise.storage.CompressedManifestStaticFilesStorage'}}",
        "WHITENOISE_AUTOREFRESH = True",
        "WHITENOISE_MANIFEST_STRICT = False",
        "WHITENOISE_MAX_AGE = 600",
        "WHITENOISE_ROOT = BASE_DIR / 'root'",
        "SERVESTATIC_USE_MANIFEST = True",
        "SERVESTATIC_USE_GZIP = False",
    )
    middleware_and_app = """info whitenoise: MIDDLEWARE has whitenoise.middleware.WhiteNoiseMiddleware: static-host
        removes it; static requests do not reach Django -> Remove it; its settings still count.
        info whitenoise: INSTALLED_APPS has whitenoise.runserver_nostatic: it only affects `manage.py runserver` ->
        Remove it; `static-host dev` is for development."""
    development = """info whitenoise: WHITENOISE_AUTOREFRESH has no effect under `static-host serve` ->
        `static-host dev` always serves files as the finders find them."""
    assert told(project, "whitenoise") == one_line(f"{middleware_and_app} {development}")
    overridden = (
        "info whitenoise: WHITENOISE_MAX_AGE has no effect: DJANGO_STATIC_MAX_AGE is set -> Remove one of them."
    )
    assert told(project, "whitenoise", DJANGO_STATIC_MAX_AGE="7") == one_line(
        f"{middleware_and_app} {overridden} {development}"
    )
    codings = "info whitenoise: SERVESTATIC_USE_GZIP has no effect: DJANGO_STATIC_CODINGS is set -> Remove one of them."
    assert told(project, "whitenoise", DJANGO_STATIC_CODINGS="br") == one_line(
        f"{middleware_and_app} {codings} {development}"
    )


def test_a_setting_of_whitenoise_that_cannot_be_honoured(project: Path) -> None:
    append_settings(project, "WHITENOISE_MAX_AGE = '1h'")
    assert told(project, "whitenoise") == one_line(
        """error whitenoise: WHITENOISE_MAX_AGE = '1h' is not a number of seconds: the build fails
        -> Correct or remove it."""
    )


def test_a_project_without_whitenoise(project: Path) -> None:
    assert told(project, "whitenoise") == ""


def test_what_is_made_from_whitenoise_and_what_it_wraps(project: Path) -> None:
    (project / "mysite/own.py").write_text(
        "from django.core.wsgi import get_wsgi_application\n"
        "from whitenoise import WhiteNoise\n"
        "from whitenoise.middleware import WhiteNoiseMiddleware\n"
        "class Own(WhiteNoiseMiddleware): pass\n"
        "application = WhiteNoise(get_wsgi_application())\n"
    )
    append_settings(
        project, "MIDDLEWARE = ['mysite.own.Own', *MIDDLEWARE]", "WSGI_APPLICATION = 'mysite.own.application'"
    )
    assert told(project, "whitenoise") == one_line(
        """warning whitenoise: MIDDLEWARE has mysite.own.Own, which walks the tree at every start and gets no request
        -> Remove it.
        warning whitenoise: mysite.own.application is wrapped by WhiteNoise, which walks its files at every start and
        gets no request -> Use what get_wsgi_application() returns, without a wrapper."""
    )
    assert "of Django's manifest are in the tree" in told(project, "manifest")  # though it asks for other names
    assert "is wrapped" not in told(project, "whitenoise", DJANGO_INTERFACE="asgi")


def test_gzip_middleware_keeps_pages_from_better_codings(project: Path) -> None:
    append_settings(project, "MIDDLEWARE = ['django.middleware.gzip.GZipMiddleware', *MIDDLEWARE]")
    expected = """info gzip-middleware: MIDDLEWARE has GZipMiddleware: pages go out in gzip, and the server leaves
        them as they are -> Remove it: the server encodes pages in zstd, br or gzip, and as a difference to their
        templates."""
    assert told(project, "gzip-middleware") == one_line(expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("MIDDLEWARE = MIDDLEWARE[1:]", ""),
        (
            "MIDDLEWARE = ['django.middleware.cache.UpdateCacheMiddleware', *MIDDLEWARE]",
            """info cache-middleware: MIDDLEWARE has django.middleware.cache.UpdateCacheMiddleware,
            mysite.middleware.NeverCached: pages pass through it, static answers do not""",
        ),
    ],
)
def test_middleware_that_is_feared(project: Path, line: str, expected: str) -> None:
    append_settings(project, line)
    assert told(project, "cache-middleware") == one_line(expected)


def test_a_manifest_that_names_what_is_not_there(project: Path) -> None:
    manifest = json.loads((project / "staticfiles/staticfiles.json").read_text())
    manifest["paths"] |= {f"{name}.css": f"{name}.0123456789ab.css" for name in "dcba"}
    reindex(project, manifest)
    assert told(project, "manifest") == one_line(
        """error manifest: Django's manifest names a.0123456789ab.css, b.0123456789ab.css, c.0123456789ab.css and 1
        more, which the tree lacks: pages get 404 for them -> Build the tree again."""
    )
    assert check(project).returncode == 1


def test_a_tree_without_a_manifest(project: Path) -> None:
    reindex(project, None)
    assert told(project, "manifest") == one_line(
        """warning manifest: the tree has no Django manifest: `{% static %}` gives URLs without a fingerprint
        -> Build it with `static-host build`."""
    )
    assert check(project).returncode == 0


CHECKS = """
from django.core.checks import Info, Tags, Warning, register

@register(Tags.database)
def asks_the_database(**_): raise RuntimeError("this asks the database")

@register(Tags.security, deploy=True)
def of_deployment(**_): return [Warning("not so good", id="shop.W001")]

@register
def untagged(databases, **_):
    assert not databases
    return [Info("by the way", hint="Look at it.", obj="shop"), Warning("never mind", id="shop.W002")]

SILENCED_SYSTEM_CHECKS = ["shop.W002"]
"""


def test_django_s_checks_are_run_with_those_for_deployment_and_without_those_of_databases(project: Path) -> None:
    append_settings(project, CHECKS)
    code, printed = document(project)
    found = [finding for finding in printed["findings"] if finding["check"].startswith("django")]
    names = ["security.W001", "security.W002", "security.W003", "security.W009"]
    assert [finding["check"] for finding in found[:4]] == [f"django.{name}" for name in names]
    assert told_by(found[4:]) == one_line(
        """warning django.shop.W001: not so good -> Do what it says, or name shop.W001 in SILENCED_SYSTEM_CHECKS.
        info django: shop: by the way -> Look at it.
        ok django: Django's system checks find no error"""
    )
    assert code == 0


def test_a_check_that_raises_takes_no_other_with_it(project: Path) -> None:
    append_settings(
        project,
        "from django.core.checks import Error, register",
        "from django.utils.translation import gettext_lazy",
        "@register",
        "def leaves(**_): raise SystemExit('gone')",
        "@register",
        "def text(**_): return ['text']",
        "@register",
        "def lazy(**_): return [Error(gettext_lazy('lazy'), gettext_lazy('hint'), id='shop.E001')]",
    )
    code, printed = document(project)
    assert code == 1
    assert told_by([finding for finding in printed["findings"] if finding["level"] == "error"]) == one_line(
        """error django: the check mysite.settings.leaves raised SystemExit: gone
        -> Correct it: standard error has the whole traceback.
        error django: the check mysite.settings.text raised AttributeError: 'str' object has no attribute 'is_silenced'
        -> Correct it: standard error has the whole traceback.
        error django.shop.E001: lazy -> hint"""
    )
    assert "django.security.W009" in [finding["check"] for finding in printed["findings"]]
    assert printed["findings"][-1]["found"].endswith("decode to their sources")
    assert check(project).stderr.count("Traceback (most recent call last):") == 2


def test_a_check_that_asks_a_database_without_the_tag(project: Path) -> None:
    database = "{'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'no/such/folder/db'}}"
    append_settings(
        project,
        f"DATABASES = {database}",
        "from django.core.checks import register",
        "@register",
        "def prices(**_):",
        "    from django.db import connection",
        "    connection.ensure_connection()",
    )
    assert told(project, "django") == one_line(
        """warning django: the check mysite.settings.prices uses a database: django.db.utils.OperationalError: unable to
        open database file -> Register it with Tags.database; `check` then leaves it out.
        ok django: Django's system checks find no error"""
    )
    result = check(project)
    assert (result.returncode, result.stderr) == (0, "")


def test_an_error_of_django_s_checks(project: Path) -> None:
    append_settings(project, "STATICFILES_DIRS = 'not a list'")
    result = check(project)
    assert result.returncode == 1
    assert one_line(" ".join(result.stdout.splitlines()[:2])) == one_line(
        """error django.staticfiles.E001 The STATICFILES_DIRS setting is not a tuple or list.
        -> Perhaps you forgot a trailing comma?"""
    )
    assert "find no error" not in result.stdout


def test_variables_that_are_wrong(project: Path) -> None:
    result = check(project, PORT="x", WEB_CONCURRENCY="0")
    assert (result.returncode, result.stderr) == (2, "")
    assert result.stdout.splitlines() == [
        "error    settings  these 2 variables are wrong:",
        "                     PORT='x': Expected: a whole number from 0 to 65535.",
        "                     WEB_CONCURRENCY='0': Expected: a whole number from 1 to 512.",
        "                   -> Correct what is set in the environment, in .env or in /run/secrets.",
    ]
    found = "this variable is wrong:\n  PORT='x': Expected: a whole number from 0 to 65535."
    remedy = "Correct what is set in the environment, in .env or in /run/secrets."
    finding = {"level": "error", "check": "settings", "found": found, "remedy": remedy}
    assert document(project, PORT="x") == (2, {"ok": False, "findings": [finding]})


def test_a_project_that_raises(project: Path) -> None:
    append_settings(project, "import os", "os.system('echo not for the document')", "print('neither')")
    append_settings(project, "raise RuntimeError('no weather today')")
    result = check(project, "--json")
    assert result.returncode == 1
    assert told_by(json.loads(result.stdout)["findings"]) == one_line(
        """error project: the Django project mysite.settings raised an exception while it was loaded: RuntimeError: no
        weather today -> Correct the project: standard error has the whole traceback.
        ok settings: all environment variables are understood"""
    )
    assert result.stderr.startswith(
        "not for the document\nneither\nstatic-host: the Django project mysite.settings raised"
    )
    assert result.stderr.splitlines()[-1] == "RuntimeError: no weather today"
    printed = check(project)
    assert (printed.returncode, printed.stderr.splitlines()[-1]) == (1, "RuntimeError: no weather today")


def test_a_project_that_raises_late_has_its_settings_examined(project: Path) -> None:
    (project / "mysite/urls.py").write_text("import no_such_module\n")
    code, printed = document(project)
    assert (code, printed["ok"]) == (1, False)
    assert told_by([finding for finding in printed["findings"] if finding["level"] != "info"]) == one_line(
        f"""error project: the Django project mysite.settings raised an exception while it was loaded:
        ModuleNotFoundError: No module named 'no_such_module'
        -> Correct the project: standard error has the whole traceback. {IN_ORDER}"""
    )


def test_a_project_that_is_not_there(project: Path) -> None:
    code, printed = document(project, DJANGO_SETTINGS_MODULE="my.settings")
    assert (code, told_by(printed["findings"])) == (
        2,
        one_line(
            f"""error project: DJANGO_SETTINGS_MODULE='my.settings': there is no module 'my' in {project} or on
            sys.path. -> Settings modules found here: mysite.settings.
            ok settings: all environment variables are understood"""
        ),
    )


def test_a_health_check_that_is_in_the_way(project: Path) -> None:
    assert told(project, "health") == ""
    assert told(project, "health", "project", DJANGO_HEALTH_PATH="/echo/", DJANGO_READY_PATH="/robots.txt") == one_line(
        f"""warning health: /echo/ is answered here, not by the project's own 'echo/'
        -> Set DJANGO_HEALTH_PATH or DJANGO_READY_PATH to a path of its own.
        warning health: /robots.txt is a static file's URL: no health check responds there
        -> Set DJANGO_HEALTH_PATH or DJANGO_READY_PATH to a path of its own.
        ok project: {LOADED}"""
    )


def test_a_static_root_that_is_no_path(project: Path) -> None:
    append_settings(project, "STATIC_ROOT = 5")
    code, printed = document(project)
    assert code == 1
    assert printed["findings"][0]["found"].startswith(
        "the Django project mysite.settings raised an exception while it was loaded: TypeError: "
    )


def test_the_project_is_the_bundled_site_without_a_settings_module_and_a_manage_py(project: Path) -> None:
    (project / "var").mkdir()
    (project / "var/static").symlink_to(project / "staticfiles")
    bundled = f"ok project: Django project static_host_site.settings in 10 threads, {INTERPRETER}"
    assert told(project, "project", DJANGO_SETTINGS_MODULE="") == bundled
    (project / "manage.py").write_text('import os\nos.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"')
    named = f"ok project: Django project mysite.settings in 10 threads, {INTERPRETER}"
    assert told(project, "project", DJANGO_SETTINGS_MODULE="") == named


NO_TREE = """error tree: there is no static tree at {project}/staticfiles.
-> Build it with `static-host build`, or point DJANGO_STATIC_ROOT at a tree that was built."""
QUIET = "SILENCED_SYSTEM_CHECKS = ['security.W001', 'security.W002', 'security.W003', 'security.W009']"


def serious(findings: list[dict[str, str]]) -> str:
    return told_by([finding for finding in findings if finding["level"] != "info"])


def test_a_tree_that_is_missing_keeps_nothing_from_being_examined(project: Path) -> None:
    (project / "staticfiles").unlink()
    append_settings(project, QUIET)
    code, printed = document(project)
    assert (code, printed["ok"]) == (3, False)
    assert serious(printed["findings"]) == one_line(
        f"""{NO_TREE.format(project=project)} {IN_ORDER}
        ok project: {LOADED}
        ok django: Django's system checks find no error"""
    )
    result = check(project)
    assert result.stdout.startswith(f"error    tree              there is no static tree at {project}/static")
    assert result.stderr == ""
    assert not (project / "staticfiles").exists()


def test_without_a_tree_the_project_and_its_checks_are_seen(project: Path) -> None:
    (project / "staticfiles").unlink()
    append_settings(project, QUIET, "STATICFILES_DIRS = 'not a list'", "DEBUG = True")
    code, printed = document(project, DJANGO_HEALTH_PATH="/echo/")
    assert code == 3
    found = printed["findings"]
    assert [f["check"] for f in found if f["level"] == "error"] == ["django.staticfiles.E001", "tree"]
    assert [f["check"] for f in found if f["level"] == "warning"] == ["debug", "health"]


def test_a_project_that_raises_without_a_tree_is_told_of_beside_the_tree(project: Path) -> None:
    (project / "staticfiles").unlink()
    (project / "mysite/urls.py").write_text("import no_such_module\n")
    code, printed = document(project)
    assert code == 3  # what `serve` ends with
    assert serious(printed["findings"]) == one_line(
        f"""error project: the Django project mysite.settings raised an exception while it was loaded:
        ModuleNotFoundError: No module named 'no_such_module'
        -> Correct the project: standard error has the whole traceback. {NO_TREE.format(project=project)} {IN_ORDER}"""
    )
    assert check(project).stderr.count("Traceback (most recent call last):") == 1


def test_a_database_that_is_not_there_is_told_of_without_a_tree(project: Path) -> None:
    (project / "staticfiles").unlink()
    code, printed = document(project, DJANGO_READY_DATABASE="sales")
    assert code == 3
    assert serious(printed["findings"]) == one_line(
        f"""error project: DJANGO_READY_DATABASE='sales': mysite.settings has no database of this name. It has: default.
        {NO_TREE.format(project=project)} {IN_ORDER}"""
    )


def test_an_index_that_is_damaged(project: Path) -> None:
    (project / "staticfiles" / INDEX_FILE_NAME).write_bytes(b"")
    code, printed = document(project)
    assert code == 3
    errors = [finding for finding in printed["findings"] if finding["level"] == "error"]
    assert [finding["check"] for finding in errors] == ["tree"]
    assert "its first line is not an index header" in errors[0]["found"]
    assert printed["findings"][-1]["found"] == "Django's system checks find no error"


def test_files_that_are_missing_keep_nothing_from_being_examined(project: Path) -> None:
    append_settings(project, QUIET, "STATIC_URL = '/s/'")
    for name in ("site.css.br", "main.js"):
        (project / "staticfiles" / name).unlink()
    code, printed = document(project)
    assert code == 3
    errors = [finding for finding in printed["findings"] if finding["level"] == "error"]
    assert told_by(errors) == one_line(
        f"""error tree: the static tree at {project}/.releases/one is damaged: main.js (identity): is missing
        site.css.br (br): is missing
        -> Build it again with `static-host build --verify`, which replaces a damaged tree."""
    )
    assert [f["check"] for f in printed["findings"] if f["level"] == "warning"] == ["static-url"]
    told = [f["found"] for f in printed["findings"] if f["level"] == "ok"][-2:]
    assert told == ["all 9 names of Django's manifest are in the tree", "Django's system checks find no error"]


def test_a_damaged_file_is_told_of_with_everything_else(project: Path) -> None:
    path = project / "staticfiles/site.css.br"
    path.write_bytes(bytes(path.stat().st_size))
    code, printed = document(project)
    assert (code, printed["ok"]) == (3, False)
    assert printed["findings"][0] == {
        "level": "error",
        "check": "tree",
        "found": f"the static tree at {project}/.releases/one is damaged:\n  site.css.br (br): is not what was built",
        "remedy": "Build it again with `static-host build --verify`, which replaces a damaged tree.",
    }
    assert "django" in [finding["check"] for finding in printed["findings"]]


def on_a_terminal(project: Path, columns: int) -> list[str]:
    """Return the lines that are printed where standard output is a terminal of this width."""
    mine, its = os.openpty()
    variables = {**SETTINGS, "COLUMNS": str(columns)}
    command = f"{SCRIPTS}/static-host", "check"
    process = subprocess.Popen(command, cwd=project, env=make_environment(variables), stdout=its)
    os.close(its)
    printed = b"".join(iter(lambda: _read(mine), b""))
    os.close(mine)
    assert process.wait(20) == 0
    return printed.decode().splitlines()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # what Linux says when the other end of a terminal is closed
        return b""


def test_text_is_wrapped_to_a_terminal_and_to_nothing_else(project: Path) -> None:
    append_settings(project, "DEBUG = True", "SILENCED_SYSTEM_CHECKS = ['security.W00%d' % n for n in range(10)]")
    assert on_a_terminal(project, 70)[:6] == [
        "warning  debug             DEBUG = True: error pages show the",
        "                           project's code, its settings and the",
        "                           request to every visitor",
        "                           -> Set DEBUG = False wherever others than",
        "                              developers can reach the site.",
        "info     cache-middleware  MIDDLEWARE has",
    ]
    first, second, *_ = check(project, COLUMNS="70").stdout.splitlines()
    assert len(first) > 100
    assert (
        second == "                           -> Set DEBUG = False wherever others than developers can reach the site."
    )


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (None, ["error    b    one two three four five six seven", "  eight", "-> nine", "ok       a-b  x"]),
        (47, ["error    b    one two three four five six seven", "  eight", "-> nine", "ok       a-b  x"]),
        (46, ["error    b    one two three four five six", "seven", "  eight", "-> nine", "ok       a-b  x"]),
        (1, ["error    b    one two three four five six", "seven", "  eight", "-> nine", "ok       a-b  x"]),
    ],
)
def test_a_table(width: int | None, lines: list[str]) -> None:
    found = [Finding("ok", "a-b", "x"), Finding("error", "b", "one two three four five six seven\n  eight", "nine")]
    expected = [line if line.startswith(("error", "ok")) else f"{' ' * 14}{line}" for line in lines]
    assert format_findings(found, width).splitlines() == expected


def test_its_help_names_every_key_of_the_document(project: Path) -> None:
    text = check(project, "--help").stdout
    _, printed = document(project)
    first = printed["findings"][0]
    keys = {*printed, *first, *(f["check"] for f in printed["findings"] if "." not in f["check"])}
    assert {key for key in keys if key not in text} == set()


def test_the_directories_of_files_that_views_name(project: Path, tmp_path: Path) -> None:
    pairs = f"/protected/={tmp_path},/gone/={tmp_path}/gone"
    findings = document(project, DJANGO_SENDFILE_ROOTS=pairs)[1]["findings"]
    assert [(each["level"], each["found"]) for each in findings if each["check"] == "sendfile"] == [
        ("warning", f"DJANGO_SENDFILE_ROOTS: there is no directory {tmp_path}/gone, so files below /gone/ are 404"),
        ("ok", f"X-Accel-Redirect below /protected/ names files of {tmp_path}"),
    ]
