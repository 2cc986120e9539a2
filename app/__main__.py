"""The command line: ``static-host``, also ``python -m app``."""

from __future__ import annotations

import signal
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points

import click

from app.exits import reported


class Commands(click.Group):
    """The commands here and those that other packages bring by entry point, imported only when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, in the order in which one uses them."""
        return [*self._brought(), *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name, or None."""
        brought = self._brought().get(cmd_name)
        return brought.load() if brought else super().get_command(ctx, cmd_name)

    @staticmethod
    def _brought() -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group="static_host.commands")}


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="django-static-host", prog_name="static-host")
def main() -> None:
    """Serve a Django project and its precompressed static files from one process, behind any CDN.

    \b
    In a directory that holds a Django project:
        export DJANGO_SETTINGS_MODULE=mysite.settings
        static-host build      # collect, fingerprint, compress and index the static files
        static-host serve      # serve them, and the project

    Everything is configured by environment variables; `static-host serve --help` lists them.

    \b
    Exit codes:
        0  done; for serve: stopped by SIGINT or SIGTERM
        1  the Django project raised an exception, or check found an error
        2  a setting, an option or a command is wrong
        3  the static tree is missing, damaged or unreadable
        4  the address cannot be listened on
        5  the build failed; the previous tree, if any, still stands
    """


def _variables() -> str:
    from app.settings import Settings

    lines = []
    for field in Settings.model_fields.values():
        extra = field.json_schema_extra
        shown = extra["shown"] if isinstance(extra, dict) else ""
        lines.append(f"{field.validation_alias}\n    {field.description} Default: {shown or 'empty'}.")
    return "\n\n".join(lines).replace("`", "")


class Documented(click.Command):
    """A command whose help ends with the table of variables, made only when it is asked for."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one entry for each variable."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Environment variables (also from .env and /run/secrets)"):
            for entry in _variables().split("\n\n"):
                name, _, meaning = entry.partition("\n    ")
                formatter.write_dl([(name, meaning)], col_max=30)


@main.command(cls=Documented, short_help="Serve the static tree and the project.")
def serve() -> None:
    """Serve the built static tree and the Django project until SIGINT or SIGTERM.

    The tree, the project and the address are tried before the first worker starts: what stops the boot is printed
    whole, and ends the process with an exit code of its own.
    """
    # Process 1 of a container ignores a signal that it has no handler for, and loading a project takes its time.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with reported(), suppress(KeyboardInterrupt):
        from app.server import serve as run
        from app.settings import Settings

        run(Settings.read())


@main.command(short_help="Try what serve does at its start.")
def check() -> None:
    """Try what `serve` does at its start: settings, project, static tree; and Django's own system checks.

    Every file of the tree is read, too, and compared with the index; every encoded one is decoded and compared with
    its source. All that is wrong is listed.

    Prints one line for each; exits with the code that `serve` would. The address is not tried.
    """
    with reported():
        from app.check import check as run
        from app.settings import Settings

        run(Settings.read())


if __name__ == "__main__":
    main(prog_name="static-host")
