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

from static_host.http.limits import get_application
from static_host.origin.body_cache import BodyCache
from static_host.server.listener import count_pending_connections, turn_away
from static_host.server.shared_cache import Member
from static_host.telemetry.counters import Counters, ProcessReport

log = logging.getLogger("static_host")

SWITCH_INTERVAL_SECONDS = 0.0005
"""Seconds for which a thread that computes keeps the interpreter to itself while others wait for it.

Python's 0.005 would make the event loop wait that long for each of the project's threads that compute.
"""
_TICK_SECONDS = 0.1
"""Seconds between two ticks of uvicorn's main loop."""
_MAX_LAGS = 20
_MEETING = 10
"""Ticks after which a worker looks what the others have told of their memory, if it had no reason to look before."""
_THREAD_GRACE_SECONDS = 1.0
_HANDSHAKE_SECONDS = 0.05
"""Seconds in which connections that are being opened become connections, when no others are let in any more."""
_ACCEPT_TIMEOUT_SECONDS = 1.0
"""Seconds within which the connections are taken that the kernel has completed."""


class FrontServer(uvicorn.Server):
    """A server that says when it takes requests, and that ends when it has been told to."""

    ready_message = ""
    send_last_report: Callable[[], None] | None = None
    """Is called when the last request is answered, for a last report."""
    slabs: socket.socket | None = None
    """What connects this worker's memory for bodies with that of the others."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._lags: deque[float] = deque([0.0], _MAX_LAGS)
        self._ticked_at = 0.0

    def build_report(self) -> ProcessReport:
        """Return what there is to tell of this process; from any thread."""
        app = get_application(self.config)
        counts = app.recorder.counters if app.recorder and app.recorder.counters is not None else Counters()
        gauges = {
            "connections": len(self.server_state.connections),
            "event_loop_lag_seconds": max(self._lags),
            "memory_bytes": self._bodies.stored_bytes,
            **({"store_circuit_open": float(app.fallback.breaker.is_open)} if app.fallback else {}),
            **(app.threads.gauges() if app.threads else {}),
        }
        return ProcessReport(counts.copy(), gauges)

    @property
    def _bodies(self) -> BodyCache:
        bodies: BodyCache = get_application(self.config).responder.tree.bodies
        return bodies

    async def on_tick(self, counter: int) -> bool:
        """Note how late the event loop is."""
        now = time.monotonic()
        if self._ticked_at:
            self._lags.append(max(0.0, now - self._ticked_at - _TICK_SECONDS))
        self._ticked_at = now
        if self.slabs and counter % _MEETING == 0:
            self._bodies.meet()
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take requests."""
        sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
        await super().startup(sockets)
        if self.started and self.config.workers > 1:
            bodies = self._bodies
            bodies.share(Member(self.slabs, bodies) if self.slabs else None, self.config.workers)
        if self.started and self.ready_message:
            log.info(self.ready_message)

    async def main_loop(self) -> None:
        """Serve until told to stop; then say so to load balancers, and go on for as long as they may need."""
        await super().main_loop()
        readiness = get_application(self.config).readiness
        readiness.is_ending = True
        if signal.SIGTERM in self._captured_signals:  # after Ctrl-C, somebody waits
            end = time.monotonic() + readiness.drain_seconds
            while time.monotonic() < end and not self.force_exit:
                await self.on_tick(0)
                await asyncio.sleep(0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let the requests in flight end, and the process with them."""
        await self._stop_listening(sockets or [])
        await super().shutdown(sockets)
        if self.send_last_report:
            self.send_last_report()
        app = get_application(self.config)
        if app.fallback:
            await app.fallback.close()
        observer = app.recorder
        if observer and observer.log:
            observer.log.write()
        # A view that hangs cannot be ended, and the interpreter would wait for its thread.
        last_resort = threading.Timer(_THREAD_GRACE_SECONDS, os._exit, (0,))
        last_resort.daemon = True
        last_resort.start()

    async def _stop_listening(self, listeners: list[socket.socket]) -> None:
        """Take the connections that there are, and no more. A worker that makes room for another leaves them to it."""
        if self.config.workers == 1 or signal.SIGTERM in self._captured_signals:
            for listener in listeners:
                turn_away(listener)
            await asyncio.sleep(_HANDSHAKE_SECONDS)
            end = time.monotonic() + _ACCEPT_TIMEOUT_SECONDS
            while any(map(count_pending_connections, listeners)) and time.monotonic() < end:  # noqa: ASYNC110 - the kernel has no event for it
                await asyncio.sleep(0.001)
        for server in self.servers:
            server.close()
        await asyncio.sleep(_HANDSHAKE_SECONDS / 5)  # those that were taken last are told, too, that the server ends
