"""Several workers: processes that share one socket, and their parent.

Rule: a worker that ends is replaced, and the log says so. One that ends before its first request stops all of them, and
nothing is retried. On SIGHUP the parent loads the tree that the static root names now, and replaces the workers one
after the other: a worker stops when its successor accepts requests. A tree that cannot be served changes nothing.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import cast

import uvicorn
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from static_host.conf.settings import Settings
from static_host.errors import StaticHostError
from static_host.origin.tree import TreeUnusableError, load_tree
from static_host.server.listener import let_in
from static_host.server.process import FrontServer
from static_host.server.shared_cache import Pool
from static_host.telemetry import log_configuration, prometheus
from static_host.telemetry.counters import Counters, ProcessReport, sum_counters

log = logging.getLogger("static_host")

WORKER_START = 60.0
"""Time within which a worker has to accept requests."""
_LOOK = 0.1


class WorkerStartError(StaticHostError):
    """A worker could not start, although the parent could; its own output has the reason."""

    exit_code = 1


class Worker(Process):
    """A worker process of our server, which sends a report with each health check and at its end."""

    report: ProcessReport | None = None

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], slabs: socket.socket | None) -> None:
        super().__init__(config, sockets)
        self.slabs = slabs

    def start(self) -> None:
        """Start the process, and close the parent's copy of its socket."""
        super().start()
        if self.slabs:
            self.slabs.close()

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, in the worker, until told to stop."""
        self._talking = threading.Lock()
        self.server.send_last_report = self._tell
        self.server.slabs = self.slabs
        with log_configuration.log_crashes():
            super().target(sockets)

    def pong(self) -> None:
        """In the worker: answer a health check with readiness and a report."""
        self.child_conn.recv()
        self._tell()

    def _tell(self) -> None:
        with self._talking, suppress(OSError):  # the parent is gone
            is_ready = self.server.started
            self.child_conn.send((is_ready, self.server.build_report() if is_ready else None))

    def hear(self) -> None:
        """Read the reports that the worker has sent meanwhile, also the last one of a worker that has ended."""
        with suppress(OSError, EOFError, pickle.UnpicklingError):
            while self.parent_conn.poll():
                self.report = self.parent_conn.recv()[1] or self.report

    def kill(self) -> None:
        """Kill the process if it is alive."""
        self.hear()
        super().kill()

    def _healthcheck(self, timeout: float) -> bool | None:
        self.hear()  # late answers to earlier checks would be taken for this one's
        try:
            self.parent_conn.send(b"ping")
            if self.parent_conn.poll(timeout):
                is_ready, report = self.parent_conn.recv()
                self.report = report or self.report
                return bool(is_ready)
        except (OSError, EOFError, pickle.UnpicklingError):
            pass
        return None

    @property
    def server(self) -> FrontServer:
        """The server, which exists in the worker's process only."""
        if self._server is None:
            self._server = FrontServer(self.config)
        return cast("FrontServer", self._server)

    def retire(self) -> None:
        """Stop the worker after its replacement, with SIGINT: no load balancer needs time to notice."""
        if self.process.pid and self.process.is_alive():
            os.kill(self.process.pid, signal.SIGINT)


class Workers(Multiprocess):
    """The workers and their replacement; logs one line when all of them accept requests."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket, ready: str, static_root: Path) -> None:
        super().__init__(config, [listener])
        self.failed = False
        self._ready = ready
        self._static_root = static_root
        self._announced = False
        self._starting: dict[Process, float] = {}  # start time of each worker that does not accept requests yet
        self._retired: list[Process] = []
        self._ended = Counters()
        self._pool = Pool()
        self._counting = threading.Lock()

    def init_processes(self) -> None:
        """Start all workers."""
        self.processes = [self._started() for _ in range(self.processes_num)]

    def keep_subprocess_alive(self) -> None:
        """Watch starting workers, and replace those that have ended."""
        for process in [process for process in self._retired if not process.is_alive(_LOOK)]:
            if not process.process.is_alive():
                self._bury(process)
                self._retired.remove(process)
        for place, process in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if process in self._starting:
                self._watch_start(process)
            elif not process.is_alive(self.config.timeout_worker_healthcheck):
                process.kill()
                process.join()
                self._bury(process)
                log.warning("worker %s ended (exit %s); another one takes its place", process.pid, process.exitcode)
                self.processes[place] = self._started()

    def reports(self) -> tuple[Counters, list[ProcessReport]]:
        """Return the counters of ended workers, and the reports of living ones; from any thread."""
        with self._counting:
            living = {process: cast("Worker", process).report for process in [*self.processes, *self._retired]}
            return self._ended, [report for report in living.values() if report]

    @staticmethod
    def release() -> str:
        """Return the name of the release that the workers serve, or will serve after SIGHUP."""
        return Path(os.environ["DJANGO_STATIC_ROOT"]).name

    def _bury(self, process: Process) -> None:
        """Add an ended worker's counters to the total, and drop its report."""
        worker = cast("Worker", process)
        worker.hear()
        self._pool.left(worker.slabs)
        with self._counting:
            if worker.report:
                self._ended = sum_counters([self._ended, worker.report.counters])
            worker.report = None

    def _watch_start(self, process: Process) -> None:
        if process.is_ready(_LOOK):
            del self._starting[process]
            if not self._starting and not self._announced:
                self._announced = True
                log.info("%s with %d workers", self._ready, len(self.processes))
        elif self._has_failed(process):
            self.failed = True
            self.should_exit.set()

    def _has_failed(self, process: Process) -> bool:
        return not process.process.is_alive() or time.monotonic() - self._starting[process] > WORKER_START

    def handle_hup(self) -> None:
        """Replace the workers by ones that serve the tree that the static root names now."""
        before, root = os.environ["DJANGO_STATIC_ROOT"], self._static_root.resolve()
        try:
            tree = load_tree(root)
            tree.check_lengths(1.0)
            tree.close()
        except TreeUnusableError as error:
            log.error("SIGHUP: the workers go on with %s: %s", before, error)  # noqa: TRY400 - no fault of ours
            return
        os.environ["DJANGO_STATIC_ROOT"] = str(root)
        log.info("SIGHUP: replacing the workers by workers that serve %s", root)
        if all(self._replaced(place) for place in range(len(self.processes))):
            log.info("all workers serve %s", root)
        else:
            os.environ["DJANGO_STATIC_ROOT"] = before

    def _replaced(self, place: int) -> bool:
        """Start a successor for a worker, and stop the worker when it accepts requests; return whether it did."""
        successor = self._started()
        while not successor.is_ready(_LOOK):
            is_ending = bool({signal.SIGINT, signal.SIGTERM} & set(self.signal_queue))
            if is_ending or self._has_failed(successor):
                successor.kill()
                del self._starting[successor]
                if not is_ending:
                    log.error("a new worker did not start; the others go on as they are")
                return False
            for process in [*self.processes, *self._retired]:
                process.is_alive(_LOOK)  # reads its report
            time.sleep(_LOOK)
        del self._starting[successor]
        old = self.processes[place]
        self._retired.append(old)
        self.processes[place] = successor
        cast("Worker", old).retire()
        return True

    def terminate_all(self) -> None:
        """Tell all workers to stop."""
        for process in self.processes:
            if process in self._starting:
                process.kill()  # it has no request to finish, and may have no signal handlers yet
            else:
                process.terminate()
        for listener in self.sockets:  # connections after the last worker's end are refused and do not hang
            listener.close()

    def join_all(self) -> None:
        """Wait for all workers to end."""
        self.processes += self._retired
        super().join_all()

    def _started(self) -> Process:
        process = Worker(self.config, self.sockets, self._pool.joined())
        for listener in self.sockets:
            let_in(listener)  # the former worker may have filtered it
        process.start()
        self._starting[process] = time.monotonic()
        return process


def serve_with_workers(
    settings: Settings, config: uvicorn.Config, listener: socket.socket, ready: str, static_root: Path
) -> None:
    """Serve until SIGINT or SIGTERM. Raises WorkerStartError."""
    workers = Workers(config, listener, ready, static_root)
    with prometheus.serve_metrics(settings, workers.reports, workers.release):
        workers.run()
    if workers.failed:
        raise WorkerStartError(f"a worker process ended, or took over {WORKER_START:.0f} s, before it took a request")
