"""Looks static files up in the project's finders, for `static-host dev`.

Rule: a name has a file here if a build would have one: `collectstatic` ignores some names, and ``{% static %}`` may put
a query into the name.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice
from typing import Any

STATICFILES_APP = "django.contrib.staticfiles"
_MAX_COMPARED_NAMES = 20_000
"""Names that are compared with one that has no file. Bounded, because a comparison takes some microseconds."""
_MAX_NAME_CHARACTERS = 200


def find(name: str, *, is_at_root: bool = False) -> str:
    """Return the absolute path of a static file, or "". Raises what a finder of the project raises.

    A file that is served at ``/`` may have a name that collectstatic ignores, such as ``.well-known/x``.
    """
    from django.contrib.staticfiles import finders
    from django.core.exceptions import SuspiciousFileOperation

    from static_host_django.static_names import iter_candidates

    if not is_installed():
        return ""
    for candidate in dict.fromkeys([name, *(candidate for candidate, _ in iter_candidates(name))]):
        try:
            is_known = _is_collected(candidate) or (is_at_root and candidate == name)
            found = finders.find(candidate) if candidate and is_known else None
        except (SuspiciousFileOperation, ValueError):  # ValueError: a NUL byte
            continue
        if found:
            return str(found)
    return ""


def find_nearest(name: str) -> str:
    """Return the name of the static file that is most like this one, or ""."""
    if not is_installed() or len(name) > _MAX_NAME_CHARACTERS:
        return ""
    base = posixpath.basename(name)
    names = list(islice(filter(_is_collected, (name for name, _ in _iter_files())), _MAX_COMPARED_NAMES))
    same = [other for other in names if posixpath.basename(other) == base]
    return next(iter(get_close_matches(name, same, 1, 0) or get_close_matches(name, names, 1)), "")


def list_own_scripts() -> list[str]:
    """Return the names of all scripts that the finders find, but those of installed packages, sorted."""
    from static_host_django.static_names import is_of_a_package, is_script

    own = (name for name, path in _iter_files() if is_script(name) and not is_of_a_package(path))
    return sorted(set(own)) if is_installed() else []


def describe() -> dict[str, Any]:
    """Return where Django's own finders look: directories with their prefixes, and the patterns that are ignored."""
    from django.contrib.staticfiles.finders import get_finders

    finders = list(get_finders()) if is_installed() else []
    storages = [storage for finder in finders for storage in getattr(finder, "storages", {}).values()]
    directories = [
        (getattr(storage, "prefix", None) or "", str(storage.location))
        for storage in storages
        if hasattr(storage, "location")
    ]
    return {"directories": directories, "ignored": _get_ignored_patterns()}


def is_installed() -> bool:
    """Whether the project uses Django's static files."""
    from django.apps import apps

    return apps.is_installed(STATICFILES_APP)


def _iter_files() -> Iterator[tuple[str, str]]:
    """Yield the names of all files, each with its path; that is relative where a storage has no local files."""
    from django.contrib.staticfiles.finders import get_finders

    for finder in get_finders():
        for path, storage in finder.list(_get_ignored_patterns()):
            name = posixpath.join(getattr(storage, "prefix", None) or "", path)
            yield name, posixpath.join(getattr(storage, "location", ""), path)


def _is_collected(name: str) -> bool:
    """Whether collectstatic would collect a file of this name."""
    from django.contrib.staticfiles.utils import matches_patterns

    ignored = _get_ignored_patterns()
    return name == posixpath.normpath(name) and not any(
        matches_patterns(part, ignored) for part in (*name.split("/"), name)
    )


def _get_ignored_patterns() -> list[str]:
    from django.apps import apps

    return list(getattr(apps.get_app_config("staticfiles"), "ignore_patterns", ())) if is_installed() else []
