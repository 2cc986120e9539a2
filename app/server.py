"""uvicorn, told what to do: one socket, one or several workers, one line when they are ready.

Rule: everything that can fail is tried here first, in the parent, before a worker starts: settings, project, tree,
address. Nothing is retried.
"""

from __future__ import annotations

import errno
import logging
import logging.config
import os
import signal
import socket
from typing import Any, Literal

import uvicorn

from app.asgi import create_app
from app.exits import Stop
from app.process import Server
from app.protocol import FastLane, unusable
from app.settings import Settings
from app.websocket import WebSocket
from app.workers import serve_with_workers

log = logging.getLogger("static_host")

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "own": {"format": "static-host: %(message)s"},
        "access": {
            "()": "uvicorn.logging.AccessFormatter",
            "fmt": "%(client_addr)s %(request_line)s %(status_code)s",
        },
    },
    "handlers": {
        "own": {"class": "logging.StreamHandler", "formatter": "own", "stream": "ext://sys.stderr"},
        "access": {"class": "logging.StreamHandler", "formatter": "access", "stream": "ext://sys.stdout"},
    },
    "loggers": {
        "static_host": {"handlers": ["own"], "level": "INFO", "propagate": False},
        "uvicorn": {"handlers": ["own"], "level": "WARNING", "propagate": False},
        "uvicorn.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
    },
}
ALONE = "SIGHUP: one process cannot take its own place; with WEB_CONCURRENCY=2 or more, workers are replaced one by one"


class AddressTaken(Stop):
    """The address cannot be listened on."""

    exit_code = 4


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises Stop when it cannot start."""
    logging.config.dictConfig(LOGGING)
    app = create_app(settings)
    os.environ["DJANGO_STATIC_ROOT"] = str(app.state.root)  # every worker, also a later one, serves this release
    for line in app.state.summary:
        log.info("%s", line)
    with listening(settings.host, settings.port) as listener:
        config = uvicorn.Config(
            app if settings.workers == 1 else "app.asgi:worker",
            workers=settings.workers,
            http=_protocol_class(),
            log_config=LOGGING,
            server_header=False,
            forwarded_allow_ips=list(settings.forwarded_allow_ips),
            timeout_graceful_shutdown=settings.grace,  # type: ignore[arg-type]  # asyncio takes parts of a second, too
            lifespan="on",
            ws=WebSocket,
            access_log=settings.access_log,
        )
        ready = f"ready on {url_of(listener)}"
        if settings.workers == 1:
            _serve_alone(config, listener, ready)
        else:
            serve_with_workers(config, listener, ready, app.state.static_root)
    log.info("stopped")


def _protocol_class() -> type[FastLane] | Literal["httptools"]:
    reason = unusable()
    if reason is None:
        return FastLane
    log.warning("static files are answered through ASGI, not by the fast lane: %s", reason)
    return "httptools"


def listening(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address. Raises AddressTaken."""
    place = f"HOST={host} PORT={port}"
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(
            address[:2],
            family=family,
            backlog=2048,
            dualstack_ipv6=host == "::",
        )
    except socket.gaierror as error:
        raise AddressTaken(f"{place}: {error.strerror}. Set HOST to an address of this machine.") from None
    except PermissionError:
        raise AddressTaken(f"{place}: not permitted. Ports below 1024 need a privilege: set PORT=8000.") from None
    except OSError as error:
        remedy = (
            "Stop the program that has it, or set another PORT"
            if error.errno == errno.EADDRINUSE
            else "Set another HOST"
        )
        raise AddressTaken(f"{place}: {os.strerror(error.errno or 0)}. {remedy}.") from None


class StartFailed(Stop):
    """The project's lifespan did not start."""

    exit_code = 1


def _serve_alone(config: uvicorn.Config, listener: socket.socket, ready: str) -> None:
    server = Server(config)
    server.ready = ready
    # After a graceful stop uvicorn raises the signal again, for the handler that was there before: an end that was
    # asked for is exit code 0.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGHUP, lambda *_: log.warning(ALONE))
    try:
        server.run(sockets=[listener])
    except SystemExit:  # how uvicorn ends when the lifespan did not start
        raise StartFailed("the project's ASGI application could not start; what it said is above") from None


def url_of(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
