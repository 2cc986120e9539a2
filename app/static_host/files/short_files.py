"""Reads short files whole: that costs less than to send them from their descriptors."""

from __future__ import annotations

import errno
import os

MAX_SHORT_BYTES = 64 << 10
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.EINVAL)
"""What a file system says that does not know RWF_NOWAIT."""


def read_short_file(descriptor: int, length: int, *, may_wait: bool) -> bytes | None:
    """Return the content of a short file; None if it is longer, or reading might wait.

    Raises OSError: it is shorter by now, or BlockingIOError where reading has to wait, and may not.
    """
    if length > MAX_SHORT_BYTES or (not may_wait and not _NOWAIT):
        return None
    content = bytearray(length)
    try:
        count = os.preadv(descriptor, [content], 0, 0 if may_wait else _NOWAIT) if length else 0
    except OSError as error:
        if error.errno in _UNSUPPORTED and not may_wait:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from None
        raise
    if count < length and not may_wait:  # only a part of it is in the page cache
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    if count != length:
        raise OSError(errno.EIO, "the file is shorter than it was when it was opened")
    return bytes(content)
