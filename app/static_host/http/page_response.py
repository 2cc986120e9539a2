"""A whole response to a request for a page."""

from __future__ import annotations

from typing import NamedTuple

from static_host.origin.body_cache import Body
from static_host.origin.response import Slice


class PageResponse(NamedTuple):
    """A whole response: status, field lines, the body, or its parts where some are in files, and the handler."""

    status: int
    lines: bytes
    body: bytes
    handler: str = "django"
    parts: tuple[Body | Slice, ...] = ()

    def close(self) -> None:
        """Close the files of the parts."""
        for part in self.parts:
            if isinstance(part, Slice):
                part.file.close()
