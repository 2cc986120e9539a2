"""Configures and runs uvicorn: one front, and one line when it is ready.

Rule: everything that can fail is tried first: settings, tree, project, address. Nothing is retried.
"""

from __future__ import annotations

import logging
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import uvicorn

from static_host.asgi import Front, create_app
from static_host.conf import misspelled_variables
from static_host.conf.settings import Settings
from static_host.http.connection import HttpProtocol
from static_host.http.tls_handshake import TlsHandshake
from static_host.server.listener import format_url, open_address
from static_host.server.passed_sockets import take_passed_sockets
from static_host.server.process import FrontServer
from static_host.server.served_certificate import ServedCertificate
from static_host.server.tls_files import TlsFiles
from static_host.telemetry import log_configuration, prometheus
from static_host.telemetry.log_and_counters import RequestRecorder

log = logging.getLogger("static_host")

MAX_DESCRIPTORS = 65_536


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises StaticHostError when it cannot start."""
    log_configuration.configure_logging(settings.log_format)
    misspelled_variables.warn_misspelled(settings)
    passed = take_passed_sockets()  # before a process is started that would have their variables
    files = TlsFiles.from_settings(settings)
    certificate = ServedCertificate(files) if files else None
    raise_descriptor_limit()
    app = create_app(settings, recorder=RequestRecorder.from_settings(settings))
    for line in app.state.summary:
        log.info("%s", line)
    with _open_listeners(settings, passed) as listeners:
        _run(settings, app, listeners, certificate)
    log.info("stopped")


def build_uvicorn_config(
    app: Front, settings: Settings, certificate: ServedCertificate | None = None
) -> uvicorn.Config:
    """Return uvicorn's configuration, with TLS if there is a certificate."""
    return uvicorn.Config(
        app,
        http=partial(TlsHandshake, certificate.get_context) if certificate else HttpProtocol,  # type: ignore[arg-type]
        ws="none",  # HttpProtocol has its own
        log_config=log_configuration.build_configuration(settings.log_format),
        access_log=False,  # we have our own
        server_header=False,
        proxy_headers=False,  # ForwardedMiddleware handles them
        limit_concurrency=_get_max_connections(),  # beyond that, requests get 503
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


def _get_max_connections() -> int | None:
    """Return three quarters of the descriptors that the process may have: the others are for files and workers."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft * 3 // 4


@contextmanager
def _open_listeners(settings: Settings, passed: list[socket.socket]) -> Iterator[list[socket.socket]]:
    """Give the sockets to listen on: those that systemd has passed, or that of HOST. Raises AddressUnavailableError."""
    if passed:
        log.info("systemd has passed %d listening sockets: HOST and PORT are not used", len(passed))
        yield passed
    else:
        with open_address(settings.host, settings.port, settings.socket_mode) as listener:
            yield [listener]


def _run(settings: Settings, app: Front, listeners: list[socket.socket], certificate: ServedCertificate | None) -> None:
    server = FrontServer(build_uvicorn_config(app, settings, certificate), certificate)
    scheme = "https" if certificate else "http"
    server.ready_message = f"ready on {', '.join(format_url(each, scheme) for each in listeners)}"
    # After a graceful stop uvicorn raises the signal again for the previous handler. These handlers make that exit code
    # 0, and they catch a signal that arrives before uvicorn has installed its own.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    signal.signal(signal.SIGHUP, lambda *_: server.reload())
    with prometheus.serve_metrics(settings, server.read_metrics, lambda: app.responder.tree.root.name):
        server.run(sockets=listeners)
