"""The build, from a project to a tree: collect → encode → index → swap into place.

Rule: it needs no database and no network, and never leaves half a tree. Two builds of one source give the same
bytes, the index included.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from app.origin import index
from app.project import Project, configured, explained
from app.settings import Settings
from static_build import resources
from static_build.bundles import fingerprinted
from static_build.cache import Cache
from static_build.collect import STORAGE, Collected, collect
from static_build.compress import NOTHING, Compressed, compress
from static_build.encode import Encoder
from static_build.releases import BuildFailed, staging, swap


@dataclass(frozen=True, slots=True)
class Built:
    """What a build made. Sizes are in bytes; `smallest` is what a client that reads every coding downloads."""

    root: Path
    release: str
    changed: bool
    made: resources.Made
    seconds: float

    @property
    def identity(self) -> int:
        """All contents without content coding, each counted once."""
        return sum(content.lengths["identity"] for content in self.made.contents)

    @property
    def smallest(self) -> int:
        """All contents, each counted once and in its smallest representation."""
        return sum(min(content.lengths.values()) for content in self.made.contents)

    @property
    def encoded(self) -> int:
        """Contents whose format is worth encoding."""
        return sum(content.tried for content in self.made.contents)

    @property
    def from_cache(self) -> int:
        """Those of them that an earlier build had encoded."""
        return sum(content.from_cache for content in self.made.contents)


def build(settings: Settings, progress: resources.Progress = resources.unseen) -> Built:
    """Build the project's static tree and swap it into place. Raises Stop; the old tree then still stands."""
    began = time.monotonic()
    project = configured(settings)
    root = Path(os.path.abspath(project.static_root))  # noqa: PTH100 - it takes ".." out, and leaves the link alone
    try:
        with staging(root) as directory:
            collected, compressed = _collected(project, directory)
            made = _made(directory, collected, compressed, settings, progress)
            manifest = (collected.manifest, (directory / collected.manifest).read_bytes())
            (directory / index.NAME).write_bytes(_index(project, made, manifest))
            release, changed = swap(directory, root)
    except OSError as error:
        raise BuildFailed(f"{error.strerror}: {error.filename or root}. {root} is as it was.") from None
    return Built(root, release, changed, made, time.monotonic() - began)


def _collected(project: Project, directory: Path) -> tuple[Collected, Compressed]:
    """Run the project's collectstatic into the directory, and django-compressor where it is used."""
    project.lay_over(project.prefix, directory, STORAGE)
    project.set_up()
    with explained(project.name):
        return collect(directory, project.settings), compress(project.host + project.prefix)


def _made(
    directory: Path, collected: Collected, compressed: Compressed, settings: Settings, progress: resources.Progress
) -> resources.Made:
    manifest = directory / collected.manifest
    if not manifest.exists():
        raise BuildFailed(f"collectstatic made no manifest {manifest.name}: the project's storage does not keep one.")
    root_files = settings.static_root_files
    folders = tuple(name for name in root_files if name.endswith("/"))
    names = resources.names(directory, lambda name: name in root_files or name.startswith(folders))
    names = [name for name in names if name not in (collected.manifest, compressed.manifest)]
    if not names:
        raise BuildFailed("the project has no static files: its finders find none.")
    encoder = Encoder(settings.static_codings)
    cache = Cache(_cache_directory(settings), encoder.recipe)
    lost = resources.fingerprinted(manifest).difference(names)
    if lost:
        raise BuildFailed(
            f"the manifest names files that are not there: {', '.join(sorted(lost))}. Rename their sources."
        )
    hashed = resources.fingerprinted(manifest).union(
        *(fingerprinted(name, data, set(names)) for name, data in collected.bundles.items())
    )
    patterns = [re.compile(settings.static_immutable_pattern or NOTHING), re.compile(compressed.pattern)]
    made = resources.make(
        directory,
        names,
        lambda name: name in hashed or any(pattern.search(name) for pattern in patterns),
        encoder,
        cache,
        progress,
    )
    cache.prune()
    return made


def _index(project: Project, made: resources.Made, manifest: tuple[str, bytes]) -> bytes:
    try:
        return index.dumps(project.prefix, made.resources, manifest)
    except ValueError as error:
        raise BuildFailed(f"a static file has a name that cannot be served: {error}. Rename it.") from None


def _cache_directory(settings: Settings) -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())  # no variable of ours
    return settings.static_cache or home / "static-host"
