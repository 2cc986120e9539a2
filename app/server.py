"""uvicorn, told what to do: one socket, one or several workers, one line when they are ready.

Rule: everything that can fail is tried here first, in the parent, before a worker starts: settings, project, tree,
address. A worker that cannot start stops the parent; nothing is retried.
"""

from __future__ import annotations

import errno
import logging
import logging.config
import os
import signal
import socket
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from app.asgi import create_app
from app.exits import Stop
from app.settings import Settings

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
_WORKER_START = 60.0


class AddressTaken(Stop):
    """The address cannot be listened on."""

    exit_code = 4


class WorkerFailed(Stop):
    """A worker could not start, though the parent could; its own output says why."""

    exit_code = 1


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises Stop when it cannot start."""
    logging.config.dictConfig(LOGGING)
    app = create_app(settings)
    for line in app.state.summary:
        log.info("%s", line)
    with listening(settings.host, settings.port) as listener:
        config = uvicorn.Config(
            app if settings.workers == 1 else "app.asgi:app",
            workers=settings.workers,
            http="httptools",
            log_config=LOGGING,
            server_header=False,
            forwarded_allow_ips=list(settings.forwarded_allow_ips),
            lifespan="on",
        )
        ready = f"ready on {_url(listener)}"
        if settings.workers == 1:
            _serve_alone(config, listener, ready)
        else:
            _serve_with_workers(config, listener, ready)
    log.info("stopped")


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


class _Announcing(uvicorn.Server):
    """A server that says when it takes requests."""

    ready = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            log.info(self.ready)


class _Workers(Multiprocess):
    """Worker processes that are announced when all of them take requests."""

    ready = ""

    def init_processes(self) -> None:
        super().init_processes()
        if all(process.wait_until_ready(_WORKER_START, self.should_exit) for process in self.processes):
            log.info("%s with %d workers", self.ready, len(self.processes))


def _serve_alone(config: uvicorn.Config, listener: socket.socket, ready: str) -> None:
    server = _Announcing(config)
    server.ready = ready
    # After a graceful stop uvicorn raises the signal again, for the handler that was there before: an end that was
    # asked for is exit code 0.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listener])


def _serve_with_workers(config: uvicorn.Config, listener: socket.socket, ready: str) -> None:
    workers = _Workers(config, [listener])
    workers.ready = ready
    workers.run()
    if any(process.exitcode == STARTUP_FAILURE for process in workers.processes):
        raise WorkerFailed("a worker process could not start; its message is above")


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
