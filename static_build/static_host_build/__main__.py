"""``python -m static_host_build``: ``static-host build``."""

from __future__ import annotations

import sys

from static_host.__main__ import run

if __name__ == "__main__":
    sys.argv.insert(1, "build")
    run()
