"""What a reference leads to, resolved as a browser resolves it (WHATWG URL, HTML module specifiers), and its new URL.

Rule: what leaves the tree by a host, a scheme or another path is not ours, a bare module specifier belongs to an import
map or a bundler, and a directory is no file: all three are left alone.
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
"""Characters that a browser drops wherever they stand in a URL."""
_SLASH = re.compile(r"/|%2[fF]")
_SLASHES = re.compile(r"/{2,}")
_SAFE_CHARACTERS = "~!*@+,=&$"
"""What may stand in a URL's path beside letters, digits and ``_.-`` without being taken for something else."""


@dataclass(frozen=True, slots=True)
class Target:
    """The name of the file that a reference leads to, and what of the URL stays: its folder, its query and fragment."""

    name: str
    folder: str
    rest: str

    def make_url(self, name: str) -> str:
        """Return the URL of the file `name`, which takes this one's place in its folder."""
        return f"{self.folder}{quote_name(name.rpartition('/')[2])}{self.rest}"


def quote_name(name: str) -> str:
    """Return a file's name as it stands in a URL (RFC 3986 §2.1)."""
    return quote(name.encode("utf-8", "surrogateescape"), safe=_SAFE_CHARACTERS)


def resolve(reference: Reference, file: str, prefix: str) -> Target | None:
    """Return what a reference in the file `file` leads to, or None where that is no file of the tree's.

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

    In a stylesheet a browser takes any name for a file's; so does this, if it looks like that of a stylesheet.
    """
    if path.startswith((".", "/")):
        return False
    return file.lower().endswith("js") or path.startswith(("@", "~")) or not path.lower().endswith(".css")


def _resolve_relative(folder: str, path: str, prefix: str) -> str:
    """Return the name that a relative path has in the tree; one that leads out of it begins with ``..``.

    A browser stops at the root of the host, so that a path may also lead out of the tree and back into it.
    """
    name = posixpath.normpath(posixpath.join(folder, path))
    if not name.startswith("../"):
        return name
    absolute = posixpath.normpath(posixpath.join(prefix, folder, path))
    return absolute[len(prefix) :] if absolute.startswith(prefix) else name


def rewrite(text: str, references: list[Reference], urls: list[str]) -> str:
    """Return the text with a new URL in place of each reference; they are in order."""
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
