"""Resolves references as a browser does (WHATWG URL, HTML module specifiers), and makes their new URLs.

Rule: three kinds of references stay unchanged: those that leave the tree by a host, a scheme or a path; bare module
specifiers, which belong to an import map or a bundler; and those to a directory.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote, unquote

from static_host_build.references.reference import Reference

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*+:")
_PARTS = re.compile(r"(?P<path>[^?#]*+)(?P<rest>[\s\S]*+)")
_DROPPED_CHARACTERS = dict.fromkeys(map(ord, "\t\n\r"))
"""Characters that a browser drops anywhere in a URL."""
_SLASH = re.compile(r"/|%2[fF]")
_SLASHES = re.compile(r"/{2,}")
_SAFE_CHARACTERS = "~!*@+,=&$"
"""Characters that stay unquoted in a URL's path, besides letters, digits and ``_.-``."""


@dataclass(frozen=True, slots=True)
class Target:
    """The name of the target file, and the parts of the URL that stay: its folder, its query and fragment."""

    name: str
    folder: str
    rest: str

    def make_url(self, name: str) -> str:
        """Return the URL of the file `name`, which is in the same folder."""
        return f"{self.folder}{quote_name(name.rpartition('/')[2])}{self.rest}"


def quote_name(name: str) -> str:
    """Return a file's name, percent-encoded for a URL (RFC 3986 §2.1)."""
    return quote(name.encode("utf-8", "surrogateescape"), safe=_SAFE_CHARACTERS)


def resolve(reference: Reference, file: str, prefix: str) -> Target | None:
    """Return the target of a reference in the file `file`; None if it stays unchanged.

    `prefix` is the URL path of the tree, with a slash at its end.
    """
    url = reference.target.strip("\t\n\r\f ").translate(_DROPPED_CHARACTERS)
    match = _PARTS.match(url)
    path, rest = (match["path"], match["rest"]) if match else ("", "")
    if not path or path.startswith(("//", "\\\\", "/\\", "\\/")) or _SCHEME.match(path):
        return None
    if not reference.is_url and _is_bare(path, file):
        return None
    path = path.replace("\\", "/")
    last = _SLASH.split(path)[-1]
    folder = _SLASHES.sub("/", path[: len(path) - len(last)])
    if unquote(last) in ("", ".", ".."):
        return None
    decoded = unquote(path, errors="surrogateescape")
    if not path.startswith("/"):
        return Target(_resolve_relative(posixpath.dirname(file), decoded, prefix), folder, rest)
    name = posixpath.normpath("/" + decoded.lstrip("/"))
    return Target(name[len(prefix) :], folder, rest) if name.startswith(prefix) else None


def _is_bare(path: str, file: str) -> bool:
    """Whether a specifier names a package, not a file: ``vue``, ``tailwindcss``, ``~bootstrap/dist/css/x.css``.

    In a stylesheet, every name is a file's for a browser; here it is one if it ends in ``.css``.
    """
    if path.startswith((".", "/")):
        return False
    return file.lower().endswith("js") or path.startswith(("@", "~")) or not path.lower().endswith(".css")


def _resolve_relative(folder: str, path: str, prefix: str) -> str:
    """Return the name of a relative path in the tree; it begins with ``..`` if the path leaves the tree.

    A browser stops at the root of the host, so a path may also leave the tree and return into it.
    """
    name = posixpath.normpath(posixpath.join(folder, path))
    if not name.startswith("../"):
        return name
    absolute = posixpath.normpath(posixpath.join(prefix, folder, path))
    return absolute[len(prefix) :] if absolute.startswith(prefix) else name


def rewrite(text: str, references: list[Reference], urls: list[str]) -> str:
    """Return the text with each reference replaced by its new URL; both lists are in order."""
    pieces: list[str] = []
    position = 0
    for reference, url in zip(references, urls, strict=True):
        pieces += (text[position : reference.start], reference.escape(url))
        position = reference.end
    return "".join((*pieces, text[position:]))


def list_folders(names: Collection[str]) -> frozenset[str]:
    """Return every folder that has one of the names below it."""
    folders: set[str] = set()
    for name in names:
        folder = posixpath.dirname(name)
        while folder and folder not in folders:
            folders.add(folder)
            folder = posixpath.dirname(folder)
    return frozenset(folders)
