"""``static-host run``."""

from __future__ import annotations

import click

from static_host.cli.manage import PASS_OPTIONS_ON


@click.command(
    short_help="Run a program of the project: a Celery worker, a cron script.", context_settings=PASS_OPTIONS_ON
)
@click.argument("program", nargs=-1, type=click.UNPROCESSED, required=True)
def run(program: tuple[str, ...]) -> None:
    """Run any program with the project's interpreter first on PATH.

    \b
        static-host run -- celery -A mysite worker
        static-host run -- python send_newsletter.py

    In each Python process that the program is or starts, `{% static %}` and static() give the URLs of pages: static
    host, prefix and fingerprint. `static-host manage --help` lists the management commands that keep their own.

    Signals, terminal and exit code are those of the program. DJANGO_SETTINGS_MODULE is set as for `static-host serve`.
    Python's options -S, -E and -I turn this off.
    """
    from static_host.conf.settings import Settings
    from static_host.workers.program import become_program

    become_program(Settings.read(), program)
