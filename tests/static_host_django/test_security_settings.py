"""The settings of SecurityMiddleware as plain values."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from static_host_django.security_settings import describe_security

MIDDLEWARE = "django.middleware.security.SecurityMiddleware"
OFF = {
    "hsts": "",
    "referrer_policy": "",
    "opener_policy": "",
    "proxy_header": [],
    "redirects": False,
    "redirect_host": "",
    "redirect_exempt": [],
    "allowed_hosts": [],
    "uses_forwarded_host": False,
}


def describe(**values: Any) -> dict[str, Any]:
    defaults = {
        "MIDDLEWARE": [MIDDLEWARE],
        "DEBUG": False,
        "ALLOWED_HOSTS": [],
        "SECURE_HSTS_SECONDS": 0,
        "SECURE_HSTS_INCLUDE_SUBDOMAINS": False,
        "SECURE_HSTS_PRELOAD": False,
        "SECURE_REFERRER_POLICY": None,
        "SECURE_CROSS_ORIGIN_OPENER_POLICY": None,
        "SECURE_PROXY_SSL_HEADER": None,
        "SECURE_SSL_REDIRECT": False,
        "SECURE_SSL_HOST": None,
        "SECURE_REDIRECT_EXEMPT": [],
        "USE_X_FORWARDED_HOST": False,
    }
    return describe_security(SimpleNamespace(**{**defaults, **values}))


@pytest.mark.parametrize("middleware", [[], None, ["mysite.SecurityMiddleware"]])
def test_without_the_middleware_no_setting_counts(middleware: Any) -> None:
    assert describe(MIDDLEWARE=middleware, SECURE_HSTS_SECONDS=1, SECURE_SSL_REDIRECT=True) == {}


@pytest.mark.parametrize(
    ("values", "facts"),
    [
        ({}, {}),
        ({"SECURE_HSTS_SECONDS": 60}, {"hsts": "max-age=60"}),
        ({"SECURE_HSTS_PRELOAD": True, "SECURE_HSTS_INCLUDE_SUBDOMAINS": True}, {}),
        (
            {"SECURE_HSTS_SECONDS": 60, "SECURE_HSTS_PRELOAD": True, "SECURE_HSTS_INCLUDE_SUBDOMAINS": True},
            {"hsts": "max-age=60; includeSubDomains; preload"},
        ),
        ({"SECURE_REFERRER_POLICY": "a , b"}, {"referrer_policy": "a,b"}),
        ({"SECURE_REFERRER_POLICY": ("a", "b")}, {"referrer_policy": "a,b"}),
        ({"SECURE_CROSS_ORIGIN_OPENER_POLICY": "same-origin"}, {"opener_policy": "same-origin"}),
        ({"SECURE_PROXY_SSL_HEADER": ("HTTP_X_TLS", "on")}, {"proxy_header": ["x-tls", "on"]}),
        ({"SECURE_PROXY_SSL_HEADER": ("X-TLS", "on")}, {}),
        ({"SECURE_PROXY_SSL_HEADER": "HTTP_X_TLS"}, {}),
        (
            {"SECURE_SSL_REDIRECT": True, "SECURE_SSL_HOST": "a.example"},
            {"redirects": True, "redirect_host": "a.example"},
        ),
        (
            {"SECURE_REDIRECT_EXEMPT": ["^a", re.compile("b", re.IGNORECASE), "(", 1, b"c"]},
            {"redirect_exempt": [("^a", re.UNICODE.value), ("b", (re.UNICODE | re.IGNORECASE).value)]},
        ),
        ({"ALLOWED_HOSTS": ["A.example"], "DEBUG": True}, {"allowed_hosts": ["a.example"]}),
        ({"DEBUG": True}, {"allowed_hosts": [".localhost", "127.0.0.1", "[::1]"]}),
        ({"USE_X_FORWARDED_HOST": True}, {"uses_forwarded_host": True}),
    ],
)
def test_the_settings_in_plain_values(values: dict[str, Any], facts: dict[str, Any]) -> None:
    assert describe(**values) == {**OFF, **facts}
