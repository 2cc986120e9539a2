"""The access log: one line for each request, on standard output.

Strategy: a line is formatted at once and written with the others of the same turn of the event loop, in one write(2). A
logger would cost ten times as much as the response itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from static_host.telemetry.request_record import RequestRecord

LogFormat = Literal["text", "json"]


def format_text(record: RequestRecord) -> str:
    """Return one line of text; a missing value is a dash."""
    client = f"{record.client}:{record.port}" if record.client else "-"
    return (
        f"{client} {record.method} {record.target} HTTP/{record.version} {record.status} {record.size} "
        f"{record.coding or '-'} {record.handler} {record.seconds * 1000:.1f}ms {record.identifier or '-'}\n"
    )


def format_json(record: RequestRecord) -> str:
    """Return one line with a JSON object."""
    facts = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "client": record.client,
        "client_port": record.port or None,
        "method": record.method,
        "target": record.target,
        "protocol": f"HTTP/{record.version}",
        "status": record.status,
        "bytes": record.size,
        "coding": record.coding,
        "handler": record.handler,
        "duration_ms": round(record.seconds * 1000, 3),
        "request_id": record.identifier,
    }
    return f"{json.dumps(facts)}\n"


_FORMATTERS: dict[LogFormat, Callable[[RequestRecord], str]] = {"text": format_text, "json": format_json}


class AccessLog:
    """Collects lines and writes them to a file descriptor."""

    def __init__(self, form: LogFormat, descriptor: int = 1) -> None:
        self._format = _FORMATTERS[form]
        self._descriptor = descriptor
        self._lines: list[str] = []

    def add(self, record: RequestRecord) -> None:
        """Add a line; it is written before the event loop's next turn."""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self.write)
        self._lines.append(self._format(record))

    def write(self) -> None:
        """Write all lines. When the reader is gone, they are dropped and the server continues."""
        data = memoryview("".join(self._lines).encode("utf-8", "backslashreplace"))
        self._lines.clear()
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except BlockingIOError:
            sys.stdout.flush()
        except OSError:
            pass
