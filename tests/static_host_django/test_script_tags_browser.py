"""Chromium takes the import map, the preloads and the integrity of the tags, with a nonce, and refuses other bytes.

A module that imports others statically runs after all of these, so the order of what ran is that of the graph.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.builds import append_settings, read_manifest_paths
from tests.support.processes import find_free_port, run, run_server
from tests.support.projects import SETTINGS

FILES = {
    "shop/cart.js": 'import { total } from "./total.js";\nimport "shop/log.js";\nimport "three";\n'
    'ran += "cart";\nimport("./late.js");\n',
    "shop/total.js": 'import "./cart.js";\nexport const total = 1;\nran += "total ";\n',
    "shop/log.js": 'ran += "log ";\n',
    "shop/late.js": 'ran += " late";\n',
    "vendor/three@1.js": 'ran += "three ";\n',
}
PAGE = """<!doctype html>
<link rel="icon" href="data:,">
{% load static static_host %}
<link rel="stylesheet" href="{% static 'site.css' %}" integrity="{% static_integrity 'site.css' %}" crossorigin>
{% importmap '*' 'three=vendor/three@1.js' %}
{% modulepreload 'shop/cart.js' 'vendor/three@1.js' %}
<script nonce="{{ CSP_NONCE }}">var ran = "";</script>
<script type="module" nonce="{{ CSP_NONCE }}">import "shop/cart.js";</script>
"""
SETTINGS_OF_CSP = """
from csp.constants import NONCE
MIDDLEWARE = ["csp.middleware.CSPMiddleware", *MIDDLEWARE]
TEMPLATES[0]["OPTIONS"] = {"context_processors": ["csp.context_processors.nonce"]}
CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"default-src": ["*", "data:"], "script-src": [NONCE, "'strict-dynamic'"]}}
"""


@dataclass
class Visit:
    """What a browser made of the page: what ran, the requests for scripts, and the messages on the console."""

    ran: str = ""
    requested: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


def visit(browser: Browser, url: str, changed: str = "") -> Visit:
    """Open the page, and wait for all that it loads. The script whose name begins with `changed` has other bytes."""
    found, page = Visit(), browser.new_page()
    if changed:
        body = 'ran += "changed";'
        headers = {"content-type": "text/javascript", "access-control-allow-origin": "*"}
        page.route(f"**/{changed}*", lambda route: route.fulfill(body=body, headers=headers))
    page.on("console", lambda message: found.messages.append(message.text))
    page.on("pageerror", lambda error: found.messages.append(str(error)))
    page.on("request", lambda request: found.requested.append(request.url.rpartition("/static/")[2]))
    page.goto(url, wait_until="networkidle")
    found.ran = page.evaluate("ran")
    page.close()
    return found


@pytest.fixture
def shop(project: Path, cache: Path) -> Path:
    for name, text in FILES.items():
        path = project / "mysite/static" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (project / "mysite/templates/page.html").write_text(PAGE)
    append_settings(project, SETTINGS_OF_CSP)
    built = run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **SETTINGS)
    assert built.returncode == 0, built.stderr
    return project


@pytest.mark.parametrize("host", ["", "another"])
def test_modules_run_once_with_their_integrity(shop: Path, browser: Browser, host: str) -> None:
    port = find_free_port()
    variables = {"PORT": str(port), **({"DJANGO_STATIC_HOST": f"http://localhost:{port}"} if host else {})}
    with run_server(cwd=shop, **SETTINGS, **variables) as running:
        found = visit(browser, running.url)
    assert (found.ran, found.messages) == ("total log three cart late", [])
    names = read_manifest_paths(shop)
    scripts = [name for name in found.requested if name.endswith(".js")]
    assert sorted(scripts) == sorted(names[name].replace("@", "%40") for name in FILES)


@pytest.mark.parametrize(
    ("changed", "ran"), [("shop/total.", ""), ("vendor/three", ""), ("shop/late.", "total log three cart")]
)
def test_a_module_with_other_bytes_is_refused(shop: Path, browser: Browser, changed: str, ran: str) -> None:
    """Also one that only a relative import, or ``import()``, leads to."""
    with run_server(cwd=shop, **SETTINGS) as running:
        found = visit(browser, running.url, changed)
    assert found.ran == ran
    assert any("Failed to find a valid digest in the 'integrity' attribute" in text for text in found.messages)


def test_in_development_the_same_page_runs(shop: Path, browser: Browser) -> None:
    with run_server("static-host", "dev", cwd=shop, ready=r"ready on ([^,]+),", **SETTINGS) as running:
        found = visit(browser, running.url)
    assert (found.ran, found.messages) == ("total log three cart late", [])
