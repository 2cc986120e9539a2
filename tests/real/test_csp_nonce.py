"""The tags have the nonce of Django's own Content-Security-Policy, which Django 6 has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.real.environments import require_environment
from tests.support.builds import append_settings
from tests.support.processes import run_server
from tests.support.projects import SETTINGS, copy_project
from tests.support.worker_projects import get

pytestmark = pytest.mark.timeout(600)

POLICY = """
from django.utils.csp import CSP
MIDDLEWARE = ["django.middleware.csp.ContentSecurityPolicyMiddleware", *MIDDLEWARE]
SECURE_CSP = {"script-src": [CSP.NONCE]}
"""
PROCESSOR = "TEMPLATES[0]['OPTIONS'] = {'context_processors': ['django.template.context_processors.csp']}"


@pytest.mark.parametrize("more", ["", PROCESSOR], ids=["middleware", "context processor"])
def test_elements_have_the_nonce_of_django(tmp_path: Path, cache: Path, more: str) -> None:
    environment = require_environment("3.13", "newest")
    project = copy_project("plain", tmp_path)
    append_settings(project, POLICY, more)
    page = "{% load static_host %}{% importmap 'part.js' %}{% modulepreload 'main.js' %}"
    (project / "mysite/templates/page.html").write_text(page)
    environment.run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **SETTINGS)
    with run_server(cwd=project, DJANGO_PYTHON=environment.python, **SETTINGS) as server:
        response = get(server, "/")
    (nonce,) = re.findall(r"script-src 'nonce-([^']+)'", response.headers["content-security-policy"])
    assert response.text.startswith(f'<script type="importmap" nonce="{nonce}">{{"imports":{{"part.js":"/static/part.')
    links = [line.partition(" integrity=")[0] for line in response.text.partition("</script>")[2].split("\n")]
    assert links == [
        '<link rel="modulepreload" href="/static/main.59598345cd5c.js"',
        '<link rel="modulepreload" href="/static/part.3eb92c086480.js"',
    ]
    assert response.text.count(f' nonce="{nonce}">') == 3
