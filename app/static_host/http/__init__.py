"""The connection, before ASGI: subclasses of uvicorn's protocol classes.

Limits, framing, the fast path for static files, sendfile, WebSocket. May import `middleware`, `origin` and `telemetry`;
never settings: `static_host.server` passes what it needs.
"""
