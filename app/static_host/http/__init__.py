"""The connection: bytes in, bytes out, and what is between them and the applications.

One state machine for a connection, a parser, three paths (static files, pages, ASGI), sendfile, WebSocket. May import
`middleware`, `origin` and `telemetry`; never settings: `static_host.server` passes what it needs. Of uvicorn it uses
what a class for ``http=`` is given: the configuration, and the server's state.
"""
