"""Checks that the libraries of `verify` are installed: the extra ``django-static-host[verify]``."""

from __future__ import annotations

from importlib.util import find_spec

from static_host.errors import StaticHostError

REQUIRED_LIBRARIES = ("httpx", "h2", "brotli", "zstandard")


class MissingExtraError(StaticHostError):
    """Libraries are not installed; the message names them."""

    exit_code = 2


def require_extra() -> None:
    """Raise MissingExtraError unless all libraries are installed."""
    missing = [name for name in REQUIRED_LIBRARIES if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"verify needs {', '.join(missing)}, which the server does not, so it comes as an extra.",
            remedy="Install it on the machine from which you verify: pip install 'django-static-host[verify]'",
        )
