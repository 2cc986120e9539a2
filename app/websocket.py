"""uvicorn's WebSockets, which end as RFC 6455 §7.4.1 says of a server that goes down: with 1001, "going away"."""

from __future__ import annotations

from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from app.environ import CLIENT_GONE, GIVEN_UP

GOING_AWAY = 1001


class WebSocket(WebSocketsSansIOProtocol):
    """A connection that is told of the end, and so is the application behind it."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the client has gone, if it did so before its handshake was answered."""
        if self.handshake_initiated and not self.handshake_complete:
            cast("dict[str, Any]", self.scope)[GIVEN_UP] = CLIENT_GONE
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
