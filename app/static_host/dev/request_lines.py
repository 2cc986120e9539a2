"""The access log of `static-host dev`: a short line for each request."""

from __future__ import annotations

import time

from static_host.telemetry.access_log import AccessLog, LogFormat
from static_host.telemetry.request_record import RequestRecord


def format_line(record: RequestRecord) -> str:
    """Return time, method, target, status, size and duration."""
    duration = f"{record.seconds:.2f} s" if record.seconds >= 1 else f"{record.seconds * 1000:.0f} ms"
    clock = time.strftime("%H:%M:%S")
    return f"[{clock}] {record.method} {record.target} {record.status} {record.size:,} bytes {duration}\n"


class RequestLines(AccessLog):
    """Writes the lines, or with LOG_FORMAT=json the objects that `serve` writes. Leaves health checks out."""

    def __init__(self, form: LogFormat) -> None:
        super().__init__(form)
        self._is_text = form == "text"

    def add(self, record: RequestRecord) -> None:
        """Add a line. The page of an error asks for the readiness once a second."""
        if record.handler == "health":
            return
        if self._is_text:
            self.add_line(format_line(record))
        else:
            super().add(record)
