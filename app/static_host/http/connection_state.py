"""What a connection is doing, and what it may do next."""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """The states of a connection. In each, one party acts: the client, a file, a worker, an application."""

    IDLE = auto()
    """Between two requests."""
    HEAD = auto()
    """A request's head has begun, and is not complete."""
    SENDING = auto()
    """A body is sent from files."""
    PAGE = auto()
    """A worker has a plain request, or it waits for one."""
    ASGI = auto()
    """An application has a request, of which the body may be under way."""
    LINGERING = auto()
    """The last response is sent. What arrives is dropped, so that no reset takes the response away (RFC 9112 §9.6)."""
    UPGRADED = auto()
    """Another protocol has the connection."""
    CLOSED = auto()


TRANSITIONS: dict[State, frozenset[State]] = {
    State.IDLE: frozenset(State) - {State.IDLE},
    State.HEAD: frozenset(State) - {State.HEAD},
    State.SENDING: frozenset({State.IDLE, State.CLOSED}),
    State.PAGE: frozenset({State.IDLE, State.SENDING, State.ASGI, State.LINGERING, State.CLOSED}),
    State.ASGI: frozenset({State.IDLE, State.LINGERING, State.CLOSED}),
    State.LINGERING: frozenset({State.CLOSED}),
    State.UPGRADED: frozenset(),
    State.CLOSED: frozenset(),
}
"""A request is read only when the response to the one before is sent, so each leads back to IDLE, or to the end."""
