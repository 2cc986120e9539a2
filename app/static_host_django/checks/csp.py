"""Reads the Content-Security-Policy of the project, as its middleware sends it with an empty page."""

from __future__ import annotations

import re
from typing import Any

from static_host_django.findings import format_exception_line

_CSP_MIDDLEWARE = re.compile(r"CSP|Csp|(?<![A-Za-z])csp(?![A-Za-z])|(?i:content_?security_?policy)")


def read_policies(django_settings: Any) -> list[tuple[str, list[str], str]]:
    """Return each middleware that may send policies, the texts of these, and the exception that it raised or ""."""
    names = filter(_CSP_MIDDLEWARE.search, map(str, django_settings.MIDDLEWARE))
    return [(name, *_try_to_read(name)) for name in names]


def _try_to_read(name: str) -> tuple[list[str], str]:
    try:
        return _read_policies(name), ""
    except Exception as error:
        return [], format_exception_line(error)


def _read_policies(name: str) -> list[str]:
    """Return the policies that a middleware sends with an empty page. Raises what the middleware raises."""
    from django.core.exceptions import MiddlewareNotUsed
    from django.http import HttpRequest, HttpResponse
    from django.utils.module_loading import import_string

    def page(request: HttpRequest) -> HttpResponse:
        for attribute in ("csp_nonce", "_csp_nonce"):  # a policy gets its nonce when a template reads it
            str(getattr(request, attribute, ""))
        return HttpResponse()

    request = HttpRequest()
    request.method, request.path, request.path_info = "GET", "/", "/"
    request.META |= {"REQUEST_METHOD": "GET", "SERVER_NAME": "localhost", "SERVER_PORT": "80"}
    try:
        response = import_string(name)(page)(request)
    except MiddlewareNotUsed:
        return []
    return str(response.headers.get("Content-Security-Policy", "")).split(",")
