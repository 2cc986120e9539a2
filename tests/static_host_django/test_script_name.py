"""FORCE_SCRIPT_NAME through WSGI and ASGI: the paths of a request, from which Django makes redirects and URLs."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.support.builds import append_settings
from tests.support.processes import run, run_server

PATHS = """
from django.http import HttpRequest, HttpResponse
from django.urls import path

def where(request: HttpRequest) -> HttpResponse:
    variables = "{SCRIPT_NAME}:{PATH_INFO}".format(**request.META)
    return HttpResponse(f"{request.path} {request.path_info} {variables} {request.build_absolute_uri('?a')}")

urlpatterns = [path("", where), path("where/", where), path("shopping/", where)]
"""


@pytest.mark.parametrize("script_name", ["/shop", "/shop/"])
@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_a_script_name_that_a_proxy_removes_is_in_the_paths_of_requests(
    project: Path, cache: Path, interface: str, script_name: str
) -> None:
    (project / "mysite/urls.py").write_text(PATHS)
    append_settings(project, f"FORCE_SCRIPT_NAME = {script_name!r}")
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache)}
    assert run("static-host", "build", cwd=project, **variables).returncode == 0
    variables["DJANGO_INTERFACE"] = interface
    fields = {"Host": "localhost"}
    with run_server(cwd=project, **variables) as running, httpx.Client(base_url=running.url, headers=fields) as client:
        own = f"{script_name}:/where/"
        assert client.get("/where/").text == f"/shop/where/ /where/ {own} http://localhost/shop/where/?a"
        assert client.get("/shopping/").text.startswith("/shop/shopping/ /shopping/ ")
        assert client.get("/").text == f"/shop/ / {script_name}:/ http://localhost/shop/?a"
        assert client.get("/where?b").headers["location"] == "/shop/where/?b"
        if interface == "asgi":  # a proxy that passes it on: WSGI has no place for that
            assert client.get("/shop/where/").text == f"/shop/where/ /where/ {own} http://localhost/shop/where/?a"
            assert client.get("/shop").text == f"/shop/ / {script_name}:/ http://localhost/shop/?a"
