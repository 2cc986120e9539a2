"""The storage of a build: `collectstatic` writes into the new tree, and the build fingerprints what it has written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from static_host_django.collect.found_files import find_local_path
from static_host_django.storage import StaticHostStorage
from static_host_django.tree_writer import TreeWriter

BUILD_STORAGE = "static_host_django.collect.build_storage.BuildStorage"
Fingerprint = Callable[[dict[str, str | None]], dict[str, str]]
"""Has the build fingerprint files, by name with their local sources; returns the fingerprinted names."""


class BuildStorage(StaticHostStorage):
    """Writes into a new, empty directory."""

    writer: TreeWriter
    fingerprint: Fingerprint

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:  # noqa: ARG002 - Django's
        """Write a collected file."""
        self.writer.copy(str(name), content)
        return str(name)

    def post_process(
        self, paths: Mapping[str, Any], dry_run: bool = False, **_: Any
    ) -> Iterator[tuple[str, str, bool]]:
        """Have the build fingerprint the collected files `paths`; yield (name, fingerprinted name, True) for each."""
        if dry_run:
            return
        self.hashed_files = self.fingerprint({name: find_local_path(*paths[name]) for name in paths})
        yield from ((name, hashed, True) for name, hashed in self.hashed_files.items())
