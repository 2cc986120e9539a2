"""Waiting for an event: the one loop of the tests that looks again and again, with an end."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(is_so: Callable[[], object], otherwise: str | Callable[[], object], seconds: float = 60) -> None:
    """Wait until a condition is true; fail with what `otherwise` says where it does not become so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, otherwise() if callable(otherwise) else otherwise
        time.sleep(0.02)
