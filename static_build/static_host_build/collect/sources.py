"""What a build is made of: the files that the project's finders list, and everything else that the tree depends on.

Rule: two builds with the same `fingerprint` make the same tree, byte for byte, so the second has nothing to do. It is
made of contents, never of times; where a build depends on what cannot be named here (a collectstatic or a storage of
the project's own, templates that are compressed), there is none, and the build is done in full.
"""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import file_digest, sha256
from importlib.metadata import version
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.utils import matches_patterns
from django.core.files.storage import FileSystemStorage, storages
from django.core.management import get_commands

import static_host
import static_host_build
from static_host.origin.index import INDEX_FILE_NAME as INDEX
from static_host_build.collect.links import skip_circular_links
from static_host_build.errors import BuildError

DJANGO_APP = "django.contrib.staticfiles"


@dataclass(frozen=True)
class Source:
    """A file that a finder lists: its `name` in the tree, and its `path` in the storage that has it."""

    name: str
    path: str
    storage: Any

    @cached_property
    def file(self) -> str | None:
        """Its absolute path; None where the storage has no local files."""
        try:
            return str(self.storage.path(self.path))
        except NotImplementedError:
            return None

    @cached_property
    def fault(self) -> str:
        """What it is, as the end of a sentence, if it is a symbolic link that leads to no file; else nothing.

        Raises BuildError for what is neither a file nor a link, OSError for what cannot be looked at.
        """
        if self.file is None:
            return ""
        try:
            mode = os.stat(self.file).st_mode  # noqa: PTH116 - for every file
        except (FileNotFoundError, NotADirectoryError):
            return "is a symbolic link to a file that does not exist"
        except OSError as error:
            if error.errno == errno.ELOOP:
                return "is a symbolic link that leads back to itself"
            raise
        if S_ISDIR(mode):
            return "is a symbolic link to a folder that it lies in"
        if not S_ISREG(mode):
            raise BuildError(f"{self.file} is in a static folder, and is not a regular file. Remove it.")
        return ""

    @property
    def is_file(self) -> bool:
        """Whether it is a file, or a link to one; ``storage.exists()`` is true of links to nothing, too."""
        return not self.fault

    def read(self) -> bytes:
        """Return its content. Raises OSError."""
        with self.storage.open(self.path) as file:
            return bytes(file.read())


def list_sources() -> list[Source]:
    """Return what the project's finders list, in their order, without Django's ignore patterns.

    Of several sources with one name, collectstatic takes the first.
    """
    if not apps.is_installed(DJANGO_APP):
        return []
    try:
        with skip_circular_links():
            return [
                Source(f"{storage.prefix}/{path}" if getattr(storage, "prefix", None) else path, path, storage)
                for finder in finders.get_finders()
                for path, storage in finder.list([])
            ]
    except OSError as error:
        raise BuildError(f"a static folder cannot be read: {error.strerror}: {error.filename}.") from None


def refuse_clashes(sources: Iterable[Source]) -> None:
    """Stop where one source is a file, and another one lies in a folder of the same name; or has the index's name."""
    sources = list(sources)
    for source in sources:
        if source.name == INDEX:
            raise BuildError(f"{source.file or source.path} has the name of the tree's own index. Remove or rename it.")
    first: dict[str, Source] = {}
    folders: dict[str, Source] = {}
    for source in sources:
        if first.setdefault(source.name, source) is source:
            for folder in _list_parents(source.name):
                if folder in folders:
                    break
                folders[folder] = source
    clashing = first.keys() & folders.keys()
    for name in sorted(clashing):
        inside = (each for each in first.values() if each.name.startswith(f"{name}/") and _is_collected(each))
        other = next(inside, None)
        if other and _is_collected(first[name]):
            raise BuildError(
                f"{name} is a file ({first[name].file}), and a folder in which {other.name} lies ({other.file}). "
                "Rename one of the two in its static folder."
            )


def _list_parents(name: str) -> Iterator[str]:
    """Give the folders that a name lies in, the nearest first."""
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _is_collected(source: Source) -> bool:
    """Whether it is a file, and none that collectstatic passes over."""
    patterns = getattr(apps.get_app_config("staticfiles"), "ignore_patterns", ())
    parts = (*source.path.split("/"), source.path)
    return source.is_file and not any(matches_patterns(part, patterns) for part in parts)


def refuse_nested_root(root: Path) -> None:
    """Stop where the static root lies in a static folder: each build would collect the one before it."""
    storages_of_finders = (getattr(finder, "storages", {}) for finder in finders.get_finders())
    for storage in (storage for group in storages_of_finders for storage in group.values()):
        folder = Path(os.path.abspath(storage.location))  # noqa: PTH100 - as root is
        if root.is_relative_to(folder):
            raise BuildError(
                f"the static root {root} lies in the static folder {folder}: set DJANGO_STATIC_ROOT to a directory "
                "outside of it."
            )


def is_default_collection(storage: type) -> bool:
    """Whether collecting is all Django's and ours: its own collectstatic, into this very class of storage."""
    return get_commands().get("collectstatic") == DJANGO_APP and type(storages["staticfiles"]) is storage


def fingerprint(sources: Iterable[Source], *facts: object) -> str | None:
    """Return a digest of everything that the tree is made of; None if a source is more than a local file.

    `facts` is what else the caller's build depends on: settings, encoders and their versions.
    """
    digest = sha256(repr((*facts, *_list_versions(), *_list_project_settings())).encode())
    for source in sources:
        if source.file is None or type(source.storage) is not FileSystemStorage:  # it may give other bytes
            return None
        if source.is_file:
            with open(source.file, "rb", buffering=0) as file:  # noqa: PTH123 - faster, for every file
                digest.update(f"\0{source.name}\0{source.path}\0".encode(errors="surrogateescape"))
                digest.update(file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _list_versions() -> Iterable[object]:
    yield platform.python_version(), django.get_version(), version("whitenoise")
    for package in (static_host, static_host_build):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            yield f"{package.__name__}/{path.relative_to(root)}", sha256(path.read_bytes()).digest()


def _list_project_settings() -> Iterable[object]:
    yield settings.STATIC_URL, settings.STATICFILES_FINDERS, settings.STORAGES["staticfiles"], settings.DEBUG
    yield getattr(apps.get_app_config("staticfiles"), "ignore_patterns", None)
