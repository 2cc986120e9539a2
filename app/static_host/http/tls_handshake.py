"""A connection over TLS until its handshake is complete: uvicorn's server makes one of these for each (``http=``).

Rule: a handshake is complete within `HANDSHAKE_TIMEOUT_SECONDS`, and counts as a connection meanwhile. One that fails
is the client's fault, and so is what is no TLS: the connection is closed, and nothing is logged but that a client's
certificate is refused.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from asyncio import AbstractEventLoop, Transport
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from uvicorn.config import Config

from static_host.http.connection import SHUTDOWN_IDLE_SECONDS, HttpProtocol
from static_host.http.server_context import get_address
from static_host.http.tls_transport import TlsTransport
from static_host.telemetry.request_record import format_address

log = logging.getLogger("static_host.http")

HANDSHAKE_TIMEOUT_SECONDS = 10.0
"""From the connection's start to the handshake's end."""
LOG_INTERVAL_SECONDS = 60.0
"""Time between two lines about refused certificates: scanners come without one all the time."""
_NO_CERTIFICATE = "PEER_DID_NOT_RETURN_A_CERTIFICATE"


class TlsHandshake(asyncio.Protocol):
    """A connection that `HttpProtocol` is to have."""

    transport: Transport
    _log_after: ClassVar[float] = 0.0

    def __init__(
        self,
        get_context: Callable[[], ssl.SSLContext],
        config: Config,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        self._get_context = get_context
        self._server_state = server_state
        self._loop = _loop or asyncio.get_event_loop()
        self._make_protocol = partial(HttpProtocol, config, server_state, app_state, self._loop)
        self._is_stopping = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # it is one that writes, too
        """Wait for the client's first message."""
        self.transport = transport
        self._server_state.connections.add(self)
        self._tls = TlsTransport(transport, self._get_context())
        self._deadline = self._loop.call_later(HANDSHAKE_TIMEOUT_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Go on with the handshake; at its end give the connection away."""
        try:
            is_complete = self._tls.shake_hands(data)
        except ssl.SSLError as error:
            self._log_refusal(error)
            self.transport.close()
            return
        if is_complete:
            self._leave()
            protocol = self._make_protocol()
            self._tls.start(protocol)
            if self._is_stopping:
                protocol.shutdown()

    def pause_writing(self) -> None:
        """Wait for the client."""
        self._tls.pause_writing()

    def resume_writing(self) -> None:
        """Go on."""
        self._tls.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget the connection."""
        self._leave()

    def shutdown(self) -> None:
        """Let a handshake that is under way come to its end, for a request may be on its way."""
        self._is_stopping = True
        self._deadline.cancel()
        self._deadline = self._loop.call_later(SHUTDOWN_IDLE_SECONDS, self.transport.abort)

    def _log_refusal(self, error: ssl.SSLError) -> None:
        """Say why a client's certificate is refused: a CDN whose certificate is wrong gets nothing else."""
        is_refusal = isinstance(error, ssl.SSLCertVerificationError) or error.reason == _NO_CERTIFICATE
        if is_refusal and TlsHandshake._log_after <= time.monotonic():
            TlsHandshake._log_after = time.monotonic() + LOG_INTERVAL_SECONDS
            client, _ = format_address(get_address(self.transport, "peername"))
            reason = "it has none" if error.reason == _NO_CERTIFICATE else getattr(error, "verify_message", "")
            log.warning("TLS: the certificate of the client at %s is refused: %s", client, reason)

    def _leave(self) -> None:
        self._deadline.cancel()
        self._server_state.connections.discard(self)
