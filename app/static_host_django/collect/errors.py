"""The error that ends a build in the project's process with a message, and no traceback of its own."""

from __future__ import annotations


class CollectionError(Exception):
    """The project's files cannot be collected; its cause, if any, is the exception of the project that is shown.

    `errno` is that of a failed system call, else 0.
    """

    def __init__(self, message: str, *, remedy: str = "", errno: int | None = 0) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.errno = errno or 0
