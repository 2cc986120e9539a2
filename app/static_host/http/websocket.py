"""uvicorn's WebSockets, which end as RFC 6455 §7.4.1 says of a server that goes down: with 1001, "going away".

Rule: every handshake has an answer, and a line in the access log. One that `websockets` does not read (a line over
8 kB, more than 128 fields, a body) uvicorn would neither answer nor close.
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
    """A connection that is told of the end, and so is the application behind it."""

    def connection_made(self, transport: BaseTransport) -> None:
        """Note the client's address, in its own spelling."""
        super().connection_made(transport)
        if self.client:
            self.client = (unmap_ipv4(self.client[0]), self.client[1])

    def data_received(self, data: bytes) -> None:
        """Have the data read, and refuse a handshake that cannot be."""
        super().data_received(data)
        error = self.conn.handshake_exc
        if error is not None and not self.handshake_initiated and not self.close_sent:
            self.close_sent = True
            is_too_long = isinstance(error, SecurityError) or isinstance(error.__cause__, SecurityError)
            send_refusal(self.transport, 431 if is_too_long else 400, self.default_headers, self.client, self._recorder)
            self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def handle_connect(self, event: Request) -> None:
        """Pass the handshake on; tell of one that `websockets` itself refuses, for its version or its key."""
        super().handle_connect(event)
        answer = self.response
        if answer.status_code != 101 and self._recorder:
            self._recorder.record(build_refusal_record(self.client, answer.status_code, len(answer.body)))

    @property
    def _recorder(self) -> Any:
        return getattr(get_application(self.config), "recorder", None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the client has gone, if it did so before its handshake was answered."""
        if self.handshake_initiated and not self.handshake_complete:
            cast("dict[str, Any]", self.scope)[LOGGED_STATUS_KEY] = STATUS_CLIENT_CLOSED_REQUEST
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close the connection because the server ends."""
        if not self.handshake_complete or self.close_sent:
            super().shutdown()
            return
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": GOING_AWAY})
        self.conn.send_close(GOING_AWAY)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()
