"""A response of the origin: status, header fields, and a body in memory or as slices of an open file.

Rule: the caller that gets a response closes it; until then a slice keeps its file open.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from static_host.origin.body_cache import Body
from static_host.origin.headers import Headers, build_error_headers

NOT_FOUND = b"Not Found\n"


@dataclass(frozen=True, slots=True)
class Slice:
    """`length` bytes of an open file from `offset` on; the caller reads them."""

    file: io.FileIO
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Response:
    """A status, the header fields in order, and the parts of the body.

    `digest` is the body's if it is a whole representation that the tree keeps in memory, else empty. `release` is the
    digest of the release that alone has the file; empty for an error, and for a file of several releases.
    """

    status: int
    headers: Headers
    body: tuple[Body | Slice, ...] = ()
    digest: str = ""
    release: str = ""

    def close(self) -> None:
        """Close the files of slices, if there are any."""
        for part in self.body:
            if isinstance(part, Slice):
                part.file.close()


NOT_FOUND_RESPONSES = {
    "GET": Response(404, build_error_headers(NOT_FOUND), (NOT_FOUND,)),
    "HEAD": Response(404, build_error_headers(NOT_FOUND)),
}


def is_not_found(response: Response) -> bool:
    """Whether this is the 404 for a name that the index lacks."""
    return response is NOT_FOUND_RESPONSES["GET"] or response is NOT_FOUND_RESPONSES["HEAD"]
