"""Metrics for Prometheus, on a port of their own: of one process, or of all workers together.

Rule: the numbers are counted elsewhere (counts.py) and only told here, when they are asked for. prometheus-client, an
extra, is loaded where METRICS_PORT is set, and in no worker; the project's own metrics, if it has some, are its affair.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from static_host.conf.settings import Settings
from static_host.errors import AddressUnavailableError, StaticHostError
from static_host.telemetry.counters import DURATION_BOUNDS_SECONDS, Counters, ProcessReport, sum_counters

ReportSource = Callable[[], tuple[Counters, list[ProcessReport]]]
"""Gives the counts of workers that have ended, and what the living ones tell."""

GAUGES = {
    "connections": "Connections that are open.",
    "event_loop_lag_seconds": "How late an event loop was at most within the last two seconds.",
    "memory_bytes": "Bytes of static files that are kept in memory.",
    "store_circuit_open": "Processes that do not query DJANGO_STATIC_STORE for now, because it failed repeatedly.",
    "threads_limit": "Threads for a synchronous Django.",
    "threads_busy": "Threads that work.",
    "requests_waiting_limit": "Requests that may wait for a thread.",
    "requests_waiting": "Requests that wait for a thread.",
}


class PrometheusMissingError(StaticHostError):
    """prometheus-client is not installed."""

    exit_code = 2


class Collector:
    """What Prometheus's client asks for the metrics."""

    def __init__(self, reports: ReportSource, release: Callable[[], str]) -> None:
        self._reports = reports
        self._release = release

    def collect(self) -> Iterator[Any]:
        """Give all metrics of this moment."""
        from prometheus_client.metrics_core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
            InfoMetricFamily,
        )

        ended, reports = self._reports()
        counts = sum_counters([ended, *(report.counters for report in reports)])
        answers = CounterMetricFamily(
            "static_host_requests", "Responses by handler and status.", labels=["handler", "status"]
        )
        for labels, count in sorted(counts.requests.items()):
            answers.add_metric(labels, count)
        yield answers
        name = "static_host_response_bytes"
        sizes = CounterMetricFamily(
            name, "Bytes of response bodies by handler and content coding.", labels=["handler", "coding"]
        )
        for labels, count in sorted(counts.body_bytes.items()):
            sizes.add_metric(labels, count)
        yield sizes
        seconds = HistogramMetricFamily(
            "static_host_request_seconds", "Durations of requests to Django.", labels=["handler"]
        )
        seconds.add_metric(["django"], _build_buckets(counts), counts.total_seconds)
        yield seconds
        if counts.store_lookups:
            meaning = "Requests that looked for a file in DJANGO_STATIC_STORE, by outcome."
            lookups = CounterMetricFamily("static_host_store_lookups", meaning, labels=["outcome"])
            for outcome, count in sorted(counts.store_lookups.items()):
                lookups.add_metric([outcome], count)
            yield lookups
        for gauge, meaning in GAUGES.items():
            values = [report.gauges[gauge] for report in reports if gauge in report.gauges]
            if values:
                value = max(values) if gauge == "event_loop_lag_seconds" else sum(values)
                yield GaugeMetricFamily(f"static_host_{gauge}", meaning, value)
        yield GaugeMetricFamily("static_host_workers", "Processes that take requests.", len(reports))
        facts = {"version": version("django-static-host"), "release": self._release()}
        yield InfoMetricFamily("static_host", "What is served by what.", facts)


def _build_buckets(counts: Counters) -> list[tuple[str, float]]:
    """Return the cumulative numbers of a histogram."""
    classes, sum_so_far = [], 0
    for bound in (*DURATION_BOUNDS_SECONDS, float("inf")):
        sum_so_far += counts.durations[bound]
        classes.append(("+Inf" if bound == float("inf") else str(bound), float(sum_so_far)))
    return classes


@contextmanager
def serve_metrics(settings: Settings, reports: ReportSource, release: Callable[[], str]) -> Iterator[None]:
    """Serve the metrics in a thread, if that is wanted. Raises PrometheusMissingError, AddressUnavailableError."""
    if settings.metrics_port is None:
        yield
        return
    try:
        from prometheus_client import CollectorRegistry, start_http_server
    except ImportError:
        raise PrometheusMissingError(
            f"METRICS_PORT={settings.metrics_port}: prometheus-client is not installed. "
            "Install django-static-host[metrics], or unset METRICS_PORT."
        ) from None
    registry = CollectorRegistry()
    registry.register(Collector(reports, release))
    try:
        server, thread = start_http_server(settings.metrics_port, settings.host, registry)
    except OSError as error:
        place = f"HOST={settings.host} METRICS_PORT={settings.metrics_port}"
        raise AddressUnavailableError(f"{place}: {os.strerror(error.errno or 0)}. Set another METRICS_PORT.") from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(1)
