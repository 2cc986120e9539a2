"""The access log: a line for each answer, on standard output.

Strategy: a line is put together at once and written with the others of the same turn of the event loop, in one
write(2); a logger's machinery would cost ten times what an answer costs.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from static_host.telemetry.request_record import Seen

Format = Literal["text", "json"]


def as_text(seen: Seen) -> str:
    """Return a line for people; what there is none of is a dash."""
    client = f"{seen.client}:{seen.port}" if seen.client else "-"
    return (
        f"{client} {seen.method} {seen.target} HTTP/{seen.version} {seen.status} {seen.size} "
        f"{seen.coding or '-'} {seen.lane} {seen.seconds * 1000:.1f}ms {seen.identifier or '-'}\n"
    )


def as_json(seen: Seen) -> str:
    """Return a line for programs: one JSON object."""
    facts = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "client": seen.client,
        "client_port": seen.port or None,
        "method": seen.method,
        "target": seen.target,
        "protocol": f"HTTP/{seen.version}",
        "status": seen.status,
        "bytes": seen.size,
        "coding": seen.coding,
        "lane": seen.lane,
        "duration_ms": round(seen.seconds * 1000, 3),
        "request_id": seen.identifier,
    }
    return f"{json.dumps(facts)}\n"


_LINE: dict[Format, Callable[[Seen], str]] = {"text": as_text, "json": as_json}


class AccessLog:
    """Writes lines to a descriptor."""

    def __init__(self, form: Format, descriptor: int = 1) -> None:
        self._line = _LINE[form]
        self._descriptor = descriptor
        self._lines: list[str] = []

    def add(self, seen: Seen) -> None:
        """Have a line written before the event loop's next turn."""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self.write)
        self._lines.append(self._line(seen))

    def write(self) -> None:
        """Write what is there. A reader that has gone is no reason to stop."""
        data = memoryview("".join(self._lines).encode("utf-8", "backslashreplace"))
        self._lines.clear()
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except BlockingIOError:
            sys.stdout.flush()
        except OSError:
            pass
