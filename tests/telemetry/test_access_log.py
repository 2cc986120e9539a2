"""The access log alone: when lines are written, and what a line that cannot be made costs."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from static_host.telemetry.access_log import MAX_LINES, AccessLog


def test_lines_are_written_in_their_order_at_the_latest_when_there_are_many(tmp_path: Path) -> None:
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)

    async def main() -> None:
        log = AccessLog("text", descriptor)
        log.add_line("first\n")
        log.add_line((lambda *parts: " ".join(parts) + "\n", "a", "b", "c", "d"))
        assert path.read_text() == ""
        for _ in range(MAX_LINES - 2):
            log.add_line("more\n")
        assert path.read_text() == "first\na b c d\n" + "more\n" * (MAX_LINES - 2)
        log.add_line("last\n")
        while not path.read_text().endswith("last\n"):  # noqa: ASYNC110 - a file sets no event
            await asyncio.sleep(0)

    asyncio.run(main())
    os.close(descriptor)


def test_a_line_that_cannot_be_made_does_not_end_the_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)

    async def main() -> None:
        log = AccessLog("text", descriptor)
        log.add_line((lambda *_: str(1 / 0), 1, 2, 3, 4))
        with pytest.raises(ZeroDivisionError):
            log.write()
        log.add_line("next\n")
        log.write()

    asyncio.run(main())
    assert path.read_text() == "next\n"
    os.close(descriptor)
