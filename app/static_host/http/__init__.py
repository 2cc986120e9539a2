"""The connection: what comes before ASGI, as protocol classes of uvicorn's.

Limits, framing, the fast path for static files, sendfile, WebSocket. May import `middleware`, `origin`, `project` and
`telemetry`; never settings: `static_host.server` passes what it needs.
"""
