"""Metrics for Prometheus on a port of their own.

Rule: `counters` counts; this only formats the numbers when they are scraped. prometheus-client is an extra: it is
imported only where METRICS_PORT is set. The project's own metrics are its own business.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from static_host.conf.settings import Settings
from static_host.conf.validators import UNIX_PREFIX
from static_host.errors import AddressUnavailableError, StaticHostError
from static_host.telemetry.counters import DURATION_BOUNDS_SECONDS, Counters, Histogram

Source = Callable[[], tuple[Counters, dict[str, float], list[dict[str, float]]]]
"""Returns the counters, the gauges by name, and the metrics of each worker by name."""

GAUGES = {
    "connections": "Open connections.",
    "ready": "1 while the readiness check passes (DJANGO_READY_PATH), else 0.",
    "event_loop_lag_seconds": "Greatest delay of the event loop within the last two seconds.",
    "memory_bytes": "Bytes of static files in memory.",
    "store_circuit_open": "1 while DJANGO_STATIC_STORE is not queried, because it failed repeatedly.",
    "workers": "Django's processes that take requests.",
    "threads_limit": "Threads for a synchronous Django.",
    "threads_busy": "Threads that run a request.",
    "requests_waiting_limit": "Requests that may wait for a thread.",
    "requests_waiting": "Requests that wait for a thread.",
}
WORKER_GAUGES = {
    "threads_busy": "Requests that a worker runs.",
    "memory_bytes": "Resident memory of a worker, also what it shares with others.",
    "open_fds": "Descriptors that a worker has open.",
    "start_time_seconds": "Start of a worker, in seconds since 1970.",
}
WORKER_COUNTERS = {
    "requests": "Requests that the workers of a place have served.",
    "restarts": "Workers that took the place of another one.",
    "crashes": "Workers that ended before another one was ready in their place.",
    "cpu_seconds": "CPU time of a worker; begins anew with its replacement.",
}
QUEUE_MEANING = "Time before a worker took a request, from X-Request-Start if a trusted proxy sends it."


class PrometheusMissingError(StaticHostError):
    """prometheus-client is not installed."""

    exit_code = 2


class Collector:
    """A collector of prometheus-client's: yields the metrics on each scrape."""

    def __init__(self, source: Source, release: Callable[[], str]) -> None:
        self._source = source
        self._release = release

    def collect(self) -> Iterator[Any]:
        """Yield all metrics with their current values."""
        from prometheus_client.metrics_core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
            InfoMetricFamily,
        )

        counters, gauges, workers = self._source()
        responses = CounterMetricFamily(
            "static_host_requests", "Responses by handler and status.", labels=["handler", "status"]
        )
        for labels, count in sorted(counters.requests.items()):
            responses.add_metric(labels, count)
        yield responses
        name = "static_host_response_bytes"
        sizes = CounterMetricFamily(
            name, "Bytes of response bodies by handler and content coding.", labels=["handler", "coding"]
        )
        for labels, count in sorted(counters.body_bytes.items()):
            sizes.add_metric(labels, count)
        yield sizes
        seconds = HistogramMetricFamily(
            "static_host_request_seconds", "Durations of requests to Django.", labels=["handler"]
        )
        seconds.add_metric(["django"], _build_buckets(counters.durations), counters.durations.total_seconds)
        yield seconds
        queues = HistogramMetricFamily("static_host_queue_seconds", QUEUE_MEANING, labels=["handler"])
        queues.add_metric(["django"], _build_buckets(counters.queues), counters.queues.total_seconds)
        yield queues
        if counters.store_lookups:
            meaning = "Requests that looked for a file in DJANGO_STATIC_STORE, by outcome."
            lookups = CounterMetricFamily("static_host_store_lookups", meaning, labels=["outcome"])
            for outcome, count in sorted(counters.store_lookups.items()):
                lookups.add_metric([outcome], count)
            yield lookups
        yield from _collect_releases(counters)
        for gauge, meaning in GAUGES.items():
            if gauge in gauges:
                yield GaugeMetricFamily(f"static_host_{gauge}", meaning, gauges[gauge])
        for family, names in ((GaugeMetricFamily, WORKER_GAUGES), (CounterMetricFamily, WORKER_COUNTERS)):
            for name, meaning in names.items():
                metric = family(f"static_host_worker_{name}", meaning, labels=["worker"])
                for number, value in _list_values(workers, name):
                    metric.add_metric([number], value)
                yield metric
        facts = {"version": version("django-static-host"), "release": self._release()}
        yield InfoMetricFamily("static_host", "Version of django-static-host and the release that it serves.", facts)


def _list_values(workers: list[dict[str, float]], name: str) -> list[tuple[str, float]]:
    """Return the number and the value of each worker that has one: without /proc none has those of the kernel."""
    return [(str(number), values[name]) for number, values in enumerate(workers) if name in values]


def _collect_releases(counters: Counters) -> Iterator[Any]:
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    meaning = "Requests for fingerprinted files that one release alone has."
    requests = CounterMetricFamily("static_host_release_requests", meaning, labels=["release"])
    name, meaning = "static_host_release_last_request_timestamp_seconds", "When the last one of them came; 0: none did."
    times = GaugeMetricFamily(name, meaning, labels=["release"])
    for digest, found in counters.releases.items():
        requests.add_metric([digest], found.count, created=found.since)
        times.add_metric([digest], found.last)
    yield from (requests, times)


def _build_buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Return the cumulative buckets of the histogram, as prometheus-client takes them."""
    buckets, cumulative = [], 0
    for bound in (*DURATION_BOUNDS_SECONDS, float("inf")):
        cumulative += histogram.buckets[bound]
        buckets.append(("+Inf" if bound == float("inf") else str(bound), float(cumulative)))
    return buckets


@contextmanager
def serve_metrics(settings: Settings, source: Source, release: Callable[[], str]) -> Iterator[None]:
    """Serve the metrics in a thread if METRICS_PORT is set.

    Raises PrometheusMissingError, AddressUnavailableError.
    """
    if settings.metrics_port is None:
        yield
        return
    try:
        from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
    except ImportError:
        message = f"METRICS_PORT={settings.metrics_port}: prometheus-client is not installed."
        remedy = "Install django-static-host[metrics], or unset METRICS_PORT."
        raise PrometheusMissingError(message, remedy=remedy) from None
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)  # of the front: workers have metrics of their own
    registry.register(Collector(source, release))
    host = "127.0.0.1" if settings.host.startswith(UNIX_PREFIX) else settings.host
    try:
        server, thread = start_http_server(settings.metrics_port, host, registry)
    except OSError as error:
        place = f"HOST={host} METRICS_PORT={settings.metrics_port}"
        message = f"{place}: {os.strerror(error.errno or 0)}."
        raise AddressUnavailableError(message, remedy="Set another METRICS_PORT.") from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(1)
