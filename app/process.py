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
import threading
import time

import uvicorn

from app.protocol import application_of

log = logging.getLogger("static_host")

_GRACE_THREADS = 1.0
_ACCEPTING = 0.05
"""Seconds in which connections that the kernel has taken already are taken from it, before it would refuse them."""


class Server(uvicorn.Server):
    """A server that says when it takes requests, and that ends when it has been told to."""

    ready = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take requests."""
        await super().startup(sockets)
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
        await asyncio.sleep(_ACCEPTING)
        await super().shutdown(sockets)
        # A view that hangs cannot be ended, and the interpreter would wait for its thread.
        last_resort = threading.Timer(_GRACE_THREADS, os._exit, (0,))
        last_resort.daemon = True
        last_resort.start()
