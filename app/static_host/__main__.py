"""``static-host``, also ``python -m static_host``: loads the command line and runs it.

Rule: a package that is too old for the command line itself to load is an error that names it, too. So is Windows, which
lacks what other modules import.
"""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line: the console script ``static-host``. Raises SystemExit."""
    if sys.platform == "win32":
        print("static-host: Windows is not supported: use WSL 2 or Docker.", file=sys.stderr)
        raise SystemExit(2)
    try:
        from static_host.cli.main import run as run_command_line
    except Exception as error:
        from static_host.installed_packages import describe_conflicts

        described = describe_conflicts(error)
        if described is None:
            raise
        print("static-host:", "\n".join(described), file=sys.stderr)
        raise SystemExit(2) from None
    run_command_line()


if __name__ == "__main__":
    run()
