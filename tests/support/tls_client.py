"""Clients over TLS: a socket that is wrapped, and one of an event loop that can also end its side alone."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from pathlib import Path

from tests.support.wire import TIMEOUT_SECONDS

READY = r"ready on (https://[^\s\"]+)"


def make_client_context(authority: Path, certificate: Path | None = None) -> ssl.SSLContext:
    """Return a client's context that trusts an authority, perhaps with a certificate of its own."""
    context = ssl.create_default_context(cafile=str(authority))
    context.set_alpn_protocols(["http/1.1"])
    if certificate:
        context.load_cert_chain(certificate)
    return context


def connect_tls(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Return a new connection to a port of this machine, which is read to close_notify."""
    connection = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
    try:
        return context.wrap_socket(connection, server_hostname="localhost", suppress_ragged_eofs=False)
    except BaseException:
        connection.close()
        raise


class TlsClient:
    """A client in the server's event loop, over a socket that does not block."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        self.socket = connection
        self._loop = asyncio.get_running_loop()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")

    async def shake_hands(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._receive()
            else:
                await self._flush()
                return

    async def send(self, data: bytes) -> None:
        self.tls.write(data)
        await self._flush()

    async def end(self) -> None:
        """End this side, by close_notify and by TCP."""
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        await self._flush()
        self.socket.shutdown(socket.SHUT_WR)

    async def read_piece(self) -> bytes:
        """Return what comes next, empty for close_notify. Fails if TCP ends without one."""
        while True:
            try:
                return self.tls.read(1 << 20)
            except ssl.SSLWantReadError:
                await self._receive()
            except ssl.SSLZeroReturnError:
                return b""

    async def read(self) -> bytes:
        """Return all that comes until close_notify."""
        got = []
        while piece := await self.read_piece():
            got.append(piece)
        return b"".join(got)

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._loop.sock_sendall(self.socket, self._outgoing.read())

    async def _receive(self) -> None:
        data = await self._loop.sock_recv(self.socket, 1 << 16)
        if not data:
            raise ConnectionError("the connection ended without close_notify")
        self._incoming.write(data)
