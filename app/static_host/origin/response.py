"""A response of the origin: status, header fields, and a body in memory or as slices of an open file.

Rule: who takes a response closes it; a slice holds its file open until then.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from static_host.origin.body_cache import Body
from static_host.origin.headers import Headers, build_error_headers

NOT_FOUND = b"Not Found\n"


@dataclass(frozen=True, slots=True)
class Slice:
    """Bytes of an open file, for the adapter to read: `length` bytes from `offset`."""

    file: io.FileIO
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Response:
    """A status, its header fields in order, and the parts of the body. Whoever takes it closes it.

    `compute_digest` is that of the body, where it is a whole representation's that the tree keeps in memory; else
    empty.
    """

    status: int
    headers: Headers
    body: tuple[Body | Slice, ...] = ()
    digest: str = ""

    def close(self) -> None:
        """Close the file that the body lies in, if it does."""
        for part in self.body:
            if isinstance(part, Slice):
                part.file.close()


NOT_FOUND_RESPONSES = {
    "GET": Response(404, build_error_headers(NOT_FOUND), (NOT_FOUND,)),
    "HEAD": Response(404, build_error_headers(NOT_FOUND)),
}


def is_not_found(response: Response) -> bool:
    """Whether a response says that there is no such file."""
    return response is NOT_FOUND_RESPONSES["GET"] or response is NOT_FOUND_RESPONSES["HEAD"]
