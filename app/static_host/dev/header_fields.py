"""Header fields of the project's own, in development: those of the file `_headers` that the finders find.

Rule: the file is read again for each request. A line that would fail a build is logged, and no field is set.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from static_host.dev.finder import ProjectFinder
from static_host.origin.header_rules import FILE_NAME, HeaderRules, InvalidHeaderRulesError
from static_host.origin.headers import OwnHeaders, encode_own_fields

log = logging.getLogger("static_host")


class FinderHeaderFields:
    """Finds the fields of a file by its URL paths. If the finders find no `_headers`, that at `other` counts."""

    def __init__(self, finder: ProjectFinder, other: str) -> None:
        self._finder = finder
        self._other = other
        self._logged: tuple[str, object] | None = None

    async def find(self, paths: Iterable[str]) -> OwnHeaders:
        """Return the fields of the file with these decoded paths; None removes the server's own."""
        file = await self._finder.find(FILE_NAME) or self._other
        if not file:
            return []
        try:
            fields = HeaderRules(await asyncio.to_thread(_read, file)).select(paths)
        except InvalidHeaderRulesError as error:
            self._log(file, error)
            return []
        fields.pop("cache-control", None)  # nothing is cached in development
        return encode_own_fields(fields.items())

    def _log(self, file: str, error: InvalidHeaderRulesError) -> None:
        """Log what is wrong with the file, once."""
        if self._logged != (file, error.problems):
            self._logged = file, error.problems
            for line, problem in error.problems:
                log.warning("%s, line %d: %s.", file, line, problem)


def _read(file: str) -> str:
    with suppress(OSError):  # it was just removed
        return Path(file).read_text(encoding="utf-8", errors="replace")
    return ""
