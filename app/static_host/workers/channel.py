"""The front's end of a channel: one request at a time, and its frames.

Rule: a response is taken as fast as the worker makes it, up to a bound (`exchange`); beyond that the socket is not
read, and the worker waits. The rest of a response that is no longer wanted is read and dropped. A channel is free
when the worker says IDLE. Bytes that are no frame of the protocol close the channel.
"""

from __future__ import annotations

import array
import asyncio
import io
import logging
import os
import socket
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from static_host.origin.response import Slice
from static_host.workers.exchange import Buffered, Exchange, NoDescriptorError, WorkerLostError
from static_host.workers.request_body import RequestBody
from static_host_django.frames import (
    MAX_MESSAGE_BYTES,
    FileForm,
    Frame,
    FrameError,
    FrameReader,
    Kind,
    MessageJoiner,
    decode_fields,
    decode_file,
    encode,
    encode_pieces,
)

log = logging.getLogger("static_host.workers")

_LAST_OF_REQUEST = frozenset({Kind.RESPONSE, Kind.BODY, Kind.FAILED, Kind.CLOSE})
_OF_REQUEST = frozenset(
    {Kind.RESPONSE, Kind.FILE, Kind.BODY, Kind.FAILED, Kind.ACCEPT, Kind.TEXT, Kind.BYTES, Kind.CLOSE}
)


_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_DESCRIPTOR_SPACE_BYTES = socket.CMSG_LEN(array.array("i").itemsize)


def open_sockets() -> tuple[tuple[socket.socket, socket.socket], tuple[socket.socket, socket.socket]]:
    """Return the front's sockets of a channel, for frames and for descriptors, and the worker's. Raises OSError."""
    ours, theirs = socket.socketpair()
    try:
        our_files, their_files = socket.socketpair()
    except OSError:
        ours.close()
        theirs.close()
        raise
    ours.setblocking(False)
    our_files.setblocking(False)
    return (ours, our_files), (theirs, their_files)


class Channel(asyncio.Protocol):
    """A socketpair to a worker, and another one on which the descriptors of files come.

    `on_idle` and `on_lost` are called with the channel when it is free, and when it is closed.
    """

    def __init__(
        self,
        number: int,
        connection: socket.socket,
        files: socket.socket,
        buffered: Buffered,
        on_idle: Callable[[Any], None],
        on_lost: Callable[[Any], None],
    ) -> None:
        self.number = number
        self.exchange: Exchange | None = None
        self.is_busy = False
        self.head = b""
        """The head of the current or last request, encoded."""
        self.began_at = 0.0
        """When that request went to the worker, on the event loop's clock."""
        self.is_answered = False
        """Whether the worker has sent the whole response to that request."""
        self.is_timed = False
        """Whether its response has to begin in time: a WebSocket has none."""
        self.is_abandoned = False
        """Whether its client had gone before the response began."""
        self.unwanted_since: float | None = None
        """When the pool found it busy after its response, or without a client."""
        self._connection = connection
        self._files = files
        self._buffered = buffered
        self._on_idle = on_idle
        self._on_lost = on_lost
        self._reader = FrameReader()
        self._joiner = MessageJoiner(MAX_MESSAGE_BYTES)
        self._transport: Any = None
        self._is_paused = False
        self._is_lost = False
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self._transport = transport

    def begin(self, kind: int, head: bytes, body: RequestBody | None = None, *, more: bool = False) -> Exchange:
        """Send a request's head, and its body if it is whole; `more` tells that `send_body` follows."""
        self.is_busy = True
        self.is_timed = kind == Kind.HTTP_REQUEST
        self._joiner = MessageJoiner(MAX_MESSAGE_BYTES)
        loop = asyncio.get_running_loop()
        self.head, self.began_at = head, loop.time()
        self.is_answered = self.is_abandoned = False
        self.unwanted_since = None
        self.exchange = exchange = Exchange(loop, self._buffered)
        self.resume()  # the client of the former response may still take it
        has_body = body is not None and bool(body.length)
        frame = encode(kind, head, more=has_body or more)
        if self._is_lost:  # after the request was given this channel
            exchange.fail(WorkerLostError())
        elif body is not None and body.file is not None:
            self._send_with_descriptor(frame, body.file.fileno())
        elif body is not None and has_body:
            self._transport.write(b"".join([frame, *encode_pieces(Kind.BODY, body.data)]))
        else:
            self._transport.write(frame)
        return exchange

    def _send_with_descriptor(self, frame: bytes, descriptor: int) -> None:
        """Send a frame with a descriptor (SCM_RIGHTS). The channel is idle, so its socket takes a frame at once."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
        try:
            sent = self._connection.sendmsg([frame], rights)
        except OSError:
            self._transport.abort()
            return
        if sent < len(frame):
            self._transport.write(frame[sent:])

    async def send(self, exchange: Exchange, frames: Iterable[bytes]) -> None:
        """Send further frames of a request, as fast as the worker takes them, until its response is complete.

        The channel may then have another request, while the client of this one still takes its response.
        """
        for frame in frames:
            await self._writable.wait()
            if self.exchange is exchange and not exchange.is_complete and not self._transport.is_closing():
                self._transport.write(frame)

    def finish(self, exchange: Exchange, code: int | None = None) -> None:
        """End an exchange for the front; tells the worker that the client has gone if the response is incomplete.

        A complete one may have been followed by the next: IDLE can come before the response was taken.
        """
        exchange.discard()
        if self.exchange is not exchange:
            return
        self.exchange = None
        if not exchange.is_complete and not self._transport.is_closing():
            self._send_now(encode(Kind.DISCONNECT, b"%d" % code if code is not None else b""))
        self.resume()

    def _send_now(self, frame: bytes) -> None:
        """Send a small frame before anything that follows, unless other data waits already."""
        sent = 0
        if not self._transport.get_write_buffer_size():
            with suppress(OSError):
                sent = self._connection.send(frame)
        if sent < len(frame):
            self._transport.write(frame[sent:])

    def resume(self) -> None:
        """Read on, unless as much waits as may."""
        if self._is_paused and not (self.exchange and self.exchange.is_crowded):
            self._is_paused = False
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Take the frames of the current request; stop reading while more waits than may."""
        exchange = self.exchange
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except (FrameError, ValueError) as error:
            log.error("worker: a channel is closed: %s", error)  # noqa: TRY400 - no fault of ours
            self._transport.abort()
            return
        if exchange is not None:
            exchange.notify()
        if self.exchange is not None and self.exchange.is_crowded and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def _take(self, frame: Frame) -> None:
        exchange = self.exchange
        if frame.kind == Kind.IDLE and self.is_busy:
            if exchange is not None and not exchange.is_complete:
                raise FrameError("idle before the response is complete")
            self.is_busy = False
            self._on_idle(self)
            return
        if frame.kind not in _OF_REQUEST or not self.is_busy:
            raise FrameError(f"an unexpected frame of kind {frame.kind}")
        if frame.kind in (Kind.TEXT, Kind.BYTES):
            whole = self._joiner.join(frame)
            if whole is not None and exchange is not None:
                exchange.add(Frame(frame.kind, whole))
            return
        if frame.kind == Kind.FILE:
            self._take_file(frame.payload)
            return
        self.is_answered = frame.kind in _LAST_OF_REQUEST and not frame.more
        if exchange is not None:
            if frame.kind in (Kind.ACCEPT, Kind.CLOSE):
                decode_fields(frame.payload)
            exchange.add(frame)

    def _take_file(self, payload: bytes) -> None:
        """Take the file that is the body of the response; closes one that is not wanted. Raises FrameError."""
        form, offset, length, content = decode_file(payload)
        if (form is FileForm.LENGTH) != self.head.startswith(b"HEAD\0"):
            raise FrameError("a file in the form for another method")
        descriptor = self._receive_descriptor() if form is FileForm.DESCRIPTOR else None
        exchange = self.exchange
        if exchange is None or exchange.error is not None:
            if descriptor is not None:
                os.close(descriptor)
        elif form is FileForm.DESCRIPTOR and descriptor is None:
            exchange.fail(NoDescriptorError())
        else:
            file = Slice(io.FileIO(descriptor), offset, length) if descriptor is not None else None
            exchange.add_file(length, content, file)

    def _receive_descriptor(self) -> int | None:
        """Return the descriptor that has come; None if this process has no room for it. Raises FrameError."""
        try:  # socket.recv_fds ignores its flags
            _, ancillary, flags, _ = self._files.recvmsg(1, _DESCRIPTOR_SPACE_BYTES, _CLOSE_ON_EXEC)
        except OSError as error:
            raise FrameError(f"a file without its descriptor: {error}") from None
        if not ancillary:
            if flags & socket.MSG_CTRUNC:
                return None
            raise FrameError("a file without its descriptor")
        (descriptor,) = array.array("i", ancillary[0][2])
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FrameError("a file that is no regular one")
        return descriptor

    def pause_writing(self) -> None:
        """Let `send` wait: the worker takes nothing."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let `send` go on."""
        self._writable.set()

    def connection_lost(self, _: Exception | None) -> None:
        """Fail the current request, and tell the pool."""
        self._is_lost = True
        self._files.close()
        self._writable.set()
        if self.exchange is not None and not self.exchange.is_complete:
            self.exchange.fail(WorkerLostError())
        self._on_lost(self)

    def close(self) -> None:
        """Close the channel, once it is open; a thread of the worker that waits for a request ends."""
        self._files.close()
        if self._transport is not None:
            self._transport.close()
