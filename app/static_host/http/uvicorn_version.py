"""Which versions of uvicorn have the protocol class that the fast path extends."""

from __future__ import annotations

import uvicorn

UVICORN_VERSION_PREFIX = "0.54."
"""Start of the versions of uvicorn whose protocol class this one extends."""


def find_incompatibility() -> str | None:
    """Return why the fast path cannot be used, or None if it can."""
    if not uvicorn.__version__.startswith(UVICORN_VERSION_PREFIX):
        return f"uvicorn is {uvicorn.__version__}, and it supports {UVICORN_VERSION_PREFIX}x"
    return None
