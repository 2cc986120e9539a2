"""Loads the project, and loads it again when what it consists of has changed.

Rule: the next worker loads the project while the last one ends. A change of loaded code while the project is loaded
begins the load anew; of every other change, such as a template's, the receivers of `file_changed` are told afterwards.
If the project fails to load or its checks fail, the error is printed, and loading is tried again on the next change.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from static_host.conf.settings import Settings
from static_host.dev.file_watcher import FileWatcher, WatchedPaths
from static_host.dev.finder import ProjectFinder, StaticDirectories
from static_host.dev.pool import DevPool, DevWorker
from static_host.dev.processes import Processes
from static_host.dev.project_process import FinderError, ProjectProcess, ReloadLink
from static_host.errors import StaticHostError
from static_host.telemetry import log_configuration
from static_host.workers.exchange import WorkerLostError
from static_host.workers.remote_project import RemoteProject
from static_host.workers.worker_process import Message, Overlay

log = logging.getLogger("static_host")

RECEIVER_TIMEOUT_SECONDS = 2.0
"""Seconds for the project's receivers of `file_changed`; after these, the project is reloaded."""
MAX_REPORTED_CHANGES = 500
"""The largest number of changes that the receivers are told of; beyond that, the project is reloaded."""
RETRY_NOTICE = "the project is loaded again when a file changes"
USAGE_ERROR_EXIT_CODE = 2
"""The exit code of an operator's mistake, which ends the program if the first load finds it."""
_UNLIMITED_CHANNELS = 1 << 30


class WorkingDirectoryRemovedError(StaticHostError):
    """The working directory was removed."""

    exit_code = 2


class ProjectEndedError(StaticHostError):
    """The project's process ended by itself."""


class Reloader:
    """Keeps one worker of the current code.

    `on_settings` is called when the project's settings are known, `on_project` when all of it is loaded, `on_loaded`
    with the worker, and how many seconds the load took. The first two may raise StaticHostError.
    """

    def __init__(
        self,
        pool: DevPool,
        finder: ProjectFinder,
        processes: Processes,
        on_settings: Callable[[RemoteProject], None],
        on_project: Callable[[RemoteProject], None],
        on_loaded: Callable[[DevWorker, RemoteProject, float], None],
    ) -> None:
        self._pool = pool
        self._finder = finder
        self._processes = processes
        self._on_settings = on_settings
        self._on_project = on_project
        self._on_loaded = on_loaded
        self._watcher = FileWatcher(Path.cwd())
        self._watcher_steps: list[Callable[[], None]] = []
        """What the watcher is to do before its next poll, in the thread that polls."""
        self._pending: list[str] = []
        self._starting: ProjectProcess | None = None
        self._is_closing = False
        self._load: asyncio.Task[None] | None = None
        self._failure: StaticHostError | None = None
        self._is_first = True

    # Files

    async def run(self) -> None:
        """Load the project, and watch its files. Raises StaticHostError for an operator's mistake at the start."""
        self._begin_load()
        while self._failure is None:
            await asyncio.sleep(self._watcher.poll_seconds)
            changes = await asyncio.to_thread(self._find_changes)
            _require_working_directory()
            if changes:
                await self._handle_changes(changes)
        raise self._failure

    def _find_changes(self) -> list[str]:
        steps, self._watcher_steps = self._watcher_steps, []
        for step in steps:
            step()
        return self._watcher.find_changes()

    async def _handle_changes(self, changes: list[str]) -> None:
        calls_for_reload = any(map(self._watcher.is_code, changes))
        if self._load is not None and not calls_for_reload:
            self._pending += changes
        elif self._pool.error is not None and self._are_static(changes):
            pass
        elif self._pool.worker is None or self._has_env_file(changes) or not await self._are_handled(changes):
            self._reload(changes)

    def _has_env_file(self, changes: list[str]) -> bool:
        return any(map(self._watcher.is_env_file, changes))

    def _are_static(self, changes: list[str]) -> bool:
        """Whether none of the files can be why the project is not loaded."""
        directories = self._finder.directories
        return directories is not None and all(
            directories.contain(path) and not self._watcher.is_code(path) for path in changes
        )

    async def _are_handled(self, changes: list[str]) -> bool:
        """Whether receivers of `file_changed` have handled all these changes, so that no reload is needed."""
        worker = self._pool.worker
        if worker is None or len(changes) > MAX_REPORTED_CHANGES:
            return False
        with suppress(WorkerLostError, TimeoutError, FinderError):
            async with asyncio.timeout(RECEIVER_TIMEOUT_SECONDS):
                return bool(await worker.link.ask("changed", paths=changes))
        return False

    # Loading

    def _reload(self, changes: list[str]) -> None:
        log.info("%s: loading the project again", self._watcher.format_paths(changes))
        self._begin_load()

    def _begin_load(self) -> None:
        """Load the project in a new process; the current one ends meanwhile."""
        if self._is_closing:
            return
        began = time.monotonic()
        self._abandon_load()
        old = self._pool.worker
        self._pool.set_state()
        if old is not None:
            self._stop_listening(old)
            self._processes.retire(old)
        self._pending.clear()
        self._load = self._processes.run(self._load_project(began))

    def _abandon_load(self) -> None:
        if self._load is not None:
            self._load.cancel()
            self._load = None
        if self._starting is not None:
            self._processes.abandon(self._starting)
            self._starting = None

    async def _load_project(self, began: float) -> None:
        since = time.time_ns()
        link: ReloadLink | None = None
        settings: Settings | None = None
        try:
            settings = Settings.read()
            self._watcher.ignored = settings.dev_ignore
            self._starting = process = self._processes.take(settings)
            link = ReloadLink(lambda message: self._note(message, since))
            await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=process.reloads)
            facts = await asyncio.to_thread(process.import_settings)
            project = RemoteProject(settings, facts)
            self._on_settings(project)
            overlay = Overlay(project.prefix, str(project.static_root.resolve()))
            await asyncio.to_thread(process.load, overlay)
            project.loaded = process.loaded
            self._on_project(project)
        except StaticHostError as error:
            if settings is not None:
                self._processes.prepare(settings)
            await self._fail(error, link, since)
        else:
            self._starting = self._load = None
            self._watcher_steps.append(self._watcher.stop_searching)
            most = _UNLIMITED_CHANNELS if facts["is_asgi"] else settings.threads
            worker = DevWorker(process, link, most, self._pool.wake)
            self._listen(worker)
            self._pool.set_state(worker)
            self._is_first = False
            self._on_loaded(worker, project, time.monotonic() - began)
            self._processes.prepare(settings)
            await self._handle_pending()

    async def _handle_pending(self) -> None:
        """Tell the receivers what has changed while the project was loaded."""
        pending, self._pending = list(dict.fromkeys(self._pending)), []
        if pending:
            await self._handle_changes(pending)

    async def _fail(self, error: StaticHostError, link: ReloadLink | None, since: int) -> None:
        process, self._starting = self._starting, None
        if process is not None:
            await asyncio.shield(self._processes.run(self._processes.bury(process, link)))
        if self._is_first and error.exit_code == USAGE_ERROR_EXIT_CODE:
            self._failure = error
            return
        self._is_first, self._load = False, None
        log_configuration.log_error(error)
        self._break(error, since)
        await self._handle_pending()

    def _break(self, error: StaticHostError, since: int) -> None:
        log.info(RETRY_NOTICE)
        self._watcher_steps.append(lambda: self._watcher.search_folders(since))
        self._pool.set_state(error=error)

    # Processes

    def _note(self, message: Message, since: int) -> None:
        """Take a report of a process that loads the project, or has loaded it."""
        if message["type"] == "watch":
            paths = WatchedPaths.from_report(message["paths"])
            self._watcher_steps.append(lambda: self._watcher.watch(paths, since))
        elif message["type"] == "static":
            self._finder.directories = StaticDirectories(message["directories"], message["ignored"])

    def _listen(self, worker: DevWorker) -> None:
        worker.process.control.setblocking(False)
        asyncio.get_running_loop().add_reader(worker.process.control.fileno(), self._hear, worker)

    def _stop_listening(self, worker: DevWorker) -> None:
        asyncio.get_running_loop().remove_reader(worker.process.control.fileno())

    def _hear(self, worker: DevWorker) -> None:
        if worker.process.receive() is None:  # else a message that needs no answer
            self._stop_listening(worker)
            self._processes.run(self._lose(worker))

    async def _lose(self, worker: DevWorker) -> None:
        """Note that the worker ended by itself: its requests fail."""
        worker.close_channels()
        is_current = self._pool.worker is worker
        if is_current:
            self._pool.set_state()
        how = await self._processes.bury(worker.process, worker.link)
        if is_current and self._load is None:
            error = ProjectEndedError(f"the project's process ended with {how}; its own output is above.")
            log.error("%s", error)
            self._break(error, time.time_ns())

    async def close(self) -> None:
        """End all processes."""
        self._is_closing = True
        self._abandon_load()
        worker = self._pool.worker
        self._pool.set_state(error=ProjectEndedError("the server stops."))
        if worker is not None:
            self._stop_listening(worker)
            self._processes.retire(worker)
        await self._processes.close()


def _require_working_directory() -> None:
    """Raise WorkingDirectoryRemovedError if it is gone."""
    try:
        os.getcwd()  # noqa: PTH109 - it raises then
    except FileNotFoundError:
        remedy = "Start `static-host dev` again."
        raise WorkingDirectoryRemovedError("the working directory was removed.", remedy=remedy) from None
