"""The project's STATIC_URL (Django setting), taken apart: a static host and a path prefix."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_PREFIX = "/static/"
DEFAULT_ROOT = Path("staticfiles")


def split_static_url(static_url: str | None) -> tuple[str, str]:
    """Return host and path prefix of a project's STATIC_URL. "/" and an empty one mean the default prefix."""
    parts = urlsplit(static_url or "")
    path = parts.path if parts.path.endswith("/") else f"{parts.path}/"
    scheme = f"{parts.scheme}:" if parts.scheme else ""
    host = f"{scheme}//{parts.netloc}" if parts.netloc else ""
    return host, path if path != "/" else DEFAULT_PREFIX


def choose_static_host(chosen: str, own: str) -> str:
    """Return the host of static URLs: DJANGO_STATIC_HOST in its normal form, else that of the project's STATIC_URL."""
    return "" if chosen == "//" else chosen or own
