"""Configures and runs uvicorn: one socket, one or several workers, one line when they are ready.

Rule: everything that can fail is tried first, in the parent, before a worker starts: settings, project, tree, address.
Nothing is retried.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import socket
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

from static_host.asgi import create_app
from static_host.conf import misspelled
from static_host.conf.settings import Settings
from static_host.http.fast_path import FastPathProtocol, find_incompatibility
from static_host.http.websocket import WebSocketProtocol
from static_host.project.errors import ProjectLoadError
from static_host.server.listener import format_url, open_listener
from static_host.server.process import FrontServer
from static_host.server.supervisor import serve_with_workers
from static_host.telemetry import log_configuration, prometheus
from static_host.telemetry.counters import Counters
from static_host.telemetry.request_recorder import RequestRecorder

log = logging.getLogger("static_host")

MAX_DESCRIPTORS = 65_536
SINGLE_PROCESS_MESSAGE = (
    "SIGHUP: one process cannot replace itself; with WEB_CONCURRENCY=2 or more, workers are replaced one by one"
)


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises StaticHostError when it cannot start."""
    log_configuration.configure_logging(settings.log_format)
    misspelled.warn_misspelled(settings)
    raise_descriptor_limit()
    app = create_app(settings, recorder=RequestRecorder.from_settings(settings))
    os.environ["DJANGO_STATIC_ROOT"] = str(
        app.state.root
    )  # every worker serves this release, also one that starts later
    for line in app.state.summary:
        log.info("%s", line)
    with open_listener(settings.host, settings.port) as listener:
        config = build_uvicorn_config(app if settings.workers == 1 else "static_host.asgi:worker", settings)
        ready = f"ready on {format_url(listener)}"
        if settings.workers == 1:
            _serve_alone(settings, config, listener, ready, app.state.root.name)
        else:
            serve_with_workers(settings, config, listener, ready, app.state.static_root)
    log.info("stopped")


def build_uvicorn_config(app: ASGIApp | str, settings: Settings) -> uvicorn.Config:
    """Return uvicorn's configuration for `app`, an application or its import string."""
    return uvicorn.Config(
        app,
        workers=settings.workers,
        http=_select_protocol_class(),
        ws=WebSocketProtocol,
        log_config=log_configuration.build_configuration(settings.log_format),
        access_log=False,  # we have our own
        server_header=False,
        proxy_headers=False,  # ForwardedMiddleware handles them
        timeout_keep_alive=settings.keep_alive,
        timeout_graceful_shutdown=settings.grace,  # type: ignore[arg-type]  # asyncio accepts fractions of a second, too
        lifespan="on",
    )


def raise_descriptor_limit() -> None:
    """Raise the soft limit of file descriptors, up to `MAX_DESCRIPTORS`: each connection takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _select_protocol_class() -> type[FastPathProtocol] | Literal["httptools"]:
    reason = find_incompatibility()
    if reason is None:
        return FastPathProtocol
    log.warning("static files are served through ASGI, not by the fast path: %s", reason)
    return "httptools"


class ProjectStartError(ProjectLoadError):
    """The lifespan startup of the project's ASGI application failed."""


def _serve_alone(settings: Settings, config: uvicorn.Config, listener: socket.socket, ready: str, release: str) -> None:
    server = FrontServer(config)
    server.ready_message = ready
    # After a graceful stop uvicorn raises the signal again for the previous handler. These handlers make that exit code
    # 0, and they catch a signal that arrives before uvicorn has installed its own.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    signal.signal(signal.SIGHUP, lambda *_: log.warning(SINGLE_PROCESS_MESSAGE))
    try:
        with prometheus.serve_metrics(
            settings, lambda: (Counters(), [server.build_report()] if server.started else []), lambda: release
        ):
            server.run(sockets=[listener])
    except SystemExit:  # uvicorn exits when the lifespan startup failed
        if server.started:
            raise
        raise ProjectStartError("the project's ASGI application could not start; its own output is above") from None
