"""The pace of a connection: a client that takes nothing is given up, one that takes a little now and then is not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from static_host.http.flow_control import WRITE_TIMEOUT_SECONDS, FlowControl
from tests.support import instantly
from tests.support.memory_transport import MemoryTransport


class SlowTransport(MemoryTransport):
    """Its client has still to take `unsent` bytes."""

    unsent = 100
    is_aborted = False

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.is_aborted = True


def is_given_up(script: Callable[[SlowTransport, FlowControl], Awaitable[None]]) -> bool:
    """Whether the client is given up at the end of a script that begins when the transport is full."""

    async def main() -> bool:
        transport = SlowTransport()
        flow = FlowControl(transport, asyncio.get_running_loop())
        flow.pause_writing()
        await script(transport, flow)
        await asyncio.sleep(WRITE_TIMEOUT_SECONDS + 1)
        return transport.is_aborted

    return instantly.run(main())


async def take_nothing(_transport: SlowTransport, _flow: FlowControl) -> None:
    pass


async def take_a_byte_now_and_then(transport: SlowTransport, _: FlowControl) -> None:
    for _number in range(9):
        await asyncio.sleep(WRITE_TIMEOUT_SECONDS - 1)
        transport.unsent -= 1


async def take_all_and_be_sent_more(transport: SlowTransport, flow: FlowControl) -> None:
    flow.resume_writing()
    transport.unsent = 200


async def take_a_part_and_nothing_of_the_rest(transport: SlowTransport, flow: FlowControl) -> None:
    transport.close()
    transport.unsent = 10
    flow.resume_writing()
    await asyncio.sleep(WRITE_TIMEOUT_SECONDS)


def test_a_client_is_given_up_when_it_takes_nothing() -> None:
    assert is_given_up(take_nothing)
    assert not is_given_up(take_a_byte_now_and_then)


def test_what_is_written_after_a_pause_has_its_own_time() -> None:
    assert not is_given_up(take_all_and_be_sent_more)


def test_the_rest_of_a_connection_that_is_closed_is_watched_to_its_end() -> None:
    assert is_given_up(take_a_part_and_nothing_of_the_rest)
