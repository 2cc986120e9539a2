"""The access log: one line for each request, on standard output.

Strategy: a line is put together at once from parts, of which a prepared response has its own ready. It is written with
those of the next milliseconds, in one write(2), which costs more than all else. So a process that is killed loses the
lines of these milliseconds; one that stops in order writes all.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from static_host.telemetry.request_record import RequestRecord
from static_host.telemetry.trace_context import TraceContext

LogFormat = Literal["text", "json"]

MAX_DELAY_SECONDS = 0.005
"""Time for which lines are collected."""
MAX_LINES = 128
"""Lines that are collected at most."""


class TextFormat:
    """One line of text for each request; a missing value is a dash. A trace, if any, is at its end."""

    def format_client(self, host: str, port: int) -> str:
        """Return the part of a line that is about the client."""
        return f"{host.removesuffix(':')}:{port}" if host else "-"  # "unix:" has a colon

    def format_request(self, method: str, target: str, version: str) -> str:
        """Return the part of a line that is about the request."""
        return f"{method} {target} HTTP/{version}"

    def format_response(self, status: int, size: int, coding: str, handler: str) -> str:
        """Return the part of a line that is about the response."""
        return f"{status} {size} {coding or '-'} {handler}"

    def join(
        self,
        client: str,
        request: str,
        response: str,
        seconds: float,
        identifier: str,
        trace: TraceContext | None = None,
        _queue_seconds: float | None = None,
    ) -> str:
        """Return a line from its parts."""
        more = f" trace_id={trace.trace_id} span_id={trace.span_id}" if trace else ""
        return f"{client} {request} {response} {seconds * 1000:.1f}ms {identifier or '-'}{more}\n"


class JsonFormat:
    """One line with a JSON object for each request."""

    def __init__(self) -> None:
        self._second = 0
        self._begin = ""

    def format_client(self, host: str, port: int) -> str:
        """Return the part of a line that is about the client."""
        return f'"client": {json.dumps(host)}, "client_port": {port or "null"}'

    def format_request(self, method: str, target: str, version: str) -> str:
        """Return the part of a line that is about the request."""
        return f'"method": {json.dumps(method)}, "target": {json.dumps(target)}, "protocol": "HTTP/{version}"'

    def format_response(self, status: int, size: int, coding: str, handler: str) -> str:
        """Return the part of a line that is about the response."""
        return f'"status": {status}, "bytes": {size}, "coding": {json.dumps(coding)}, "handler": "{handler}"'

    def join(
        self,
        client: str,
        request: str,
        response: str,
        seconds: float,
        identifier: str,
        trace: TraceContext | None = None,
        queue_seconds: float | None = None,
    ) -> str:
        """Return a line from its parts."""
        more = f', "queue_ms": {queue_seconds * 1000:.3f}' if queue_seconds is not None else ""
        if trace is not None:
            more += ', "trace_id": "{}", "span_id": "{}", "trace_flags": "{}"'.format(*trace)
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._begin = datetime.fromtimestamp(second, UTC).strftime('{"time": "%Y-%m-%dT%H:%M:%S.')
        return (
            f'{self._begin}{int((now - second) * 1000):03d}Z", {client}, {request}, {response}, '
            f'"duration_ms": {seconds * 1000:.3f}, "request_id": "{identifier}"{more}}}\n'
        )


LineFormat = TextFormat | JsonFormat


DescribedLine = tuple[Callable[..., str], Any, Any, Any, Any]
"""What returns a line, and its arguments."""


class AccessLog:
    """Collects lines and writes them to a file descriptor. `format` puts a line together from its parts."""

    def __init__(self, form: LogFormat, descriptor: int = 1) -> None:
        self.format = JsonFormat() if form == "json" else TextFormat()
        self._descriptor = descriptor
        self._lines: list[str | DescribedLine] = []

    def add(self, record: RequestRecord) -> None:
        """Add a line; it is written within `MAX_DELAY_SECONDS`."""
        form = self.format
        client = form.format_client(record.client, record.port)
        request = form.format_request(record.method, record.target, record.version)
        response = form.format_response(record.status, record.size, record.coding, record.handler)
        end = (record.seconds, record.identifier, record.trace, record.queue_seconds)
        self.add_line(form.join(client, request, response, *end))

    def add_line(self, line: str | DescribedLine) -> None:
        """Add a line, or what makes one when it is written."""
        lines = self._lines
        if not lines:
            asyncio.get_running_loop().call_later(MAX_DELAY_SECONDS, self.write)
        lines.append(line)
        if len(lines) >= MAX_LINES:
            self.write()

    def write(self) -> None:
        """Write all lines. When the reader is gone, they are dropped and the server continues."""
        added, self._lines = self._lines, []
        if not added:
            return
        lines = [line if isinstance(line, str) else line[0](*line[1:]) for line in added]
        data = memoryview("".join(lines).encode("utf-8", "backslashreplace"))
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except BlockingIOError:
            sys.stdout.flush()
        except OSError:
            pass
