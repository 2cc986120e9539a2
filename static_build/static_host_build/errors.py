"""What ends a build: its error, and what a file that cannot be read or written is told as."""

from __future__ import annotations

import errno

from static_host.errors import StaticHostError

_REMEDIES = {
    errno.EACCES: "The build's user must be able to read static folders, and to write beside the static root.",
    errno.ENAMETOOLONG: "Shorten its name: of 255 bytes, a fingerprint and a coding's suffix take up to 30.",
}


class BuildError(StaticHostError):
    """The build cannot go on; the previous tree, if any, still stands."""

    exit_code = 5


def format_os_error(error: OSError) -> str:
    """Return what went wrong with a file, where, and what to do if that is not plain. It ends with a full stop."""
    message = f"{error.strerror or error}: {error.filename}." if error.filename else f"{error.strerror or error}."
    return f"{message} {_REMEDIES.get(error.errno or 0, '')}".rstrip()
