"""A connection without a socket: what a protocol class is given, and what it sends, as bytes in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any


class MemoryTransport(asyncio.Transport):
    """Keeps what is written; its client takes everything at once."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1024), "sockname": ("192.0.2.2", 80)})
        self.written: list[bytes] = []
        self.has_ended = False
        self._is_reading = True
        self.protocol: Any = None

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if not self.has_ended:
            self.written.append(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        for data in list_of_data:
            self.write(data)

    def write_eof(self) -> None:
        self.has_ended = True

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self.has_ended = True

    def abort(self) -> None:
        self.has_ended = True

    def is_closing(self) -> bool:
        return self.has_ended

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True

    def is_reading(self) -> bool:
        return self._is_reading

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


async def exchange_in_memory(protocol: Any, *pieces: bytes) -> bytes:
    """Give a protocol the pieces, each when nothing more is to be done for the one before; return what it sends."""
    transport = MemoryTransport()
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    for piece in pieces:
        transport.protocol.data_received(piece)
        await _settle()
    transport.protocol.connection_lost(None)
    await _settle()
    return b"".join(transport.written)


async def _settle(turns: int = 30) -> None:
    """Let the loop run until no task but this one is left; those that wait for the client are left."""
    for _ in range(turns):
        await asyncio.sleep(0)
        if len(asyncio.all_tasks()) == 1:
            break
    await asyncio.sleep(0)
