"""Findings of `static-host check` as Django's system checks, for `manage.py check`.

Rule: the same functions make them, so both say the same. Here they know the project's settings alone: neither the tree
nor the variables of the server, and leave out what Django's own checks say. What is information, or concerns a
deployment, is left to `check --deploy`: other checks run with every command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from static_host_django.checks import project_settings, whitenoise
from static_host_django.checks.request import CheckRequest
from static_host_django.findings import Finding, format_exception_line
from static_host_django.script_name import expand_prefix, prepend_script_name
from static_host_django.static_url import DEFAULT_ROOT, split_static_url
from static_host_django.whitenoise_settings import describe_served

NUMBERS = {
    "allowed-hosts": 1,
    "proxy-ssl-header": 2,
    "static-root": 3,
    "media-url": 4,
    "whitenoise": 5,
    "cache-middleware": 6,
    "gzip-middleware": 7,
}
"""The number of each check's name in the identifiers of its messages, such as ``static_host.W004``."""
_BUNDLED_SETTINGS_MODULE = "static_host_site.settings"


def register_checks() -> None:
    """Register both checks, once."""
    from django.core.checks import Tags, register

    register(check_settings, Tags.staticfiles)
    register(check_deployment, Tags.staticfiles, deploy=True)


def check_settings(**_: Any) -> list[Any]:
    """Return errors and warnings."""
    return [_convert(found) for found in _find_all() if found.check != "allowed-hosts" and _is_serious(found)]


def check_deployment(**_: Any) -> list[Any]:
    """Return information, and what concerns a deployment."""
    return [_convert(found) for found in _find_all() if found.check == "allowed-hosts" or not _is_serious(found)]


def _is_serious(finding: Finding) -> bool:
    return finding.level in ("error", "warning")


def _find_all() -> Iterator[Finding]:
    """Yield the findings, except those that say that all is well."""
    from django.conf import settings

    for name in _FINDERS:
        yield from (found for found in _find(name, settings) if found.level != "ok")


def _find(name: str, settings: Any) -> list[Finding]:
    """Return the findings of one check; that it raised an exception is one."""
    try:
        return list(_FINDERS[name](_make_request(settings), settings))
    except Exception as error:
        found = f"a setting has a value that cannot be checked: {format_exception_line(error)}"
        return [Finding("warning", name, found, "Correct the setting.")]


def _make_request(settings: Any) -> CheckRequest:
    url = prepend_script_name(str(settings._wrapped.STATIC_URL or ""), settings.FORCE_SCRIPT_NAME)
    host, prefix = split_static_url(url)
    served = [*expand_prefix(prefix, settings.FORCE_SCRIPT_NAME), describe_served(settings).get("prefix")]
    return CheckRequest(
        static_url=url,
        root="",
        has_tree=False,
        prefix=prefix,
        prefixes=[each for each in served if each],
        paths=[],
        static_host=host,
        static_root=str(settings.STATIC_ROOT or DEFAULT_ROOT),
        host="",
        trusted_proxies=[],
        proxy_hops=0,
        is_bundled=settings.SETTINGS_MODULE == _BUNDLED_SETTINGS_MODULE,
        overriding={},
        is_tls=False,
    )


def _check_allowed_hosts(request: CheckRequest, settings: Any) -> Iterator[Finding]:
    if settings.ALLOWED_HOSTS:  # else Django has security.W020
        yield project_settings.check_allowed_hosts(request, settings)


def _check_header(_: CheckRequest, settings: Any) -> Iterator[Finding]:
    header = settings.SECURE_PROXY_SSL_HEADER
    found = project_settings.find_unusable_header(header) if header else None
    if found:
        yield found


def _check_static_root(request: CheckRequest, settings: Any) -> Iterator[Finding]:
    found = project_settings.check_static_root(request, settings)
    yield from (each for each in found if not (each.level == "error" and settings.STATIC_ROOT))  # staticfiles.E002


def _check_cache_middleware(_: CheckRequest, settings: Any) -> Iterator[Finding]:
    return whitenoise.check_cache_middleware(settings)


def _check_gzip_middleware(_: CheckRequest, settings: Any) -> Iterator[Finding]:
    return whitenoise.check_gzip_middleware(settings)


_FINDERS: dict[str, Callable[[CheckRequest, Any], Iterator[Finding]]] = {
    "allowed-hosts": _check_allowed_hosts,
    "proxy-ssl-header": _check_header,
    "static-root": _check_static_root,
    "media-url": project_settings.check_media_url,
    "whitenoise": whitenoise.check_whitenoise,
    "cache-middleware": _check_cache_middleware,
    "gzip-middleware": _check_gzip_middleware,
}


def _convert(finding: Finding) -> Any:
    """Return a finding as a message of Django's."""
    from django.core import checks

    kind = {"error": checks.Error, "warning": checks.Warning}.get(finding.level, checks.Info)
    identifier = f"static_host.{kind.__name__[0]}{NUMBERS[finding.check]:03}"
    return kind(finding.found, hint=finding.remedy or None, id=identifier)
