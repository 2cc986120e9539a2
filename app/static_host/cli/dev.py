"""``static-host dev``."""

from __future__ import annotations

from contextlib import suppress

import click


@click.command(short_help="Serve the project without a build, for development.")
def dev() -> None:
    """Serve the project without a build, and reload it when its code changes. For development only.

    Static files come from the project's finders, under their own names and at the same URLs as with `serve`. Browsers
    revalidate them at each use. A static host (DJANGO_STATIC_HOST, or the host in STATIC_URL) is ignored.

    The command watches Python files and .env below the working directory, imported code outside it except
    site-packages, and the paths that applications add to Django's autoreloader. Templates, translations and static
    files need no reload.

    System checks run as with runserver. If the project fails to load or its checks fail, the error is printed, and
    loading is retried on the next change. Debug pages are shown if the project's DEBUG is True.

    `static-host serve --help` lists all variables. Of the groups Build, Object store, Server and Operations, only HOST,
    PORT, FORWARDED_ALLOW_IPS, LOG_FORMAT, DJANGO_HEALTH_PATH and DJANGO_READY_PATH have an effect here.
    """
    with suppress(KeyboardInterrupt):
        from static_host.conf.settings import Settings
        from static_host.dev.supervisor import run_dev_server

        run_dev_server(Settings.read())
