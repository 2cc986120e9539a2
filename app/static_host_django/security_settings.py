"""The settings of Django's SecurityMiddleware: what they ask of a response, in plain values for the front.

Rule: they count only if that middleware is in MIDDLEWARE. A value that Django itself refuses is left out here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

MIDDLEWARE = "django.middleware.security.SecurityMiddleware"
_HEADER = re.compile(r"HTTP_([A-Z0-9_]{2,100})")  # the form that Django looks up (PEP 3333)
_LOCAL_HOSTS = [".localhost", "127.0.0.1", "[::1]"]


def describe_security(settings: Any) -> dict[str, Any]:
    """Return what SecurityMiddleware does to a response; nothing without it."""
    if MIDDLEWARE not in (settings.MIDDLEWARE or ()):
        return {}
    hosts = settings.ALLOWED_HOSTS or (_LOCAL_HOSTS if settings.DEBUG else ())
    return {
        "hsts": _format_hsts(settings),
        "referrer_policy": _join(settings.SECURE_REFERRER_POLICY),
        "opener_policy": str(settings.SECURE_CROSS_ORIGIN_OPENER_POLICY or ""),
        "proxy_header": _find_proxy_header(settings.SECURE_PROXY_SSL_HEADER),
        "redirects": bool(settings.SECURE_SSL_REDIRECT),
        "redirect_host": str(settings.SECURE_SSL_HOST or ""),
        "redirect_exempt": list(_list_patterns(settings.SECURE_REDIRECT_EXEMPT)),
        "allowed_hosts": [str(host).lower() for host in hosts],
        "uses_forwarded_host": bool(settings.USE_X_FORWARDED_HOST),
    }


def _format_hsts(settings: Any) -> str:
    if not settings.SECURE_HSTS_SECONDS:
        return ""
    subdomains = "; includeSubDomains" if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else ""
    return f"max-age={settings.SECURE_HSTS_SECONDS}{subdomains}{'; preload' if settings.SECURE_HSTS_PRELOAD else ''}"


def _join(policy: Any) -> str:
    parts = policy.split(",") if isinstance(policy, str) else (policy or ())
    return ",".join(str(part).strip() for part in parts)


def _find_proxy_header(value: Any) -> list[str]:
    """Return the name of the field and its secure value, or nothing where Django never finds it."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        return []
    match = _HEADER.fullmatch(str(value[0]))
    return [match[1].lower().replace("_", "-"), str(value[1])] if match else []


def _list_patterns(patterns: Any) -> Iterator[tuple[str, int]]:
    """Yield each pattern with its flags."""
    for each in patterns:
        try:
            compiled: Any = re.compile(each)
        except (re.error, TypeError):
            continue
        if isinstance(compiled.pattern, str):
            yield compiled.pattern, compiled.flags
