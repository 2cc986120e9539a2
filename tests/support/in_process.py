"""A server in this process's event loop, whose connections are our protocol class."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from static_host.http.connection import HttpProtocol
from static_host.http.tls_handshake import TlsHandshake


@asynccontextmanager
async def serve_in_process(
    app: Any, listener: socket.socket | None = None, *, context: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[Any]:
    """Serve an application, over TLS with `context`; give the address and uvicorn's state.

    At the end no connection is left open.
    """
    config = uvicorn.Config(app, http=HttpProtocol, ws="none", log_config=None, proxy_headers=False, **options)
    config.load()
    state = uvicorn.Server(config).server_state

    def make_protocol() -> asyncio.Protocol:
        if context is None:
            return HttpProtocol(config, state, {})
        return TlsHandshake(lambda: context, config, state, {})

    place = {"sock": listener} if listener else {"host": "127.0.0.1", "port": 0}
    server = await asyncio.get_running_loop().create_server(make_protocol, **place)
    try:
        yield server.sockets[0].getsockname(), state
    finally:
        server.close()
        while state.connections:
            for each in list(state.connections):
                each.transport.abort()
            await asyncio.sleep(0)
