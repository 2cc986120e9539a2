"""A front in this process, with a worker made of literal bytes behind it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from static_host.files.sendfile_roots import SendfileRoots
from static_host.middleware.forwarded import TrustedProxies
from static_host.middleware.origin_secret import OriginSecret
from static_host.origin.responder import Responder
from static_host.origin.tree import load_tree
from static_host.telemetry.access_log import AccessLog
from static_host.telemetry.request_record import RequestRecord
from static_host.workers.channel import Channel
from static_host.workers.exchange import Buffered
from static_host.workers.file_responder import FileResponder
from static_host.workers.gateway import Gateway
from static_host.workers.pool import QueueFullError
from static_host.workers.pool_options import PoolOptions
from tests.support.in_process import serve_in_process
from tests.support.trees import make_tree

NOWHERE = os.open(os.devnull, os.O_WRONLY)
IDLE = b"\x01\x07\x00\x00\x00\x00\x00\x00"
BODIES = (b"\x01\x03\x00\x00", b"\x01\x03\x01\x00")


def frames(head: bytes, *pieces: bytes, is_whole: bool = True) -> bytes:
    """Return what a worker sends: status and field lines, and a body in pieces."""
    sent = [b"\x01\x04\x01\x00" + len(head).to_bytes(4, "big") + head]
    for number, piece in enumerate(pieces, 1):
        kind = BODIES[number < len(pieces) or not is_whole]
        sent.append(kind + len(piece).to_bytes(4, "big") + piece)
    return b"".join(sent)


PAGE = frames(b"200\0content-type: text/plain\r\ncontent-length: 2\r\n", b"ok") + IDLE


async def until(is_so: Callable[[], object]) -> None:
    """Let the event loop run until a condition is true."""
    while not is_so():  # noqa: ASYNC110 - what it waits for sets no event
        await asyncio.sleep(0)


class Pool:
    """Channels to workers, each of which the test plays."""

    def __init__(self, count: int) -> None:
        self.options = PoolOptions(request_seconds=0)
        self.workers: list[asyncio.StreamReader] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.files: list[socket.socket] = []
        """The ends of the workers on which they send descriptors."""
        self.free: list[Channel] = []
        self.all: list[Channel] = []
        self.waiting: list[asyncio.Future[Channel]] = []
        self.may_open = False
        self._count = count

    async def open(self) -> None:
        """Open the channels."""
        loop, buffered = asyncio.get_running_loop(), Buffered()
        for number in range(self._count):
            ours, theirs = socket.socketpair()
            for end in (ours, theirs):
                end.setblocking(False)
            our_files, their_files = socket.socketpair()
            our_files.setblocking(False)
            self.files.append(their_files)
            channel = Channel(number, ours, our_files, buffered, self.give_back, lambda _: None)
            await loop.create_unix_connection(lambda channel=channel: channel, sock=ours)  # type: ignore[misc]
            reader, writer = await asyncio.open_unix_connection(sock=theirs)
            self.workers.append(reader)
            self.writers.append(writer)
            self.free.insert(0, channel)
            self.all.append(channel)

    @property
    def has_free_channel(self) -> bool:
        """Whether a request need not wait."""
        return bool(self.free) or self.may_open

    def take_free(self) -> Channel | None:
        """Return the next channel, if any is free."""
        return self.free.pop() if self.free else None

    def join_queue(self) -> asyncio.Future[Channel]:
        """Let one request wait."""
        if self.waiting:
            raise QueueFullError
        self.waiting.append(asyncio.get_running_loop().create_future())
        return self.waiting[0]

    def leave_queue(self, waiting: asyncio.Future[Channel]) -> None:
        """Let it wait no more."""
        if waiting in self.waiting:
            self.waiting.remove(waiting)

    def give_back(self, channel: Channel) -> None:
        """Give a channel to who waits, if anybody does."""
        if self.waiting:
            self.waiting.pop().set_result(channel)
        else:
            self.free.append(channel)

    async def acquire(self) -> Channel:
        """Return the next channel."""
        return self.free.pop() if self.free else await self.join_queue()


class Front:
    """What the page path needs of the front; as an application it responds with what it was asked."""

    def __init__(self, directory: Path, pool: Pool, secret: str = "", trusted: str = "") -> None:
        self.responder = Responder(load_tree(make_tree(directory, {"a.txt": b"0123456789"})), "/static/")
        self.gateway = Gateway(pool, FileResponder(SendfileRoots(())), is_asgi=False, max_body_bytes=1000)  # type: ignore[arg-type]
        self.media = None
        self.open_paths = ("/healthz", "/readyz")
        self.proxies = TrustedProxies([trusted] if trusted else [])
        self.secret = OriginSecret("X-Secret", [secret]) if secret else None
        self.records: list[RequestRecord] = []
        self.recorder = SimpleNamespace(record=self.records.append, log=AccessLog("text", NOWHERE), counters=None)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond as the ASGI path."""
        body = b"asgi " + scope["raw_path"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


class Talk:
    """A client's connection, the worker behind the front, and the server's side of the connection."""

    def __init__(self, front: Front, pool: Pool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.front = front
        self.pool = pool
        self.reader = reader
        self.writer = writer
        self.connection: Any = None

    async def ask(self, data: bytes, worker: int = 0) -> bytes:
        """Send a client's bytes; return the payload of the frame that its worker gets."""
        self.writer.write(data)
        return await self.read_frame(worker)

    async def read_frame(self, worker: int = 0) -> bytes:
        """Return kind and payload of the next frame that a worker gets."""
        head = await self.pool.workers[worker].readexactly(8)
        return head[1:2] + await self.pool.workers[worker].readexactly(int.from_bytes(head[4:], "big"))

    def reply(self, data: bytes, worker: int = 0) -> None:
        """Send bytes of a worker."""
        self.pool.writers[worker].write(data)

    async def read(self) -> bytes:
        """Return a response's bytes without its date: its head, and its body if that has a length."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.startswith(b"date: ")]
        length = next((int(line[16:]) for line in lines if line.startswith(b"content-length: ")), 0)
        return b"\r\n".join(lines) + await self.reader.readexactly(length)


def talk(directory: Path, client: Callable[[Talk], Awaitable[None]], workers: int = 1, **options: Any) -> Front:
    """Let a client talk to a front with so many workers; return the front."""

    async def main() -> Front:
        pool = Pool(workers)
        front = Front(directory / "tree", pool, **options)
        await pool.open()
        async with serve_in_process(front, timeout_keep_alive=5) as (address, state):
            state.default_headers = [(b"date", b"now")]
            reader, writer = await asyncio.open_connection(*address)
            spoken = Talk(front, pool, reader, writer)
            await until(lambda: state.connections)
            (spoken.connection,) = state.connections
            try:
                await asyncio.wait_for(client(spoken), 30)
            finally:
                open_ends: list[Any] = [writer, *pool.writers, *pool.files, *pool.all]
                for each in open_ends:
                    each.close()
        return front

    return asyncio.run(main())
