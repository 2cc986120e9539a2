"""Reads short files whole: that costs less than to send them from their descriptors."""

from __future__ import annotations

import errno
import os

MAX_SHORT_BYTES = 64 << 10
"""Length up to which a file is read for its response; of a longer one, slices are sent."""
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.EINVAL)
"""What a file system says that does not know RWF_NOWAIT."""


def read_short_file(descriptor: int, length: int, *, may_wait: bool) -> bytes | None:
    """Return the content of a file of this length; None if it is not short.

    Raises OSError: it is shorter by now, or BlockingIOError where reading would wait, and may not.
    """
    if length > MAX_SHORT_BYTES:
        return None
    content = bytearray(length)
    try:
        if not may_wait and not _NOWAIT:
            raise OSError(errno.EOPNOTSUPP, "no read without a wait")  # noqa: TRY301 - one way out
        count = os.preadv(descriptor, [content], 0, 0 if may_wait else _NOWAIT) if length else 0
    except OSError as error:
        if error.errno in _UNSUPPORTED and not may_wait:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from None
        raise
    if count != length:
        raise OSError(errno.EIO, "the file is shorter than it was when it was opened")
    return bytes(content)
