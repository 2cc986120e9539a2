"""The states of a WebSocket connection, and the order in which it may have them."""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """The states of a connection."""

    CONNECTING = auto()
    """The application has not responded to the handshake."""
    DENYING = auto()
    """The application sends another response than 101."""
    OPEN = auto()
    """Messages go both ways."""
    CLOSING = auto()
    """Our close frame is sent, the client's has not arrived."""
    LINGERING = auto()
    """Our last byte is sent; what still arrives is discarded."""
    CLOSED = auto()
    """The connection is lost."""


BEFORE_CLOSE = (State.CONNECTING, State.DENYING, State.OPEN)
"""The states in which an application may send."""
_NEXT_STATES = {
    State.CONNECTING: {State.OPEN, State.DENYING, State.LINGERING, State.CLOSED},
    State.DENYING: {State.LINGERING, State.CLOSED},
    State.OPEN: {State.CLOSING, State.LINGERING, State.CLOSED},
    State.CLOSING: {State.LINGERING, State.CLOSED},
    State.LINGERING: {State.CLOSED},
    State.CLOSED: set[State](),
}


def check_transition(state: State, following: State) -> None:
    """Raise AssertionError if one state cannot follow the other."""
    if following not in _NEXT_STATES[state]:
        raise AssertionError(f"a WebSocket that is {state.name} cannot become {following.name}")
