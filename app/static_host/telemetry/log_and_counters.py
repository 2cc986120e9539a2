"""Records each request, from whatever handler: in the access log and in the counters, where these are on."""

from __future__ import annotations

from static_host.conf.settings import Settings
from static_host.telemetry.access_log import AccessLog
from static_host.telemetry.counters import Counters
from static_host.telemetry.request_record import RequestRecord


class RequestRecorder:
    """The access log and the counters of this process, or None for one that is off."""

    def __init__(self, log: AccessLog | None, counters: Counters | None) -> None:
        self.log = log
        self.counters = counters

    @classmethod
    def from_settings(cls, settings: Settings) -> RequestRecorder | None:
        """Return the recorder that ACCESS_LOG and METRICS_PORT ask for, or None when both are off."""
        log = AccessLog(settings.log_format) if settings.access_log else None
        counters = Counters() if settings.metrics_port else None
        return cls(log, counters) if log or counters is not None else None

    def record(self, request_record: RequestRecord) -> None:
        """Count one request and add its line to the access log."""
        if self.counters is not None:
            self.counters.count_response(
                request_record.handler, request_record.status, request_record.coding, request_record.size
            )
            if request_record.release:
                self.counters.count_release_request(request_record.release)
            if request_record.handler == "django":
                self.counters.durations.add(request_record.seconds)
            if request_record.queue_seconds is not None:
                self.counters.queues.add(request_record.queue_seconds)
        if self.log is not None:
            self.log.add(request_record)
