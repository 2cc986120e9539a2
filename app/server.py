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
import threading
import time
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

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
GRACE = 6
"""Seconds that requests in flight get to end after SIGTERM: less than the 10 that Docker waits before SIGKILL."""
_GRACE_THREADS = 1.0
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
    os.environ["DJANGO_STATIC_ROOT"] = str(app.state.root)  # every worker, also a later one, serves this release
    for line in app.state.summary:
        log.info("%s", line)
    with listening(settings.host, settings.port) as listener:
        config = configuration(app if settings.workers == 1 else "app.asgi:worker", settings)
        ready = f"ready on {url_of(listener)}"
        if settings.workers == 1:
            _serve_alone(config, listener, ready)
        else:
            _serve_with_workers(config, listener, ready)
    log.info("stopped")


def configuration(app: ASGIApp | str, settings: Settings) -> uvicorn.Config:
    """Return what uvicorn is told."""
    return uvicorn.Config(
        app,
        workers=settings.workers,
        http="httptools",
        log_config=LOGGING,
        server_header=False,
        forwarded_allow_ips=list(settings.forwarded_allow_ips),
        timeout_graceful_shutdown=GRACE,
        lifespan="on",
    )


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


class _Server(uvicorn.Server):
    """A server that says when it takes requests, and that ends when it has been told to."""

    ready = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.ready:
            log.info(self.ready)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        # A view that hangs cannot be ended, and the interpreter would wait for its thread.
        last_resort = threading.Timer(_GRACE_THREADS, os._exit, (0,))
        last_resort.daemon = True
        last_resort.start()


class _Worker(Process):
    """A worker process of our own server."""

    @property
    def server(self) -> uvicorn.Server:
        if self._server is None:
            self._server = _Server(self.config)
        return self._server


class _Workers(Multiprocess):
    """Worker processes that are announced when all of them take requests.

    One that ends is replaced, and the log says so; one that ends before it ever took a request stops them all.
    """

    ready = ""
    failed = False
    _announced = False

    def init_processes(self) -> None:
        self._starting: dict[Process, float] = {}  # until they take requests: when they were started
        self.processes = [self._started() for _ in range(self.processes_num)]

    def keep_subprocess_alive(self) -> None:
        for place, process in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if process in self._starting:
                self._watch_start(process)
            elif not process.is_alive(self.config.timeout_worker_healthcheck):
                process.kill()
                process.join()
                log.warning("worker %s ended (exit %s); another one takes its place", process.pid, process.exitcode)
                self.processes[place] = self._started()

    def _watch_start(self, process: Process) -> None:
        if process.is_ready(0.1):
            del self._starting[process]
            if not self._starting and not self._announced:
                self._announced = True
                log.info("%s with %d workers", self.ready, len(self.processes))
        elif not process.process.is_alive() or time.monotonic() - self._starting[process] > _WORKER_START:
            self.failed = True
            self.should_exit.set()

    def terminate_all(self) -> None:
        for process in self.processes:
            if process in self._starting:
                process.kill()  # it has no request to finish, and may not listen to anything milder yet
            else:
                process.terminate()

    def _started(self) -> Process:
        process = _Worker(self.config, self.sockets)
        process.start()
        self._starting[process] = time.monotonic()
        return process


def _serve_alone(config: uvicorn.Config, listener: socket.socket, ready: str) -> None:
    server = _Server(config)
    server.ready = ready
    # After a graceful stop uvicorn raises the signal again, for the handler that was there before: an end that was
    # asked for is exit code 0.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    try:
        server.run(sockets=[listener])
    except SystemExit:  # how uvicorn ends when the lifespan did not start
        raise StartFailed("the project's ASGI application could not start; what it said is above") from None


def _serve_with_workers(config: uvicorn.Config, listener: socket.socket, ready: str) -> None:
    workers = _Workers(config, [listener])
    workers.ready = ready
    workers.run()
    if workers.failed:
        raise WorkerFailed(f"a worker process ended, or took over {_WORKER_START:.0f} s, before it took a request")


def url_of(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
