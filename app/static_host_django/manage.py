"""What `static-host manage` runs in the project's interpreter: a project's `manage.py`, whose settings module is set.

Rule: it is run as a script, so Django's commands know it as `manage.py`, and its autoreloader can start it again.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command of `sys.argv`. Raises SystemExit."""
    sys.path[:] = [os.getcwd(), *(each for each in sys.path if each != os.path.dirname(__file__))]  # noqa: PTH109, PTH120
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
