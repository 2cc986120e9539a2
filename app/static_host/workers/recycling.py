"""Decides when a worker has served long enough (DJANGO_WORKER_REQUESTS, DJANGO_WORKER_MEMORY).

Rule: the number of requests is up to 10 % above the setting, by chance, so that workers that started together are not
replaced together. A worker that is above the bound of memory as soon as it is loaded is not replaced for it.
"""

from __future__ import annotations

import logging
import random

from static_host.workers.pool_options import PoolOptions
from static_host.workers.worker import Worker

log = logging.getLogger("static_host.workers")

_JITTER = 0.1
_MEGABYTE = 1_000_000


class Recycling:
    """The bounds of all workers of a pool."""

    def __init__(self, options: PoolOptions) -> None:
        self._options = options
        self._is_warned = False

    def set_limits(self, worker: Worker) -> None:
        """Give a worker that is ready its bounds."""
        if self._options.worker_requests:
            worker.request_limit = round(self._options.worker_requests * (1 + random.uniform(0, _JITTER)))  # noqa: S311
        limit = self._options.worker_memory
        loaded = worker.read_memory() if limit else 0
        if limit and loaded < limit:
            worker.memory_limit = limit
        elif limit and not self._is_warned:
            self._is_warned = True
            log.warning(
                "DJANGO_WORKER_MEMORY=%d has no effect: a worker has %d MB as soon as it has loaded the project",
                limit,
                loaded // _MEGABYTE,
            )

    def find_reason(self, worker: Worker) -> str:
        """Return why a worker is to be replaced, or an empty string."""
        if worker.request_limit is not None and worker.served_count >= worker.request_limit:
            return f"it has served {worker.served_count} requests"
        if worker.memory_limit is not None and (memory := worker.read_memory()) > worker.memory_limit:
            return f"it has {memory // _MEGABYTE} MB of memory"
        return ""
