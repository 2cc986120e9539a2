"""Prepares standard input, output and error for all commands, and UTF-8 for names, arguments and text.

Rule: the exit code depends on what a command did, not on who reads its output. A closed stream becomes the null device.
A closed pipe (``| head``) is not an error. Any other failure to write to standard output, such as a full disk, is an
error, with exit code 1 unless the command itself failed. A character that the stream's encoding lacks is escaped.

File names are bytes and URLs are UTF-8. A locale with another encoding would change the names of the tree's files.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from static_host.errors import StaticHostError
from static_host.telemetry import log_configuration


class OutputLostError(StaticHostError):
    """The command's output was lost."""

    exit_code = 1


class WorkingDirectoryError(StaticHostError):
    """The working directory cannot be used."""

    exit_code = 2


class _Output(io.FileIO):
    """A file descriptor to which writing never fails; `error` is the first failure other than a closed pipe."""

    error: OSError | None = None

    def write(self, data: object) -> int:
        """Write the data, and report success in any case."""
        try:
            return super().write(data)  # type: ignore[arg-type]  # any buffer
        except BrokenPipeError:
            pass
        except BlockingIOError:
            raise
        except OSError as error:
            self.error = self.error or error
        return memoryview(data).nbytes  # type: ignore[arg-type]


@contextmanager
def prepare_streams() -> Iterator[None]:
    """Prepare the streams for a command. Restarts the program in UTF-8 mode if its locale is not UTF-8.

    Raises WorkingDirectoryError; OutputLostError if the command succeeded, but its output cannot be written.
    """
    _open_closed_streams()
    if sys.getfilesystemencoding() != "utf-8" and sys.executable:
        os.execv(sys.executable, [sys.orig_argv[0], "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - itself
    output = _Output(1, "w", closefd=False)
    sys.stdout = _wrap_stream(output, sys.stdout)
    sys.stderr = _wrap_stream(_Output(2, "w", closefd=False), sys.stderr)
    log_configuration.configure_logging(log_configuration.log_format())
    _require_working_directory()
    try:
        yield
    except SystemExit as end:
        if end.code:
            raise
        _require_written(output)
        raise
    _require_written(output)


@contextmanager
def redirect_stdout_to_stderr() -> Iterator[None]:
    """Redirect standard output to standard error meanwhile, also that of programs that the project starts."""
    sys.stdout.flush()
    own = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(own, 1)
        os.close(own)


def _open_closed_streams() -> None:
    """Open the null device for closed descriptors 0 to 2. Otherwise the next opened file would get such a number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115


def _require_working_directory() -> None:
    try:
        os.getcwd()  # noqa: PTH109 - only whether there is one
    except OSError as error:
        message = f"the working directory cannot be used: {error.strerror}."
        raise WorkingDirectoryError(message, remedy="Change to another one.") from None


def _wrap_stream(raw: _Output, like: TextIO) -> TextIO:
    """Return a text stream with the encoding and the buffering of `like`."""
    is_direct = bool(getattr(like, "write_through", False))
    return io.TextIOWrapper(
        raw if is_direct else io.BufferedWriter(raw),  # as Python itself does with -u
        encoding=like.encoding,
        errors="backslashreplace",
        line_buffering=bool(getattr(like, "line_buffering", False)),
        write_through=is_direct,
    )


def _require_written(output: _Output) -> None:
    with suppress(ValueError):  # the project closed it
        sys.stdout.flush()
    if output.error:
        rest = "The command did its work; only its output is lost."
        raise OutputLostError(f"standard output cannot be written: {output.error.strerror}. {rest}")
