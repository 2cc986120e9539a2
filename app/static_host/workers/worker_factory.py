"""What workers are started from: the project's code and the overlay of one static tree.

Rule: it blocks, so the server calls it before its event loop runs, or in a thread. Processes that are being started are
in `StartingProcesses`, so that the end of the server ends them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from static_host.conf.settings import Settings
from static_host.project.errors import ProjectLoadError
from static_host.workers.template import Template
from static_host.workers.worker_process import Message, Overlay, WorkerProcess

log = logging.getLogger("static_host.workers")


class StartingProcesses:
    """The processes that are being started, for the thread that may have to end them all."""

    def __init__(self) -> None:
        self._processes: set[WorkerProcess] = set()
        self._lock = Lock()
        self._is_stopping = False

    def add(self, process: WorkerProcess) -> WorkerProcess:
        """Add a process, and return it; ends it at once if no process is to start any more."""
        with self._lock:
            self._processes.add(process)
            if self._is_stopping:
                process.kill()
        return process

    def discard(self, process: WorkerProcess) -> None:
        """Take a process out that has started, or failed to."""
        with self._lock:
            self._processes.discard(process)

    def stop(self) -> None:
        """End all of them, and those that come later."""
        with self._lock:
            self._is_stopping = True
            for process in self._processes:
                process.kill()


class WorkerFactory:
    """Starts workers that run the same project in the same way. `facts` are those of the settings module.

    Its first process becomes a template, which forks all workers; or the first worker, beside which others load the
    project themselves.
    """

    def __init__(self, settings: Settings, interpreter: str, starting: StartingProcesses) -> None:
        self.on_serving: Callable[[], None] = lambda: None
        """Called when its first worker is about to serve."""
        self.on_disposed: Callable[[], None] = lambda: None
        """Called when its last worker has ended, and another factory has taken its place."""
        self.worker_count = 0
        """The workers that serve, or have not been buried yet."""
        self._settings = settings
        self._interpreter = interpreter
        self._starting = starting
        self._overlay = Overlay("", "")
        self._lock = Lock()
        self._is_closed = False
        self._template: Template | None = None
        self._first: WorkerProcess | None = self._spawn(settings.preload)
        """A worker that was not handed out."""
        with self._ending_on_error([self._first]):
            self.facts = self._first.expect("settings")

    def load(self, overlay: Overlay) -> Message:
        """Have the settings overridden and the project loaded; return what it said then. Raises StaticHostError."""
        first = self._first
        assert first is not None  # noqa: S101 - it is loaded once
        self._overlay = overlay
        self._send_overlay(first)
        loaded = first.expect("loaded")
        self._take_loaded(first, loaded)
        if loaded.get("obstacle"):
            how = "workers are forked, although" if self._template else "each worker loads the project, because"
            log.info("DJANGO_PRELOAD=%s: %s %s", self._settings.preload, how, loaded["obstacle"])
        return loaded

    def start(self) -> WorkerProcess:
        """Return a worker that can serve. Raises StaticHostError."""
        return self.start_all(1)[0]

    def start_all(self, count: int) -> list[WorkerProcess]:
        """Return so many workers that can serve; they start at the same time. Raises StaticHostError."""
        with self._lock:
            if self._is_closed:
                raise ProjectLoadError("newer code takes the place of this.")
            if self._template is not None and self._template.is_lost:
                self._renew_template()
            template, first, self._first = self._template, self._first, None
        processes = [first] if first else []
        with self._ending_on_error(processes):
            if template is not None:
                processes += [self._starting.add(template.fork()) for _ in range(count)]
            else:
                self._load_others(processes, count)
            for process in processes:
                process.expect("ready")
        for process in processes:
            self._starting.discard(process)
        return processes

    def close(self) -> None:
        """End the template, and what was not handed out: no worker is started any more."""
        with self._lock:
            self._is_closed = True
            template, first, self._first = self._template, self._first, None
        if first is not None:
            self._give_up(first)
        if template is not None:
            template.close()

    def dispose(self) -> None:
        """End it, and give up what it has used."""
        self.close()
        self.on_disposed()

    def _load_others(self, processes: list[WorkerProcess], count: int) -> None:
        """Add processes that load the project, up to `count`; all of them at the same time."""
        others = [self._spawn() for _ in range(count - len(processes))]
        processes += others
        for process in others:
            process.expect("settings")
            self._send_overlay(process)
        for process in others:
            process.expect("loaded")

    def _renew_template(self) -> None:
        log.error("the process that forks workers has ended; another one loads the project")
        process = self._spawn(self._settings.preload)
        with self._ending_on_error([process]):
            process.expect("settings")
            self._send_overlay(process)
            loaded = process.expect("loaded")
        self._template, self._first = None, process
        self._take_loaded(process, loaded)

    def _take_loaded(self, process: WorkerProcess, loaded: Message) -> None:
        """Note whether the first process, which has loaded the project, is a template."""
        if loaded.get("is_template"):
            self._starting.discard(process)
            self._template, self._first = Template(process), None

    def _spawn(self, preload: str = "false") -> WorkerProcess:
        return self._starting.add(WorkerProcess.spawn(self._settings, self._interpreter, more={"preload": preload}))

    def _send_overlay(self, process: WorkerProcess) -> None:
        overlay = self._overlay
        process.send(type="overlay", static_url=overlay.static_url, root=overlay.root, paths=list(overlay.paths))

    @contextmanager
    def _ending_on_error(self, processes: list[WorkerProcess]) -> Iterator[None]:
        """End these processes if an exception is raised."""
        try:
            yield
        except BaseException:
            for process in processes:
                self._give_up(process)
            raise

    def _give_up(self, process: WorkerProcess) -> None:
        self._starting.discard(process)
        process.kill()
        process.wait()
        process.close()
