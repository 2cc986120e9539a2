"""uvicorn's WebSockets, closed with 1001, "going away", when the server stops (RFC 6455 §7.4.1).

Rule: every handshake gets a response and a line in the access log. uvicorn would neither answer nor close one that
`websockets` does not parse: a line over 8 kB, more than 128 fields, a body.
"""

from __future__ import annotations

from asyncio import BaseTransport
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import SecurityError
from websockets.http11 import Request

from static_host.http.limits import get_application
from static_host.http.rejection import LINGER_SECONDS, build_refusal_record, send_refusal
from static_host.middleware.forwarded import unmap_ipv4
from static_host.telemetry.scope_keys import LOGGED_STATUS_KEY, STATUS_CLIENT_CLOSED_REQUEST

GOING_AWAY = 1001


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket connection; both its client and the application learn that the server stops."""

    def connection_made(self, transport: BaseTransport) -> None:
        """Set up the connection, with an IPv4 client's address in IPv4 spelling."""
        super().connection_made(transport)
        if self.client:
            self.client = (unmap_ipv4(self.client[0]), self.client[1])

    def data_received(self, data: bytes) -> None:
        """Parse the data; refuse a handshake that cannot be parsed with 400, or 431 if it is too long."""
        super().data_received(data)
        error = self.conn.handshake_exc
        if error is not None and not self.handshake_initiated and not self.close_sent:
            self.close_sent = True
            is_too_long = isinstance(error, SecurityError) or isinstance(error.__cause__, SecurityError)
            send_refusal(self.transport, 431 if is_too_long else 400, self.default_headers, self.client, self._recorder)
            self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def handle_connect(self, event: Request) -> None:
        """Pass the handshake on; record one that `websockets` itself refuses because of its version or key."""
        super().handle_connect(event)
        response = self.response
        if response.status_code != 101 and self._recorder:
            self._recorder.record(build_refusal_record(self.client, response.status_code, len(response.body)))

    @property
    def _recorder(self) -> Any:
        return getattr(get_application(self.config), "recorder", None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Set the status to log if the client disconnects before the response to its handshake."""
        if self.handshake_initiated and not self.handshake_complete:
            cast("dict[str, Any]", self.scope)[LOGGED_STATUS_KEY] = STATUS_CLIENT_CLOSED_REQUEST
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close the connection with 1001 because the server stops."""
        if not self.handshake_complete or self.close_sent:
            super().shutdown()
            return
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": GOING_AWAY})
        self.conn.send_close(GOING_AWAY)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()
