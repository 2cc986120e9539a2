"""A finder for the files that bundlers have written into the project's own STATIC_ROOT; the build says which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import BaseFinder
from django.contrib.staticfiles.utils import matches_patterns
from django.core.files.storage import FileSystemStorage

FINDER = "static_host_django.collect.root_finder.RootFinder"


class RootFinder(BaseFinder):
    """Finds the files `names` in `location`, after all other finders."""

    location = ""
    names: Sequence[str] = ()

    def check(self, **_: Any) -> list[Any]:
        """Report no problem: the build configures this finder, not the project."""
        return []

    def find(self, *_: Any, **__: Any) -> Any:
        """Find no single file: only development asks for one."""
        return []

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, FileSystemStorage]]:
        """Yield the files and their storage."""
        storage = FileSystemStorage(location=self.location)
        patterns = [*(ignore_patterns or ())]
        for name in self.names:
            if not any(matches_patterns(part, patterns) for part in (name, *name.split("/"))):
                yield name, storage


def install_finder(location: str, names: Sequence[str]) -> None:
    """Add the finder to STATICFILES_FINDERS."""
    RootFinder.location, RootFinder.names = location, names
    settings.STATICFILES_FINDERS = [*settings.STATICFILES_FINDERS, FINDER]
