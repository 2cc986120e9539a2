"""Where uploads lie and at which URLs they are served, from what the project says of its default storage.

Rule: a directory that has anything else in it than uploads is not served: the server does not start. The files of a
storage that is not local are not ours: that is no error, and a start-up line says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from static_host.errors import StaticHostError

SETTING = "DJANGO_SERVE_MEDIA=true"
ROOT_REMEDY = "Set MEDIA_ROOT to a directory of its own."
URL_REMEDY = "Set MEDIA_URL to a path of its own, for example '/media/'."


class UnservableMediaError(StaticHostError):
    """Uploads cannot be served as the project's settings are."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Storage:
    """The project's default storage.

    `location` and `url` are empty where it has none, or is not local. `obstacle` is why it cannot be used, or empty.
    `private_files` are files of the project that no visitor may read: what each is → its path.
    """

    class_path: str
    is_local: bool
    location: str
    url: str
    obstacle: str
    private_files: dict[str, str]

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Storage:
        """Return what a process of the project said (docs/frames.md)."""
        return cls(**facts)

    def describe_foreign(self) -> str:
        """Return the line about a storage that is not local."""
        if self.obstacle:
            return f"uploads are not served here: the default storage cannot be used: {self.obstacle}"
        return f"uploads are not served here: they are in {self.class_path}, which is no local directory"


@dataclass(frozen=True, slots=True)
class MediaPlace:
    """A directory of uploads, and the URL paths below which they are served; decoded, with a slash at both ends."""

    root: Path
    prefixes: tuple[bytes, ...]

    @property
    def summary(self) -> str:
        """The start-up line about it."""
        paths = " and ".join(prefix.decode("utf-8", "replace") for prefix in self.prefixes)
        return f"uploads of {self.root} at {paths}"


def find_media_place(
    storage: Storage, static_root: Path, static_prefixes: Iterable[bytes], expand: Callable[[str], tuple[str, ...]]
) -> MediaPlace | None:
    """Return where uploads are served; None if they are not local. Raises UnservableMediaError.

    `expand` returns the prefixes of a path: FORCE_SCRIPT_NAME may make two of it.
    """
    if not storage.is_local or storage.obstacle:
        return None
    if not storage.location:
        found = f"{SETTING}: MEDIA_ROOT is empty: Django's uploads would go to the working directory, with its code."
        raise UnservableMediaError(found, remedy=ROOT_REMEDY)
    path = f"/{urlsplit(storage.url).path.strip('/')}/"
    if path == "//":
        found = f"{SETTING}: MEDIA_URL = {storage.url!r} has no path of its own: every page's URL begins like it."
        raise UnservableMediaError(found, remedy=URL_REMEDY)
    prefixes = tuple(map(unquote_to_bytes, expand(path)))
    for prefix in prefixes:
        for other in static_prefixes:
            if prefix.startswith(other) or other.startswith(prefix):
                found = f"{SETTING}: MEDIA_URL = {storage.url!r} and the static files at {other.decode()} overlap."
                raise UnservableMediaError(found, remedy=URL_REMEDY)
    root = Path(storage.location)
    _refuse_other_content(root, storage, static_root)
    return MediaPlace(root, prefixes)


def _refuse_other_content(root: Path, storage: Storage, static_root: Path) -> None:
    """Raise UnservableMediaError if the directory contains the project's code, a database, or the static tree."""
    real = root.resolve()
    contents = {"the working directory": Path.cwd(), "the static tree": static_root}
    contents |= {what: Path(path) for what, path in storage.private_files.items()}
    for what, path in contents.items():
        places = (path.resolve(), path.parent.resolve() / path.name)  # the static root is a link
        if any(place.is_relative_to(real) for place in places):
            found = f"{SETTING}: MEDIA_ROOT = {str(root)!r} contains {what}, {path}: visitors could read it."
            raise UnservableMediaError(found, remedy=ROOT_REMEDY)
