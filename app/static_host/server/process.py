"""The serving process, from its first request to its end.

Rule: a server that is told to stop first reports that it is not ready, and accepts requests for as long as load
balancers need to notice. Then requests in progress get the grace time to finish, and the process exits. Platforms send
SIGTERM, or SIGINT (Fly.io); but SIGINT at a terminal is a person's Ctrl-C, which stops without the delay.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections import deque
from types import FrameType
from typing import Any

import uvicorn

from static_host.server.listener import count_pending_connections
from static_host.server.served_certificate import ServedCertificate
from static_host.telemetry.counters import Counters

log = logging.getLogger("static_host")

_STANDARD_INPUT = 0
_TICK_SECONDS = 0.1
"""Time between two ticks of uvicorn's main loop."""
_MAX_LAGS = 20
_LAST_REQUESTS_SECONDS = 0.01
"""Time in which the last connections that were accepted send their requests."""
_ACCEPT_TIMEOUT_SECONDS = 1.0
"""Time limit for accepting the connections that the kernel has completed."""


class FrontServer(uvicorn.Server):
    """uvicorn's server, with metrics, a message when it accepts requests, and a drain before its end."""

    ready_message = ""

    def __init__(self, config: uvicorn.Config, certificate: ServedCertificate | None = None) -> None:
        super().__init__(config)
        self._certificate = certificate
        self._watching: asyncio.Task[None] | None = None
        self._lags: deque[float] = deque([0.0], _MAX_LAGS)
        self._ticked_at = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._signal = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop because of a signal."""
        self._signal = self._signal or sig
        super().handle_exit(sig, frame)

    def reload(self) -> None:
        """Take new code, a new tree and a new certificate; from a signal's handler."""
        self._application.pool.request_reload()
        if self._certificate:
            self._certificate.request_reload()

    def read_metrics(self) -> tuple[Counters, dict[str, float], list[dict[str, float]]]:
        """Return the counters, the gauges by name, and the metrics of each worker; from any thread."""
        app = self._application
        counters = app.recorder.counters if app.recorder and app.recorder.counters is not None else Counters()
        gauges = {
            "connections": len(self.server_state.connections),
            "ready": float(self._loop is not None and self.started and app.readiness.measure(self._loop)),
            "event_loop_lag_seconds": max(self._lags),
            "memory_bytes": app.responder.tree.bodies.stored_bytes,
            **({"store_circuit_open": float(app.fallback.breaker.is_open)} if app.fallback else {}),
            **app.pool.gauges(),
        }
        return counters.copy(), gauges, app.pool.read_worker_metrics()

    @property
    def _application(self) -> Any:
        return self.config.loaded_app

    async def on_tick(self, counter: int) -> bool:
        """Measure how late the event loop is."""
        now = time.monotonic()
        if self._ticked_at:
            self._lags.append(max(0.0, now - self._ticked_at - _TICK_SECONDS))
        self._ticked_at = now
        counters = self._application.recorder and self._application.recorder.counters
        if counters:
            counters.now = int(time.time())
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept requests."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self._certificate:
            self._watching = asyncio.create_task(self._certificate.watch())
        if self.started and self.ready_message:
            log.info(self.ready_message)

    async def main_loop(self) -> None:
        """Serve until told to stop; then report not ready, and drain for DJANGO_DRAIN_SECONDS."""
        await super().main_loop()
        readiness = self._application.readiness
        readiness.is_ending = True
        if self._signal and not (self._signal == signal.SIGINT and os.isatty(_STANDARD_INPUT)):
            end = time.monotonic() + readiness.drain_seconds
            while time.monotonic() < end and not self.force_exit:
                await self.on_tick(0)
                await asyncio.sleep(0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait for the requests in progress within the grace time."""
        if self._watching:
            self._watching.cancel()
        await self._stop_listening(sockets or [])
        self._application.pool.begin_grace()
        await super().shutdown(sockets)
        app = self._application
        if app.fallback:
            await app.fallback.close()
        if app.recorder and app.recorder.log:
            app.recorder.log.write()

    async def _stop_listening(self, listeners: list[socket.socket]) -> None:
        """Accept the connections that the kernel has completed, which it would reset, and no more."""
        end = time.monotonic() + _ACCEPT_TIMEOUT_SECONDS
        while any(map(count_pending_connections, listeners)) and time.monotonic() < end:  # noqa: ASYNC110 - the kernel has no event for it
            await asyncio.sleep(0.001)
        for server in self.servers:
            server.close()
        await asyncio.sleep(_LAST_REQUESTS_SECONDS)
