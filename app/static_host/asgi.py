"""The composition root: settings in, one ASGI application out.

``app`` is for any ASGI server (``uvicorn static_host.asgi:app``). It boots on its first event, which is the start of
the lifespan unless the server has that switched off; what stops the boot is printed whole and reported as
``lifespan.startup.failed``, so that the server exits. ``worker`` is the same for the workers of ``static-host serve``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from static_host import health
from static_host.conf import misspelled
from static_host.conf.settings import Settings
from static_host.errors import StaticHostError
from static_host.health import Readiness
from static_host.middleware.forwarded import ForwardedMiddleware, TrustedProxies
from static_host.middleware.origin_secret import OriginSecretMiddleware, secret_from_settings
from static_host.middleware.request_log import RequestLogMiddleware, RequestRecorder, recorder_from_settings
from static_host.middleware.static_files import StaticFilesMiddleware
from static_host.origin.responder import Responder
from static_host.origin.tree import Tree, TreeUnusableError, load_tree
from static_host.project.lifespan import run_lifespan
from static_host.project.project import UNSET_SETTINGS_MODULE_MESSAGE, Project, configure_project
from static_host.project.project import wrap_project_errors as explaining
from static_host.project.threads import Threads
from static_host.telemetry import log_configuration

if TYPE_CHECKING:
    from static_host.object_store.fallback import ObjectStoreFallback

log = logging.getLogger("static_host")

LENGTH_CHECK_SECONDS = 0.5
"""Seconds that a boot spends at most on comparing the lengths of the tree's files with its index."""


class Front(Starlette):
    """Starlette, with the static origin in place of the two layers that it puts around every request.

    What they do is done without them: an exception that reaches the server is logged whole and answered 500, and no
    route here raises Starlette's HTTPException.
    """

    def __init__(
        self,
        settings: Settings,
        responder: Responder,
        readiness: Readiness,
        recorder: RequestRecorder | None,
        django: ASGIApp,
        fallback: ObjectStoreFallback | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.responder = responder
        self.fallback = fallback
        self.readiness = readiness
        self.recorder = recorder
        self.secret = secret_from_settings(settings)
        self.proxies = TrustedProxies(settings.forwarded_allow_ips)
        self._open_paths = (settings.health_path, settings.ready_path)
        self.threads: Threads | None = getattr(django, "threads", None)
        self.router.redirect_slashes = False
        self.router.default = django  # what a Mount("/") does, without a match and a copy of the scope for each request

    def build_middleware_stack(self) -> ASGIApp:
        """Return what answers requests."""
        app: ASGIApp = StaticFilesMiddleware(self.router, self.responder, self.fallback)
        if self.secret:
            app = OriginSecretMiddleware(app, self.secret, self._open_paths)
        return ForwardedMiddleware(RequestLogMiddleware(app, self.recorder) if self.recorder else app, self.proxies)


def create_app(
    settings: Settings, length_check_seconds: float = LENGTH_CHECK_SECONDS, recorder: RequestRecorder | None = None
) -> Front:
    """Return the front: the static tree first, then health, then Django for everything else.

    `recorder` records each request; `comparing` is how many seconds the comparison of the tree's lengths may take.
    ``app.state.root`` is the release that it serves, ``app.state.static_root`` where the next one will be,
    ``app.state.summary`` what the start-up lines say of it, ``app.state.path_conflicts`` those of them that tell of a
    check's path that is somebody else's. Raises StaticHostError: TreeUnusable, ProjectMissing, ProjectBroken.
    """
    project = configure_project(settings)
    if project.is_other_project_unnamed:
        log.warning(UNSET_SETTINGS_MODULE_MESSAGE)
    tree = _load_current_tree(project.static_root, settings.static_memory)
    compared = tree.check_lengths(length_check_seconds)
    root = tree.root
    prefix = settings.static_prefix or tree.index.prefix
    with explaining(project.name):
        changed = project.apply_overlay(project.host + prefix, root)
    prefixes = project.expand_prefix(prefix)
    responder = Responder(
        tree,
        prefixes,
        settings.static_max_age,
        settings.static_root_files,
        is_index_served=settings.static_show_index,
    )
    django = project.load_application()
    project.refuse_missing_databases(settings.ready_database)
    checks = (settings.health_path, settings.ready_path)
    readiness = Readiness(settings.ready_database, settings.drain)
    front = Front(
        settings,
        responder,
        readiness,
        recorder,
        django,
        _create_fallback(settings, responder, recorder),
        routes=health.build_routes(*checks, readiness),
        lifespan=(lambda _: run_lifespan(django)) if project.is_asgi else None,
    )
    front.state.root = root
    front.state.static_root = project.static_root.absolute()
    front.state.path_conflicts = list(find_path_conflicts(project, responder))
    front.state.summary = [
        f"{len(tree.index)} static resources of {project.static_root} at {project.host}{' and '.join(prefixes)}",
        *_summarize_length_check(compared, len(tree.index)),
        project.summary,
        *([f"files that the tree has not are looked for in {settings.static_store}"] if settings.static_store else []),
        *(f"laid over the project's settings: {line}" for line in changed),
        *front.state.path_conflicts,
    ]
    return front


def _create_fallback(
    settings: Settings, responder: Responder, recorder: RequestRecorder | None
) -> ObjectStoreFallback | None:
    """Return what looks for files in the store, if there is one: nothing of it is loaded otherwise."""
    if not settings.static_store:
        return None
    from static_host.object_store.fallback import ObjectStoreFallback

    counts = recorder.counters if recorder else None
    return ObjectStoreFallback.from_settings(settings, responder, counts.store_lookups if counts is not None else None)


def _load_current_tree(static_root: Path, memory: int) -> Tree:
    """Return the release that the static root names now; a build may put another one in its place meanwhile."""
    root = static_root.resolve()
    try:
        return load_tree(root, memory)
    except TreeUnusableError:
        if static_root.resolve() == root:
            raise
        return load_tree(static_root.resolve(), memory)


def find_path_conflicts(project: Project, responder: Responder | None = None) -> Iterator[str]:
    """Tell where the path of a health check is somebody else's, too; of a static file's, if there is a responder."""
    for path in (project.settings.health_path, project.settings.ready_path):
        route = project.find_route(path)
        if responder and responder.is_owned(path.encode()):
            yield f"{path} is a static file's: no check is answered there"
        elif route:
            yield f"{path} is answered here, not by the project's own {route!r}"


def _summarize_length_check(compared: int, resources: int) -> list[str]:
    if compared == resources:
        return []
    return [
        f"lengths compared for the files of {compared} of {resources} resources; the others' when they are asked for"
    ]


class LazyApplication:
    """The application of this process's environment, created when the server first calls it."""

    def __init__(self, length_check_seconds: float = LENGTH_CHECK_SECONDS, *, is_worker: bool = False) -> None:
        self._length_check_seconds = length_check_seconds
        self._is_worker = is_worker
        self._app: Front | None = None

    def __getattr__(self, name: str) -> Any:
        """Return what the booted application has."""
        app = self.__dict__.get("_app")
        if app is None:
            raise AttributeError(f"{name}: the lifespan comes before the first connection")
        return getattr(app, name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Boot if that has not happened, then pass the event on."""
        try:
            if self._app is None:
                settings = Settings.read()
                if not self._is_worker:
                    misspelled.warn_misspelled(settings)
                observer = recorder_from_settings(settings) if self._is_worker else None
                self._app = create_app(settings, self._length_check_seconds, observer)
                if not self._is_worker:
                    log.warning("static files are answered through ASGI; the fast lane is `static-host serve`'s")
        except StaticHostError as stop:
            log_configuration.log_error(stop)
            if scope["type"] != "lifespan":
                raise
            await receive()
            await send({"type": "lifespan.startup.failed", "message": str(stop)})
            return
        await self._app(scope, receive, send)


app = LazyApplication()
worker = LazyApplication(length_check_seconds=0, is_worker=True)  # its parent has compared the lengths
