"""openat2(2), which Python does not have: opens a file, and restricts how its name is resolved.

Rule: the kernel enforces the restriction while it walks the name, so no link that is swapped meanwhile leads elsewhere.
"""

from __future__ import annotations

import ctypes
import errno
import os
from functools import cache

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_CACHED = 0x20
"""Fail with EAGAIN where the kernel would have to wait for a disk."""

_NUMBER = 437  # of the system call, on every architecture that Python runs on
_WORKING_DIRECTORY = -100  # AT_FDCWD


class How(ctypes.Structure):
    """The struct open_how."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(How), ctypes.c_size_t)
_syscall.restype = ctypes.c_long
_SIZE = ctypes.sizeof(How)


def openat2(directory: int, name: bytes, how: How) -> int:
    """Return a descriptor of the file with this name, which has no NUL byte. Raises OSError."""
    while (descriptor := _syscall(_NUMBER, directory, name, how, _SIZE)) < 0:
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))
    return int(descriptor)


@cache
def has_openat2() -> bool:
    """Whether the kernel has the call, and no sandbox forbids it."""
    return hasattr(os, "O_PATH") and _can_resolve(RESOLVE_BENEATH, os.O_PATH)


@cache
def has_resolve_cached() -> bool:
    """Whether the kernel has RESOLVE_CACHED (Linux 5.12)."""
    return hasattr(os, "O_PATH") and has_openat2() and _can_resolve(RESOLVE_CACHED, os.O_PATH)


def _can_resolve(resolve: int, flags: int) -> bool:
    try:
        os.close(openat2(_WORKING_DIRECTORY, b".", How(flags | os.O_CLOEXEC, 0, resolve)))
    except BlockingIOError:
        return True
    except OSError:
        return False
    return True
