"""The inputs of a build: the files that the project's finders list, and everything else that the tree depends on.

Rule: two builds with the same `fingerprint` make the same tree, byte for byte, so the second has nothing to do. The
fingerprint covers contents, never times. There is none, and the build runs in full, if the build depends on more than
this module can name: the project's own collectstatic or storage, or compressed templates.
"""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Iterable
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
from django.core.files.storage import FileSystemStorage, storages
from django.core.management import get_commands

import static_host
import static_host_build
from static_host_build.collect.symlinks import skip_circular_links
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
        """What is wrong with a symbolic link that does not resolve to a file, as the end of a sentence; else empty.

        Raises BuildError if it is neither a regular file nor a link, OSError if its type cannot be read.
        """
        if self.file is None:
            return ""
        try:
            mode = os.stat(self.file).st_mode  # noqa: PTH116 - for every file
        except (FileNotFoundError, NotADirectoryError):
            return "is a symbolic link to a file that does not exist"
        except OSError as error:
            if error.errno == errno.ELOOP:
                return "is a symbolic link that resolves to itself"
            raise
        if S_ISDIR(mode):
            return "is a symbolic link to a folder that it lies in"
        if not S_ISREG(mode):
            raise BuildError(f"{self.file} is in a static folder, and is not a regular file. Remove it.")
        return ""

    @property
    def is_file(self) -> bool:
        """Whether it is a file, or a link to one; ``storage.exists()`` is also true for a link without a target."""
        return not self.fault

    def read(self) -> bytes:
        """Return its content. Raises OSError."""
        with self.storage.open(self.path) as file:
            return bytes(file.read())


def list_sources() -> list[Source]:
    """Return all files that the project's finders list, in their order. Django's ignore patterns do not apply.

    Of several sources with one name, collectstatic takes the first. Raises BuildError if a folder cannot be read.
    """
    if not apps.is_installed(DJANGO_APP):
        return []
    try:
        with skip_circular_links():
            return [
                Source(join_prefix(path, storage), path, storage)
                for finder in finders.get_finders()
                for path, storage in finder.list([])
            ]
    except OSError as error:
        raise BuildError(f"a static folder cannot be read: {error.strerror}: {error.filename}.") from None


def join_prefix(path: str, storage: Any) -> str:
    """Return the name in the tree of a finder's file: its path in the storage, below the storage's prefix, if any."""
    return f"{storage.prefix}/{path}" if getattr(storage, "prefix", None) else path


def is_default_collection(storage: type) -> bool:
    """Whether the project has Django's own collectstatic, and this very class of storage."""
    return get_commands().get("collectstatic") == DJANGO_APP and type(storages["staticfiles"]) is storage


def fingerprint(sources: Iterable[Source], *facts: object) -> str | None:
    """Return a digest of all inputs of the tree; None if a source is more than a local file.

    `facts` are further inputs of the caller's build: settings, encoders and their versions.
    """
    digest = sha256(repr((*facts, *_list_versions(), *_list_project_settings())).encode())
    for source in sources:
        if (
            source.file is None or type(source.storage) is not FileSystemStorage
        ):  # a storage of another class may change the bytes
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
