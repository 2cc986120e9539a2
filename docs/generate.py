"""Writes the tables of the documentation that come from the code: ``make docs``; ``--check`` only reports stale ones.

Rule: the text between ``<!-- generated: NAME -->`` and ``<!-- end -->`` comes from `SECTIONS`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from static_host.conf.settings import list_variables

ROOT = Path(__file__).parents[1]
FILES = (ROOT / "README.md",)
_GENERATED = re.compile(r"(?<=<!-- generated: )([a-z]+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)


def tabulate_settings() -> str:
    """Return a table of variables for each group, as Markdown."""
    lines = []
    for group, variables in groupby(list_variables(), key=lambda variable: variable.group):
        lines += [f"**{group}**", "", "| variable | default | meaning |", "|---|---|---|"]
        lines += [f"| `{each.name}` | {_format_default(each.default)} | {each.description} |" for each in variables]
        lines.append("")
    return "\n".join(lines)


def _format_default(default: str) -> str:
    return default if "`" in default or " " in default else f"`{default}`" if default else "empty"


SECTIONS: dict[str, Callable[[], str]] = {"settings": tabulate_settings}


def main() -> int:
    """Write the files, or check them; return the exit code."""
    stale = []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        current = _GENERATED.sub(lambda match: f"{match[1]}{match[2]}{SECTIONS[match[1]]()}", text)
        if current != text and "--check" in sys.argv:
            stale.append(str(path.relative_to(ROOT)))
        elif current != text:
            path.write_text(current, encoding="utf-8")
    if stale:
        print(f"{', '.join(stale)}: differs from the code. Run `make docs`.", file=sys.stderr)
    return len(stale)


if __name__ == "__main__":
    sys.exit(main())
