"""The project as the front knows it: from what its workers say."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

from static_host.conf.settings import Settings
from static_host.origin.tree import Tree
from static_host.pages.page_codings import PageCodings
from static_host.project.errors import ProjectLoadError
from static_host.workers.file_responder import FileResponder
from static_host.workers.gateway import Gateway
from static_host.workers.interpreter import find_interpreter
from static_host.workers.pool import WorkerPool
from static_host.workers.pool_options import PoolOptions
from static_host.workers.remote_project import RemoteProject
from static_host.workers.worker_factory import StartingProcesses, WorkerFactory
from static_host.workers.worker_process import Overlay

_MANNER_REMEDY = "Start the server anew: DJANGO_INTERFACE or ASGI_APPLICATION has changed."


class TreeSwitch(Protocol):
    """Loads the release that the static root names now, and has the front serve it."""

    def load(self, project: RemoteProject) -> Any:
        """Return the tree and what belongs to it. Raises StaticHostError."""

    def find_media(self, project: RemoteProject, served: Any) -> Any:
        """Return where the uploads of the loaded project are served. Raises StaticHostError."""

    def switch(self, served: Any, media: Any) -> None:
        """Have the front serve both."""


class WorkerProject(RemoteProject):
    """A project that runs in the workers of its own interpreter. Its settings module is loaded in the first one."""

    def __init__(self, settings: Settings, interpreter: str) -> None:
        self._interpreter = interpreter
        self._starting = StartingProcesses()
        self._factory = WorkerFactory(settings, interpreter, self._starting)
        super().__init__(settings, self._factory.facts)
        self.changes: list[str] = []
        """A line for each setting of the project that is overridden, once the workers are started."""
        self._tree_switch: TreeSwitch | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> WorkerProject:
        """Start the first worker, and import the settings module there. Raises StaticHostError."""
        return cls(settings, find_interpreter(settings))

    def start_workers(
        self, static_url: str, tree: Tree, tree_switch: TreeSwitch, files: FileResponder, codings: PageCodings
    ) -> Gateway:
        """Load the project in all workers, with these settings for the tree. Raises StaticHostError.

        Returns the application that passes requests on to them. `tree_switch` has the next tree for a reload, `files`
        makes the responses whose body is a file, `codings` encodes the others.
        """
        self._tree_switch = tree_switch
        self._factory.on_disposed = tree.close
        self.loaded = self._factory.load(self._make_overlay(static_url, tree))
        self.changes = list(self.loaded["changes"])
        self.refuse_missing_databases(self.settings.ready_database)
        processes = self._factory.start_all(self.settings.workers)
        options = PoolOptions.from_settings(self.settings, is_asgi=self.is_asgi)
        pool = WorkerPool(self._factory, processes, options, self._starting, self._load_anew)
        return Gateway(
            pool,
            files,
            codings,
            is_asgi=self.is_asgi,
            max_body_bytes=self.settings.max_body,
            is_timed=self.settings.server_timing,
        )

    def _load_anew(self) -> WorkerFactory:
        """Load the project, and the tree that the static root names, as they are now. Raises StaticHostError."""
        factory = WorkerFactory(self.settings, self._interpreter, self._starting)
        try:
            project = RemoteProject(self.settings, factory.facts)
            if project.is_asgi != self.is_asgi:
                raise ProjectLoadError("it is called in another manner now.", remedy=_MANNER_REMEDY)  # noqa: TRY301
            assert self._tree_switch is not None  # noqa: S101 - the workers have been started
            served = self._tree_switch.load(project)
            factory.on_disposed = served.tree.close
            project.loaded = factory.load(self._make_overlay(served.static_url, served.tree))
            project.refuse_missing_databases(self.settings.ready_database)
            media = self._tree_switch.find_media(project, served)
            factory.on_serving = partial(self._tree_switch.switch, served, media)
        except BaseException:
            factory.dispose()
            raise
        return factory

    def _make_overlay(self, static_url: str, tree: Tree) -> Overlay:
        return Overlay(static_url, str(tree.root), (self.settings.health_path, self.settings.ready_path))
