"""``static-host manage``."""

from __future__ import annotations

import click

PASS_OPTIONS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@click.command(short_help="Run a management command of the project.", context_settings=PASS_OPTIONS_ON)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def manage(command: tuple[str, ...]) -> None:
    """Run a management command in the project's interpreter, as `python manage.py COMMAND` would.

    `{% static %}` and static() give the URLs of pages: static host, prefix and fingerprint. Signals, terminal and exit
    code are those of the command.

    These commands run as they always did: check, collectstatic, compress, findstatic, makemigrations, migrate and
    others of migrations, runserver, test, testserver. So do others without a static tree: the first URL prints a line.

    Without COMMAND, Django lists the commands.
    """
    from static_host.conf.settings import Settings
    from static_host.workers.program import become_management_command

    become_management_command(Settings.read(), command)
