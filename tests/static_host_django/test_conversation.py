"""Objects between two processes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from static_host_django.conversation import Conversation


@pytest.fixture
def pair() -> Iterator[tuple[Conversation, Conversation]]:
    first, second = (Conversation(each) for each in socket.socketpair())
    yield first, second
    first.close()
    second.close()


def test_objects_of_any_length_arrive_in_order(pair: tuple[Conversation, Conversation]) -> None:
    first, second = pair
    names = {f"{number}.css": f"lone \udcff, line\nbreak {number}" for number in range(100_000)}
    messages: list[dict[str, Any]] = [{"names": names}, {}, {"number": 1}]
    sender = Thread(target=lambda: [first.send(**each) for each in messages])  # type: ignore[func-returns-value]
    sender.start()
    assert [second.receive() for _ in messages] == messages
    sender.join()


def test_the_end_is_none_also_in_the_middle_of_an_object() -> None:
    ours, theirs = socket.socketpair()
    ours.sendall(b'{"a": 1}\n{"b"')
    ours.close()
    conversation = Conversation(theirs)
    assert conversation.receive() == {"a": 1}
    assert conversation.receive() is None
    conversation.close()


def test_garbage_is_an_error() -> None:
    ours, theirs = socket.socketpair()
    ours.sendall(b"hello\n")
    conversation = Conversation(theirs)
    with pytest.raises(ValueError, match="Expecting value"):
        conversation.receive()
    conversation.close()
    ours.close()
