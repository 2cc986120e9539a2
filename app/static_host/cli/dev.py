"""``static-host dev``."""

from __future__ import annotations

import re
import signal
from contextlib import suppress
from typing import Any

import click

_ADDRESS = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/:\[\]]+):)?(?P<port>[0-9]{1,5})")


class _Address(click.ParamType[Any]):
    """PORT or ADDRESS:PORT, as with runserver."""

    name = "[ADDRESS:]PORT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        match = _ADDRESS.fullmatch(value)
        if match is None or int(match["port"]) > 65535:
            self.fail(f"{value!r} is not a port or an address with a port, such as 8001 or 0.0.0.0:8001.", param, ctx)
        return (match["host"] or "").strip("[]"), int(match["port"])


@click.command(short_help="Serve the project without a build, for development.")
@click.argument("address", required=False, type=_Address())
@click.option("--tls", is_flag=True, help="Serve HTTPS, with a certificate that is made for this run (needs openssl).")
def dev(address: tuple[str, int] | None, tls: bool) -> None:
    """Serve the project without a build, and reload it when its code changes. For development only.

    The address takes the place of HOST and PORT: `static-host dev 8001`, `static-host dev 0.0.0.0:8001`.

    Static files come from the project's finders, under their own names and at the same URLs as with `serve`. Browsers
    revalidate them at each use. A static host (DJANGO_STATIC_HOST, or the host in STATIC_URL) is ignored.

    The project is reloaded when .env in the working directory changes, or code that it has loaded (not site-packages),
    or a path that an application adds to Django's autoreloader. DJANGO_DEV_IGNORE names files to leave out. Templates,
    translations and static files need no reload. Requests wait meanwhile.

    System checks run as with runserver. If the project fails to load or its checks fail, the error is printed and shown
    in the browser, and loading is retried on the next change. Debug pages are shown if the project's DEBUG is True.

    `static-host serve --help` lists all variables. Of the groups Build, Object store, Server and Operations, only HOST,
    PORT, SOCKET_MODE, FORWARDED_ALLOW_IPS, ACCESS_LOG, LOG_FORMAT, DJANGO_HEALTH_PATH and DJANGO_READY_PATH have an
    effect here.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        from static_host.conf.settings import Settings
        from static_host.conf.validators import UNIX_PREFIX
        from static_host.dev.project_process import ProjectProcess

        settings = Settings.read()
        first = ProjectProcess.start(settings, is_spare=True)  # imports Django while this process imports the server
        from static_host.dev.server import run_dev_server

        if address is not None:
            host = "127.0.0.1" if settings.host.startswith(UNIX_PREFIX) else settings.host
            address = (address[0] or host, address[1])
        run_dev_server(settings, first, address, is_tls=tls)
