"""The inputs of a build: the files that the project's finders list, and everything else that the tree depends on.

Rule: two builds with the same `fingerprint` make the same tree, byte for byte, so the second has nothing to do. The
fingerprint covers contents, never times. There is none, and the build runs in full, if the build depends on more than
this module can name: the project's own collectstatic or storage, or compressed templates.
"""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property, partial
from hashlib import file_digest, sha256
from importlib.metadata import version
from pathlib import Path
from stat import S_ISDIR, S_ISREG

import static_host
import static_host_build
import static_host_django
from static_host.origin.index import ROOT_FOLDER
from static_host_build.build_errors import BuildError
from static_host_build.collect.project_process import BuiltProject
from static_host_build.collect.static_root_files import RootFiles
from static_host_build.collect.whitenoise_root import list_root_files


@dataclass(frozen=True)
class Source:
    """A file that a finder lists: its `name` in the tree, and its `path` in the storage that has it.

    `file` is its absolute path; None where the storage has no local files. If it `is_plain`, its bytes are those of the
    local file; a storage of another class may change them. `read` returns its content, and raises OSError. `is_of_root`
    is set for a bundler's file in the project's STATIC_ROOT.
    """

    name: str
    path: str
    file: str | None
    is_plain: bool
    read: Callable[[], bytes] = field(compare=False, repr=False)
    is_of_root: bool = False

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
            raise BuildError(f"{self.file} is in a static folder, and is not a regular file.", remedy="Remove it.")
        return ""

    @property
    def is_file(self) -> bool:
        """Whether it is a file, or a link to one; ``storage.exists()`` is also true for a link without a target."""
        return not self.fault


@dataclass(frozen=True, slots=True)
class FoundSources:
    """What the finders list, in their order, then the bundlers' files of STATIC_ROOT, then those of WHITENOISE_ROOT.

    `folders` are those that the finders search. Of several sources with one name, collectstatic takes the first.
    """

    sources: list[Source]
    folders: list[str]

    @property
    def root_names(self) -> list[str]:
        """The names of the bundlers' files in STATIC_ROOT."""
        return [source.name for source in self.sources if source.is_of_root]


def find_sources(project: BuiltProject) -> FoundSources:
    """Return all files that the project's finders list. Django's ignore patterns do not apply.

    Raises BuildError if a folder cannot be read.
    """
    listed = project.process.call("list_files")
    sources = [
        Source(
            name,
            path,
            file,
            is_plain,
            Path(file).read_bytes if file and is_plain else partial(project.process.read, number),
        )
        for number, (name, path, file, is_plain) in enumerate(listed["files"])
    ]
    root = project.project_static_root
    bundled = RootFiles(root).find_bundled({source.name for source in sources}) if root.is_dir() else ()
    of_root = [Source(name, name, str(root / name), True, (root / name).read_bytes, True) for name in sorted(bundled)]
    at_root = list_root_files(project.built_settings.root) if project.built_settings.root else {}
    for name, path in at_root.items():
        of_root.append(Source(ROOT_FOLDER + name, ROOT_FOLDER + name, str(path), True, path.read_bytes))
    return FoundSources([*sources, *of_root], listed["folders"])


def fingerprint(sources: Iterable[Source], *facts: object) -> str | None:
    """Return a digest of all inputs of the tree; None if a source is more than a local file.

    `facts` are further inputs of the caller's build: the project's settings, encoders, versions.
    """
    digest = sha256(repr((*facts, *_list_versions())).encode())
    for source in sources:
        if source.file is None or not source.is_plain:
            return None
        if source.is_file:
            with open(source.file, "rb", buffering=0) as file:  # noqa: PTH123 - faster, for every file
                digest.update(f"\0{source.name}\0{source.path}\0".encode(errors="surrogateescape"))
                digest.update(file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _list_versions() -> Iterable[object]:
    yield platform.python_version(), version("whitenoise")
    for package in (static_host, static_host_build, static_host_django):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            yield f"{package.__name__}/{path.relative_to(root)}", sha256(path.read_bytes()).digest()
