"""One process that serves: from its first request to its end.

Rule: a server that is told to stop says first that it is no longer ready, and takes requests for as long as load
balancers need to notice; then requests in flight end, within the grace time, and so does the process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

import uvicorn

from static_host.http.limits import application_of
from static_host.origin.body_cache import Bodies
from static_host.server.listener import turn_away, waiting
from static_host.server.shared_cache import Member
from static_host.telemetry.counters import Counts, Report

log = logging.getLogger("static_host")

SWITCH = 0.0005
"""Seconds for which a thread that computes keeps the interpreter to itself while others wait for it.

Python's 0.005 would make the event loop wait that long for each of the project's threads that compute.
"""
_TICK = 0.1
"""Seconds between two ticks of uvicorn's main loop."""
_LAGS = 20
_MEETING = 10
"""Ticks after which a worker looks what the others have told of their memory, if it had no reason to look before."""
_GRACE_THREADS = 1.0
_ACCEPTING = 0.05
"""Seconds in which connections that are being opened become connections, when no others are let in any more."""
_TAKING = 1.0
"""Seconds within which the connections are taken that the kernel has completed."""


class Server(uvicorn.Server):
    """A server that says when it takes requests, and that ends when it has been told to."""

    ready = ""
    last_words: Callable[[], None] | None = None
    """Is called when the last request is answered, for a last report."""
    slabs: socket.socket | None = None
    """What connects this worker's memory for bodies with that of the others."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._lags: deque[float] = deque([0.0], _LAGS)
        self._ticked = 0.0

    def report(self) -> Report:
        """Return what there is to tell of this process; from any thread."""
        app = application_of(self.config)
        counts = app.observer.counts if app.observer and app.observer.counts is not None else Counts()
        gauges = {
            "connections": len(self.server_state.connections),
            "event_loop_lag_seconds": max(self._lags),
            "memory_bytes": self._bodies.held,
            **({"store_spared": float(app.elsewhere.breaker.is_open)} if app.elsewhere else {}),
            **(app.threads.gauges() if app.threads else {}),
        }
        return Report(counts.copy(), gauges)

    @property
    def _bodies(self) -> Bodies:
        bodies: Bodies = application_of(self.config).responder.tree.bodies
        return bodies

    async def on_tick(self, counter: int) -> bool:
        """Note how late the event loop is."""
        now = time.monotonic()
        if self._ticked:
            self._lags.append(max(0.0, now - self._ticked - _TICK))
        self._ticked = now
        if self.slabs and counter % _MEETING == 0:
            self._bodies.meet()
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take requests."""
        sys.setswitchinterval(SWITCH)
        await super().startup(sockets)
        if self.started and self.config.workers > 1:
            bodies = self._bodies
            bodies.share(Member(self.slabs, bodies) if self.slabs else None, self.config.workers)
        if self.started and self.ready:
            log.info(self.ready)

    async def main_loop(self) -> None:
        """Serve until told to stop; then say so to load balancers, and go on for as long as they may need."""
        await super().main_loop()
        readiness = application_of(self.config).readiness
        readiness.is_ending = True
        if signal.SIGTERM in self._captured_signals:  # after Ctrl-C, somebody waits
            end = time.monotonic() + readiness.drain
            while time.monotonic() < end and not self.force_exit:
                await self.on_tick(0)
                await asyncio.sleep(0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let the requests in flight end, and the process with them."""
        await self._stop_listening(sockets or [])
        await super().shutdown(sockets)
        if self.last_words:
            self.last_words()
        app = application_of(self.config)
        if app.elsewhere:
            await app.elsewhere.close()
        observer = app.observer
        if observer and observer.log:
            observer.log.write()
        # A view that hangs cannot be ended, and the interpreter would wait for its thread.
        last_resort = threading.Timer(_GRACE_THREADS, os._exit, (0,))
        last_resort.daemon = True
        last_resort.start()

    async def _stop_listening(self, listeners: list[socket.socket]) -> None:
        """Take the connections that there are, and no more. A worker that makes room for another leaves them to it."""
        if self.config.workers == 1 or signal.SIGTERM in self._captured_signals:
            for listener in listeners:
                turn_away(listener)
            await asyncio.sleep(_ACCEPTING)
            end = time.monotonic() + _TAKING
            while any(map(waiting, listeners)) and time.monotonic() < end:  # noqa: ASYNC110 - the kernel has no event for it
                await asyncio.sleep(0.001)
        for server in self.servers:
            server.close()
        await asyncio.sleep(_ACCEPTING / 5)  # those that were taken last are told, too, that the server ends
