"""The access log: one line for each request, on standard output.

Strategy: a line is put together at once from parts, of which a prepared response has its own ready. It is written with
the others of the same turn of the event loop, in one write(2). A logger would cost ten times as much as the response.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from datetime import UTC, datetime
from typing import Literal

from static_host.telemetry.request_record import RequestRecord

LogFormat = Literal["text", "json"]


class TextFormat:
    """One line of text for each request; a missing value is a dash."""

    def format_client(self, host: str, port: int) -> str:
        """Return the part of a line that is about the client."""
        return f"{host}:{port}" if host else "-"

    def format_response(self, status: int, size: int, coding: str, handler: str) -> str:
        """Return the part of a line that is about the response."""
        return f"{status} {size} {coding or '-'} {handler}"

    def join(
        self, client: str, method: str, target: str, version: str, response: str, seconds: float, identifier: str
    ) -> str:
        """Return a line; `client` and `response` are its parts about them."""
        return f"{client} {method} {target} HTTP/{version} {response} {seconds * 1000:.1f}ms {identifier or '-'}\n"


class JsonFormat:
    """One line with a JSON object for each request."""

    def __init__(self) -> None:
        self._second = 0
        self._begin = ""

    def format_client(self, host: str, port: int) -> str:
        """Return the part of a line that is about the client."""
        return f'"client": {json.dumps(host)}, "client_port": {port or "null"}'

    def format_response(self, status: int, size: int, coding: str, handler: str) -> str:
        """Return the part of a line that is about the response."""
        return f'"status": {status}, "bytes": {size}, "coding": {json.dumps(coding)}, "handler": "{handler}"'

    def join(
        self, client: str, method: str, target: str, version: str, response: str, seconds: float, identifier: str
    ) -> str:
        """Return a line; `client` and `response` are its parts about them."""
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._begin = datetime.fromtimestamp(self._second, UTC).strftime('{"time": "%Y-%m-%dT%H:%M:%S.')
        if not target.isprintable() or '"' in target or "\\" in target:
            target = json.dumps(target)[1:-1]
        return (
            f'{self._begin}{int(now % 1 * 1000):03d}Z", {client}, "method": "{method}", "target": "{target}", '
            f'"protocol": "HTTP/{version}", {response}, "duration_ms": {round(seconds * 1000, 3)}, '
            f'"request_id": "{identifier}"}}\n'
        )


LineFormat = TextFormat | JsonFormat


class AccessLog:
    """Collects lines and writes them to a file descriptor. `format` puts a line together from its parts."""

    def __init__(self, form: LogFormat, descriptor: int = 1) -> None:
        self.format = JsonFormat() if form == "json" else TextFormat()
        self._descriptor = descriptor
        self._lines: list[str] = []

    def add(self, record: RequestRecord) -> None:
        """Add a line; it is written before the event loop's next turn."""
        form = self.format
        client = form.format_client(record.client, record.port)
        response = form.format_response(record.status, record.size, record.coding, record.handler)
        line = (record.method, record.target, record.version, response, record.seconds, record.identifier)
        self.add_line(form.join(client, *line))

    def add_line(self, line: str) -> None:
        """Add a line that is put together."""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self.write)
        self._lines.append(line)

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
