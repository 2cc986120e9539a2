"""The keys that this program adds to an ASGI scope, for other rooms that handle the same request."""

from __future__ import annotations

HANDLER_KEY = "static_host.handler"
"""Who answers, where it is not Django: "static", "store", "file", "sendfile", "media", "health" or "refused"."""
HALF_CLOSED_KEY = "static_host.half_closed"
"""Present when the client has closed its side of the connection: it may wait for the response, or be gone."""
ON_DISCONNECT_KEY = "static_host.on_disconnect"
"""A function to call when the connection is lost, for an application that is not receiving the body."""
BREAK_OFF_KEY = "static_host.break_off"
"""A function that closes the connection within a response, which the client sees is incomplete then."""
STARTED_AT_KEY = "static_host.started_at"
"""The time (`time.perf_counter`) at which the request's head arrived, where that was before ASGI began."""
PROXY_SECONDS_KEY = "static_host.proxy_seconds"
"""Seconds between the start of the request at a trusted proxy, and the arrival of its head."""
QUEUE_SECONDS_KEY = "static_host.queue_seconds"
"""Those, and the seconds for which the request has waited for a worker."""
LOGGED_STATUS_KEY = "static_host.logged_status"
"""The status to log for a request whose client is gone, in place of the one that is not sent."""
SENT_BYTES_KEY = "static_host.sent_bytes"
"""Bytes of files that the server has sent in the body, beside those in messages."""
STATUS_CLIENT_CLOSED_REQUEST = 499
"""The status to log when the client closed the connection before the response began, as nginx logs it."""
