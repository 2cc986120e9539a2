"""``python -m static_host_build``: ``static-host build``."""

from __future__ import annotations

from static_host.standard_streams import prepared
from static_host_build.cli import build

if __name__ == "__main__":
    with prepared():
        build(prog_name="static-host build")
