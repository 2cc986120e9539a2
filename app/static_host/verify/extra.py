"""The libraries that `verify` needs beside the server's: the extra ``django-static-host[verify]``."""

from __future__ import annotations

from importlib.util import find_spec

from static_host.errors import Stop

NEEDED = ("httpx", "h2", "brotli", "zstandard")


class ExtraMissing(Stop):
    """Libraries are not installed; the message names them, and what installs them."""

    exit_code = 2


def needed() -> None:
    """Raise ExtraMissing unless all libraries are there."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise ExtraMissing(
            f"verify needs {', '.join(missing)}, which the server does not, so it comes as an extra. Install it on the "
            "machine from which you verify: pip install 'django-static-host[verify]'"
        )
