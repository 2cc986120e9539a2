"""Names of files in the tree: which one ``{% static %}`` or a URL means, and the URL of a file."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from urllib.parse import quote, unquote, urljoin, urlsplit

_QUERY_OR_FRAGMENT = re.compile(r"[?#]")
_SAFE_CHARACTERS = "/~!*()'"
_PACKAGE_FOLDERS = frozenset(("site-packages", "dist-packages", "node_modules"))
_MOST_ENDS = 16
"""The largest number of ``?`` and ``#`` at which a name is split. Bounded, because a name may be a visitor's input."""


def is_of_a_package(path: str | None) -> bool:
    """Whether a path is inside an installed package."""
    return path is not None and not _PACKAGE_FOLDERS.isdisjoint(path.replace("\\", "/").split("/"))


def is_script(name: str) -> bool:
    """Whether a browser runs a file of this name as a script, or as a module."""
    return name.lower().endswith((".js", ".mjs"))


def is_stylesheet(name: str) -> bool:
    """Whether a file of this name is a stylesheet."""
    return name.lower().endswith(".css")


def iter_candidates(name: str) -> Iterator[tuple[str, str]]:
    """Yield the file names that ``{% static name %}`` may mean, the likeliest first, each with the rest of the URL.

    First the whole name, then the name up to a ``?`` or ``#``, the last one first. After these come the same names
    percent-decoded, as Django's own storage reads them, and with backslashes as slashes.
    """
    yield name, ""
    ends = [match.start() for match in islice(_QUERY_OR_FRAGMENT.finditer(name), _MOST_ENDS)] or [len(name)]
    parts = [(name[:end], name[end:]) for end in reversed(ends)]
    yield from parts
    yield from ((unquote(path).strip(), rest) for path, rest in parts)
    yield from ((path.replace("\\", "/"), rest) for path, rest in parts)


def find_stored(name: str, hashed_files: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the fingerprinted name of the file that ``{% static name %}`` means, and the rest of the URL; or None."""
    found = ((hashed_files.get(candidate), rest) for candidate, rest in iter_candidates(name))
    return next(((stored, rest) for stored, rest in found if stored is not None), None)


def build_static_url(base_url: str, stored: str) -> str:
    """Return the URL of a stored file. Django's ``filepath_to_uri`` would turn backslashes into slashes."""
    return urljoin(base_url, quote(stored, safe=_SAFE_CHARACTERS).lstrip("/"))


def find_tree_name(url: str, file: str, static_url: str) -> str:
    """Return the name in the tree for a URL in a file; empty if that is not below `static_url`."""
    base, parts = urlsplit(static_url), urlsplit(url)
    if parts.scheme not in ("", base.scheme) or parts.netloc not in ("", base.netloc) or not parts.path:
        return ""
    path = unquote(parts.path)
    if path.startswith("/"):
        return path.removeprefix(base.path) if path.startswith(base.path) else ""
    name = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
    return "" if name.startswith("..") else name
