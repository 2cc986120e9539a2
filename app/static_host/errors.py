"""The errors that end a command, and their exit codes.

Rule: an operator's mistake is one message that names the thing, the value and the remedy. An exception in the Django
project is its whole traceback, cause last. Each kind of error has one exit code:

====  ==============================================================================================================
code  meaning
====  ==============================================================================================================
0     success; for ``serve`` and ``dev``: stopped by SIGINT or SIGTERM
1     the Django project raised an exception (its traceback is printed), ``check`` or ``verify`` found an error, a
      release exceeds a limit of ``compare``, standard output could not be written (a closed pipe is not an error), or
      Ctrl-C ended the command
2     a setting, an option or a command is wrong (or an installed package has the wrong version,
      or the system is Windows)
3     the static tree, or a place of ``compare``, is missing, damaged or unreadable
4     the server cannot listen on the address
5     the build failed; the previous tree, if any, is unchanged
6     the build failed: earlier releases cannot be carried unchanged; the previous tree, if any, is unchanged
7     the release was not published: the store is unreachable, refuses, or has other bytes under one of its names
8     ``releases --seen``: a server's metrics cannot be read
====  ==============================================================================================================
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable
from typing import IO, Any

import click


class StaticHostError(click.ClickException):
    """Ends a command with a message for the operator and with `exit_code`.

    `message` says what is wrong, `remedy` what to do about it; `notes` are further lines, which help to find the cause.
    `remote_traceback` is that of the project's exception, if another process raised it; else it is the cause.
    """

    exit_code = 1
    remote_traceback = ""

    def __init__(self, message: str, *, remedy: str = "", notes: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.notes = tuple(notes)

    def __str__(self) -> str:
        return self.format_message()

    def format_message(self) -> str:
        """Return message, remedy and notes. The remedy follows one sentence directly; else it begins a line."""
        is_one_sentence = "\n" not in self.message and not self.format_traceback()
        text = (" " if is_one_sentence else "\n").join(filter(None, [self.message, self.remedy]))
        return "\n".join([text, *self.notes])

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message, and the traceback of the project's exception."""
        print(f"static-host: {self.format_report()}", file=file or sys.stderr, flush=True)

    def format_report(self) -> str:
        """Return the message, and the traceback of the project's exception after it."""
        return "\n\n".join(filter(None, [self.format_message(), self.format_traceback()]))

    def format_traceback(self) -> str:
        """Return the traceback of the project's exception, or an empty text."""
        if self.remote_traceback or self.__cause__ is None:
            return self.remote_traceback
        return "".join(traceback.format_exception(self.__cause__)).rstrip()


class IncompatiblePackagesError(StaticHostError):
    """Packages are missing or have unsupported versions; the message lists them."""

    exit_code = 2


class AddressUnavailableError(StaticHostError):
    """The server cannot listen on the address."""

    exit_code = 4
