"""The project's STATIC_URL (Django setting), as host and prefix of URLs that are served."""

from __future__ import annotations

from static_host.conf.validators import parse_static_host, validate_url_prefix
from static_host.project.errors import ProjectNotFoundError
from static_host_django.static_url import split_static_url


def parse_static_url(static_url: str | None) -> tuple[str, str]:
    """Return host and path prefix of a project's STATIC_URL. Raises ProjectNotFoundError."""
    host, prefix = split_static_url(static_url)
    try:
        validate_url_prefix(prefix)
        parse_static_host(host)
    except ValueError as error:
        remedy = "Set DJANGO_STATIC_PREFIX or correct it."
        raise ProjectNotFoundError(f"STATIC_URL={static_url!r}: {error}.", remedy=remedy) from None
    return host, prefix
