"""The error that ends a build, and the wording of file errors."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from static_host.errors import StaticHostError

_REMEDIES = {
    errno.EACCES: "The build's user must be able to read static folders, and to write beside the static root.",
    errno.ENAMETOOLONG: "Shorten its name: of 255 bytes, fingerprint and coding suffix take up to 30.",
}


_MAX_PROBLEMS_SHOWN = 20


class BuildError(StaticHostError):
    """The build has failed; the previous tree, if any, stays in place."""

    exit_code = 5


def list_problems(heading: str, problems: Sequence[str]) -> str:
    """Return a heading, a line for each of the first problems, and the number of the others."""
    more = [f"and {len(problems) - _MAX_PROBLEMS_SHOWN} more"] if len(problems) > _MAX_PROBLEMS_SHOWN else []
    return "\n  ".join([heading, *problems[:_MAX_PROBLEMS_SHOWN], *more])


def explain_os_error(error: OSError) -> tuple[str, str]:
    """Return the error and the file as a sentence, and the remedy, or "" if none is known."""
    message = f"{error.strerror or error}: {error.filename}." if error.filename else f"{error.strerror or error}."
    return message, find_remedy(error.errno or 0)


def find_remedy(number: int) -> str:
    """Return the remedy for a failed system call with this error number, or "" if none is known."""
    return _REMEDIES.get(number, "")
