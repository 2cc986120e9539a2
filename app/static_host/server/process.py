"""One serving process, from its first request to its end.

Rule: a server that is told to stop first reports that it is not ready, and accepts requests for as long as load
balancers need to notice. Then requests in progress get the grace time to finish, and the process exits.
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
"""Time for which a computing thread keeps the interpreter lock while others wait for it (`sys.setswitchinterval`).

With Python's default of 0.005 the event loop would wait that long for each computing thread of the project.
"""
_TICK_SECONDS = 0.1
"""Time between two ticks of uvicorn's main loop."""
_MAX_LAGS = 20
_MEETING = 10
"""Ticks between two exchanges with the other workers about memory, if no request causes one earlier."""
_THREAD_GRACE_SECONDS = 1.0
_HANDSHAKE_SECONDS = 0.05
"""Time for handshakes in progress to complete, after new connection requests are ignored."""
_ACCEPT_TIMEOUT_SECONDS = 1.0
"""Time limit for accepting the connections that the kernel has completed."""


class FrontServer(uvicorn.Server):
    """uvicorn's server, with reports, a message when it accepts requests, and a shutdown that loses no connection."""

    ready_message = ""
    send_last_report: Callable[[], None] | None = None
    """Called after the last request, to send a last report."""
    slabs: socket.socket | None = None
    """The connection over which this worker and the others share memory for bodies."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._lags: deque[float] = deque([0.0], _MAX_LAGS)
        self._ticked_at = 0.0

    def build_report(self) -> ProcessReport:
        """Return the counters and gauges of this process; from any thread."""
        app = get_application(self.config)
        counters = app.recorder.counters if app.recorder and app.recorder.counters is not None else Counters()
        gauges = {
            "connections": len(self.server_state.connections),
            "event_loop_lag_seconds": max(self._lags),
            "memory_bytes": self._bodies.stored_bytes,
            **({"store_circuit_open": float(app.fallback.breaker.is_open)} if app.fallback else {}),
            **(app.threads.gauges() if app.threads else {}),
        }
        return ProcessReport(counters.copy(), gauges)

    @property
    def _bodies(self) -> BodyCache:
        bodies: BodyCache = get_application(self.config).responder.tree.bodies
        return bodies

    async def on_tick(self, counter: int) -> bool:
        """Measure how late the event loop is."""
        now = time.monotonic()
        if self._ticked_at:
            self._lags.append(max(0.0, now - self._ticked_at - _TICK_SECONDS))
        self._ticked_at = now
        if self.slabs and counter % _MEETING == 0:
            self._bodies.meet()
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept requests."""
        sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
        await super().startup(sockets)
        if self.started and self.config.workers > 1:
            bodies = self._bodies
            bodies.share(Member(self.slabs, bodies) if self.slabs else None, self.config.workers)
        if self.started and self.ready_message:
            log.info(self.ready_message)

    async def main_loop(self) -> None:
        """Serve until told to stop; then report not ready, and drain for DJANGO_DRAIN_SECONDS after SIGTERM."""
        await super().main_loop()
        readiness = get_application(self.config).readiness
        readiness.is_ending = True
        if signal.SIGTERM in self._captured_signals:  # Ctrl-C stops without a delay
            end = time.monotonic() + readiness.drain_seconds
            while time.monotonic() < end and not self.force_exit:
                await self.on_tick(0)
                await asyncio.sleep(0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait for the requests in progress within the grace time, then end the process."""
        await self._stop_listening(sockets or [])
        await super().shutdown(sockets)
        if self.send_last_report:
            self.send_last_report()
        app = get_application(self.config)
        if app.fallback:
            await app.fallback.close()
        if app.recorder and app.recorder.log:
            app.recorder.log.write()
        # A thread with a hanging view cannot be stopped, and the interpreter would wait for it.
        last_resort = threading.Timer(_THREAD_GRACE_SECONDS, os._exit, (0,))
        last_resort.daemon = True
        last_resort.start()

    async def _stop_listening(self, listeners: list[socket.socket]) -> None:
        """Accept the completed connections and no more; a worker that is replaced leaves them to its successor."""
        if self.config.workers == 1 or signal.SIGTERM in self._captured_signals:
            for listener in listeners:
                turn_away(listener)
            await asyncio.sleep(_HANDSHAKE_SECONDS)
            end = time.monotonic() + _ACCEPT_TIMEOUT_SECONDS
            while any(map(count_pending_connections, listeners)) and time.monotonic() < end:  # noqa: ASYNC110 - the kernel has no event for it
                await asyncio.sleep(0.001)
        for server in self.servers:
            server.close()
        await asyncio.sleep(_HANDSHAKE_SECONDS / 5)  # the last connections learn of the shutdown, too
