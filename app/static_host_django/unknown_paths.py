"""Tells the front which 404 responses are for paths that the project's URLconf does not know.

Rule: a path below the prefix of an ``include`` is the project's, whether it leads anywhere or not, so ``/api/nothing``
is a 404 of the API. A language's prefix (`i18n_patterns`) does not count.
"""

from __future__ import annotations

from typing import Any

from static_host_django.frames import UNKNOWN_PATH_FIELD

_NOT_FOUND = 404


class UnknownPaths:
    """Whether the front wants to know; a worker is told when it starts."""

    is_wanted = False


def mark_unknown(
    status: int, headers: list[tuple[bytes, bytes]], method: str, path: str, *, has_script_name: bool = False
) -> list[tuple[bytes, bytes]]:
    """Return the header fields of a response, with one more if the URLconf does not know the path of its request.

    `has_script_name`: the path begins with FORCE_SCRIPT_NAME, if that is set, as it does in ASGI.
    """
    if status != _NOT_FOUND or not UnknownPaths.is_wanted or method not in ("GET", "HEAD"):
        return headers
    return [*headers, UNKNOWN_PATH_FIELD] if _is_unknown(path, has_script_name=has_script_name) else headers


def _is_unknown(path: str, *, has_script_name: bool) -> bool:
    from django.urls import Resolver404, get_script_prefix, resolve

    if has_script_name:
        path = path.removeprefix(get_script_prefix().removesuffix("/"))
    try:
        resolve(path)
    except Resolver404 as error:
        tried: list[list[Any]] = error.args[0].get("tried") or []
        return not any(_has_prefix(each) for patterns in tried for each in patterns[:-1])
    return False


def _has_prefix(resolver: Any) -> bool:
    from django.urls import LocalePrefixPattern

    return not isinstance(resolver.pattern, LocalePrefixPattern) and str(resolver.pattern).strip("^") != ""
