"""``static-host serve``."""

from __future__ import annotations

import signal
from contextlib import suppress
from itertools import groupby

import click


class CommandWithVariables(click.Command):
    """A command whose help ends with a list of all environment variables, group by group."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one entry for each variable, under the heading of its group."""
        from static_host.conf.settings import list_variables

        super().format_epilog(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text("Environment variables (also read from .env and /run/secrets):")
        for group, variables in groupby(list_variables(), key=lambda variable: variable.group):
            with formatter.section(group):
                entries = [(each.name, f"{each.description} Default: {each.default or 'empty'}.") for each in variables]
                formatter.write_dl([(name, text.replace("`", "")) for name, text in entries], col_max=30)


@click.command(cls=CommandWithVariables, short_help="Serve the static tree and the project.")
def serve() -> None:
    """Serve the built static tree and the Django project until SIGINT or SIGTERM.

    Before the first worker starts, the command loads the tree and the project and opens the address. If one of these
    fails, it prints the whole error and exits with a code of its own (`static-host --help` lists them).
    """
    # Process 1 of a container ignores a signal that it has no handler for, and a project takes a while to load.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        from static_host.conf.settings import Settings
        from static_host.server.serve import serve as run

        run(Settings.read())
