"""``python -m static_host``: the command line, ``static-host``."""

from __future__ import annotations

from static_host.cli.main import run

if __name__ == "__main__":
    run()
