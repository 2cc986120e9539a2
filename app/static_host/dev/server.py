"""``static-host dev``: one process that holds the address, watches files, and has a worker that is loaded anew.

Rule: this process imports neither Django nor the project. SIGINT, SIGTERM and SIGHUP end it and the worker in order; a
second signal ends the worker at once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from types import FrameType

import uvicorn

from static_host.conf import misspelled_variables
from static_host.conf.django import BUNDLED_SETTINGS_MODULE
from static_host.conf.settings import Settings
from static_host.dev.application import DevApplication
from static_host.dev.certificate import make_ssl_context
from static_host.dev.finder import ProjectFinder
from static_host.dev.pool import DevPool, DevWorker
from static_host.dev.processes import Processes
from static_host.dev.project_process import ProjectProcess
from static_host.dev.reloader import Reloader
from static_host.http.connection import HttpProtocol
from static_host.http.tls_handshake import TlsHandshake
from static_host.served_tree import find_served_media, summarize_media
from static_host.server.listener import format_url, open_address
from static_host.telemetry import log_configuration
from static_host.workers.remote_project import RemoteProject

log = logging.getLogger("static_host")

DEVELOPMENT_NOTICE = "changed code is reloaded, nothing is compressed or cached; for development only"
MAX_LOGGED_MISSING_NAMES = 1000


def run_dev_server(
    settings: Settings, first: ProjectProcess, address: tuple[str, int] | None = None, *, is_tls: bool = False
) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP. Raises StaticHostError.

    `first` is the process that is to load the project, `address` takes the place of HOST and PORT.
    """
    log_configuration.configure_logging(settings.log_format)
    misspelled_variables.warn_misspelled(settings)
    host, port = address or (settings.host, settings.port)
    context = make_ssl_context(host) if is_tls else None
    with open_address(host, port, settings.socket_mode) as listener:
        url = format_url(listener, "https" if is_tls else "http")
        server = _DevServer(settings, first, url, context, is_address_set=address is not None)
        asyncio.run(server.run_until_signal(listener))
    log.info("stopped")


class _DevServer(uvicorn.Server):
    """uvicorn's server, which ends with the project's process."""

    def __init__(
        self,
        settings: Settings,
        first: ProjectProcess,
        url: str,
        context: ssl.SSLContext | None,
        *,
        is_address_set: bool,
    ) -> None:
        self._settings = settings
        self._url = url
        self._is_address_set = is_address_set
        self._is_announced = False
        self._missing: set[str] = set()
        self._pool = DevPool()
        finder = ProjectFinder(self._pool)
        self._processes = Processes(first, make_terminal_restorer())
        calls = (self._use_settings, self._use_media, self._announce)
        self._reloader = Reloader(self._pool, finder, self._processes, *calls)
        self._app = DevApplication(self._pool, finder, self._log_missing)
        self._app.use(settings)
        config = uvicorn.Config(
            self._app,
            http=partial(TlsHandshake, lambda: context) if context else HttpProtocol,  # type: ignore[arg-type]
            ws="none",  # HttpProtocol has its own
            log_config=log_configuration.build_configuration(settings.log_format),
            access_log=False,  # we have our own
            server_header=False,
            proxy_headers=False,  # ForwardedMiddleware reads them
            lifespan="off",
        )
        super().__init__(config)

    async def run_until_signal(self, listener: socket.socket) -> None:
        """Serve. Raises StaticHostError for an operator's mistake at the start."""
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
            signal.signal(signal.SIGHUP, self.handle_exit)
        watching = asyncio.create_task(self._reloader.run())
        watching.add_done_callback(lambda _: self.handle_exit(0, None))
        await self.serve([listener])
        if watching.done():
            await watching
        watching.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Stop; at a second signal, kill the project's process.

        uvicorn's own raises the signal again when the server has ended, so that the exit code would not be 0.
        """
        if self.should_exit:
            self._processes.kill()
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the project's process, whereupon the last responses end; then close all connections."""
        await self._reloader.close()
        await super().shutdown(sockets)

    # What the reloader tells

    def _use_settings(self, project: RemoteProject) -> None:
        address = (project.settings.host, project.settings.port)
        if not self._is_address_set and address != (self._settings.host, self._settings.port):
            log.warning("HOST or PORT changed; restart `static-host dev` to use the new address")
        self._app.use(project.settings, project.expand_prefix(project.prefix), project.whitenoise)

    def _use_media(self, project: RemoteProject) -> None:
        media = self._app.media
        if media is not None:
            prefixes = project.expand_prefix(project.prefix)
            media.use(find_served_media(project, tuple(prefix.encode() for prefix in prefixes)))

    def _announce(self, worker: DevWorker, project: RemoteProject, seconds: float) -> None:
        self._missing.clear()
        if self._is_announced:
            log.info("reloaded in %.1f s", seconds)
            return
        self._is_announced = True
        for line in (*_iter_summary(worker, project), *summarize_media(project, self._app.media)):
            log.info("%s", line)
        log.info("ready on %s, development: %s", self._url, DEVELOPMENT_NOTICE)

    def _log_missing(self, name: str, nearest: str) -> None:
        if name not in self._missing and len(self._missing) < MAX_LOGGED_MISSING_NAMES:
            self._missing.add(name)
            hint = f"; did you mean {nearest}?" if nearest else ""
            log.warning("there is no static file %.200r%s", name, hint)


def _iter_summary(worker: DevWorker, project: RemoteProject) -> Iterator[str]:
    loaded = worker.process.loaded
    yield f"static files from the project's finders, at {' and '.join(project.expand_prefix(project.prefix))}"
    if project.host:
        yield f"{project.host} is not used: static files come from this server"
    if not loaded["has_static"]:
        yield "no static files: django.contrib.staticfiles is not in INSTALLED_APPS"
    yield project.summary
    for line in loaded["changes"]:
        yield f"overridden in the project's settings: {line}"
    if not loaded["debug"]:
        is_bundled = project.name == BUNDLED_SETTINGS_MODULE
        remedy = "DJANGO_DEBUG=true" if is_bundled else f"DEBUG = True in {project.name}"
        yield f"DEBUG is False, so errors show no debug pages; {remedy} turns them on"


def make_terminal_restorer() -> Callable[[], None]:
    """Return a function that restores the terminal's settings: a debugger that is killed leaves echo off."""
    try:
        import termios

        terminal = sys.stdin.fileno()
        attributes = termios.tcgetattr(terminal)
    except (ImportError, AttributeError, ValueError, OSError, termios.error):
        return lambda: None

    def restore() -> None:
        with suppress(OSError, termios.error):
            if os.tcgetpgrp(terminal) == os.getpgrp():  # else another program has it now
                termios.tcsetattr(terminal, termios.TCSANOW, attributes)

    return restore
