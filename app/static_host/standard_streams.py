"""Standard input, output and error as every command may rely on them, and UTF-8 for names, arguments and texts.

Rule: what a command did decides its exit code, not who reads what it says. A stream that is closed is the null device.
A reader that has gone (``| head``) has read enough. Any other failure to write to standard output (a full disk) is a
message, and exit code 1 if the command has none of its own. A character that the stream's encoding lacks is escaped.

File names are bytes, and URLs are UTF-8: a locale with another encoding would give the tree's files other names.
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
    """What the command has to say was lost."""

    exit_code = 1


class WorkingDirectoryError(StaticHostError):
    """The working directory cannot be used."""

    exit_code = 2


class _Output(io.FileIO):
    """A descriptor that can always be written to; `error` is the first failure that somebody should know of."""

    error: OSError | None = None

    def write(self, data: object) -> int:
        """Write the data, and say so also where that fails."""
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
    """Have the streams in order while a command runs. Starts the program anew where its locale is not UTF-8.

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
    """Send to standard error what the project, or a program that it starts, prints meanwhile."""
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
    """Give the descriptors 0 to 2 to the null device where they are closed: else the next file gets such a number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it gets the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115


def _require_working_directory() -> None:
    try:
        os.getcwd()  # noqa: PTH109 - only whether there is one
    except OSError as error:
        message = f"the working directory cannot be used: {error.strerror}."
        raise WorkingDirectoryError(message, remedy="Change to another one.") from None


def _wrap_stream(raw: _Output, like: TextIO) -> TextIO:
    """Return a text stream with the encoding and the buffering of another one."""
    is_direct = bool(getattr(like, "write_through", False))
    return io.TextIOWrapper(
        raw if is_direct else io.BufferedWriter(raw),  # as Python itself does with -u
        encoding=like.encoding,
        errors="backslashreplace",
        line_buffering=bool(getattr(like, "line_buffering", False)),
        write_through=is_direct,
    )


def _require_written(output: _Output) -> None:
    with suppress(ValueError):  # the project has closed it
        sys.stdout.flush()
    if output.error:
        rest = "The command did its work; only its output is lost."
        raise OutputLostError(f"standard output cannot be written: {output.error.strerror}. {rest}")
