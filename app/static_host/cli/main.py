"""The command line: ``static-host``, also ``python -m static_host``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, cast

import click

from static_host.cli.check import check
from static_host.cli.dev import dev
from static_host.cli.manage import manage
from static_host.cli.run import run as run_program
from static_host.cli.serve import serve
from static_host.cli.verify import verify
from static_host.errors import StaticHostError
from static_host.standard_streams import prepare_streams
from static_host.telemetry.log_configuration import log_error

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


class CommandLineError(StaticHostError):
    """click's own error: a command or an option does not exist, is missing, or has an invalid value."""

    exit_code = 2

    def __init__(self, error: click.ClickException) -> None:
        context = error.ctx if isinstance(error, click.UsageError) else None
        notes = (context.get_usage(), f"`{context.command_path} --help` tells more.") if context else ()
        super().__init__(error.format_message(), notes=notes)
        self._error = error

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the error in click's own form."""
        self._error.show(file)


class CommandInterruptedError(StaticHostError):
    """Ctrl-C ended a command that would have ended by itself."""

    exit_code = 1


class CommandGroup(click.Group):
    """The commands of this package and those of other packages, which come by entry point and are loaded when used."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. Raises CommandInterruptedError after Ctrl-C, for which click would print its own lines."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise CommandInterruptedError("interrupted: the command did not end its work.") from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands: those of other packages first."""
        return [*self._find_plugin_commands(), *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name, or None."""
        command = super().get_command(ctx, cmd_name)
        if command is None and (point := self._find_plugin_commands().get(cmd_name)):
            return cast("click.Command", point.load())
        return command

    @staticmethod
    def _find_plugin_commands() -> dict[str, EntryPoint]:
        from importlib.metadata import entry_points  # a server needs none of it

        return {point.name: point for point in entry_points(group="static_host.commands")}


@click.group(
    cls=CommandGroup,
    commands=[serve, dev, manage, run_program, check, verify],
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="django-static-host", prog_name="static-host")
def main() -> None:
    """Serve a Django project and its precompressed static files from one process, behind any CDN.

    \b
    In the directory of a Django project's manage.py:
        static-host build      # collect, fingerprint, compress and index the static files
        static-host serve      # serve them, and the project

    Environment variables configure everything; `static-host serve --help` lists them.

    \b
    Exit codes:
        0  success; for serve and dev: stopped by SIGINT or SIGTERM
           (manage and run have the exit codes of the program)
        1  the Django project raised an exception, check or verify found an error,
           a release exceeds a limit of compare, standard output could not be
           written, or Ctrl-C ended the command
        2  a setting, an option or a command is wrong
           (or an installed package has the wrong version, or this is Windows)
        3  the static tree, or a place of compare, is missing, damaged or unreadable
        4  the server cannot listen on the address
        5  the build failed; the previous tree, if any, is unchanged
        6  the build failed: earlier releases cannot be carried unchanged
        7  the release was not published: the store is unreachable, refuses, or
           has other bytes under one of its names
        8  releases --seen: a server's metrics cannot be read
    """


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Print an error that ends the command, in the form of LOG_FORMAT, and raise SystemExit with its exit code.

    If installed packages contradict the requirements, any other exception becomes such an error, too.
    """
    try:
        yield
    except Exception as error:
        reported = _as_static_host_error(error)
        if reported is None:
            raise
        log_error(reported)
        raise SystemExit(reported.exit_code) from None


def _as_static_host_error(error: Exception) -> StaticHostError | None:
    if isinstance(error, StaticHostError):
        return error
    if isinstance(error, click.ClickException):
        return CommandLineError(error)
    with suppress(ImportError):  # it needs a package, too
        from static_host.installed_packages import find_package_error

        return find_package_error(error)
    return None


def run() -> None:
    """Run the command line, and exit: the console script ``static-host``. Raises SystemExit."""
    with exit_on_error(), prepare_streams():
        raise SystemExit(main(prog_name="static-host", standalone_mode=False) or 0)
