"""The error that ends a build, and the wording of file errors."""

from __future__ import annotations

import errno

from static_host.errors import StaticHostError

_REMEDIES = {
    errno.EACCES: "The build's user must be able to read static folders, and to write beside the static root.",
    errno.ENAMETOOLONG: "Shorten its name: of 255 bytes, fingerprint and coding suffix take up to 30.",
}


class BuildError(StaticHostError):
    """The build has failed; the previous tree, if any, stays in place."""

    exit_code = 5


def format_os_error(error: OSError) -> str:
    """Return the error, the file and the remedy, if one is known, as whole sentences."""
    message = f"{error.strerror or error}: {error.filename}." if error.filename else f"{error.strerror or error}."
    return f"{message} {_REMEDIES.get(error.errno or 0, '')}".rstrip()
