"""The composition root: settings in, one ASGI application out.

``app`` is for any ASGI server (``uvicorn static_host.asgi:app``). It boots on its first event: the start of the
lifespan, unless the server has lifespan switched off. An error that stops the boot is printed whole and sent as
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
from static_host.middleware.origin_secret import OriginSecret, OriginSecretMiddleware
from static_host.middleware.request_log import RequestLogMiddleware
from static_host.middleware.static_files import StaticFilesMiddleware
from static_host.origin.responder import Responder
from static_host.origin.tree import Tree, TreeUnusableError, load_tree
from static_host.project.errors import wrap_project_errors
from static_host.project.lifespan import run_lifespan
from static_host.project.project import UNSET_SETTINGS_MODULE_MESSAGE, Project
from static_host.project.threads import Threads
from static_host.telemetry import log_configuration
from static_host.telemetry.request_recorder import RequestRecorder

if TYPE_CHECKING:
    from static_host.object_store.fallback import ObjectStoreFallback

log = logging.getLogger("static_host")

LENGTH_CHECK_SECONDS = 0.5
"""Time limit of the comparison of the tree's file lengths with its index, at boot."""


class Front(Starlette):
    """Starlette with our middleware in place of its own two layers around every request.

    Those are not needed: the server logs an exception with its traceback and responds with 500. No route here raises
    Starlette's HTTPException.
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
        self.secret = OriginSecret.from_settings(settings)
        self.proxies = TrustedProxies(settings.forwarded_allow_ips)
        self._open_paths = (settings.health_path, settings.ready_path)
        self.threads: Threads | None = getattr(django, "threads", None)
        self.router.redirect_slashes = False
        self.router.default = django  # as a Mount("/") does, but without matching and copying the scope of each request

    def build_middleware_stack(self) -> ASGIApp:
        """Return the middleware, outermost first: forwarded addresses, request log, origin secret, static files."""
        app: ASGIApp = StaticFilesMiddleware(self.router, self.responder, self.fallback)
        if self.secret:
            app = OriginSecretMiddleware(app, self.secret, self._open_paths)
        return ForwardedMiddleware(RequestLogMiddleware(app, self.recorder) if self.recorder else app, self.proxies)


def create_app(
    settings: Settings, length_check_seconds: float = LENGTH_CHECK_SECONDS, recorder: RequestRecorder | None = None
) -> Front:
    """Return the front: the static tree first, then health checks, then Django for everything else.

    `length_check_seconds` limits the comparison of the tree's file lengths with the index. `recorder` records each
    request. ``app.state.root`` is the directory of the release that it serves, ``app.state.static_root`` the path where
    the next release will be. ``app.state.summary`` has the start-up lines; those about health check paths that
    something else uses are also in ``app.state.path_conflicts``.
    Raises StaticHostError: TreeUnusableError, or an error of the project's.
    """
    project = Project.from_settings(settings)
    if project.is_other_project_unnamed:
        log.warning(UNSET_SETTINGS_MODULE_MESSAGE)
    tree = _load_current_tree(project.static_root, settings.static_memory)
    compared = tree.check_lengths(length_check_seconds)
    root = tree.root
    prefix = settings.static_prefix or tree.index.prefix
    with wrap_project_errors(project.name):
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
        *(f"overridden in the project's settings: {line}" for line in changed),
        *front.state.path_conflicts,
    ]
    return front


def _create_fallback(
    settings: Settings, responder: Responder, recorder: RequestRecorder | None
) -> ObjectStoreFallback | None:
    """Return the fallback to DJANGO_STATIC_STORE, or None without a store; its modules are not imported then."""
    if not settings.static_store:
        return None
    from static_host.object_store.fallback import ObjectStoreFallback

    counters = recorder.counters if recorder else None
    lookups = counters.store_lookups if counters is not None else None
    return ObjectStoreFallback.from_settings(settings, responder, lookups)


def _load_current_tree(static_root: Path, memory: int) -> Tree:
    """Return the release that the static root names now; loads again if a build replaces it meanwhile."""
    root = static_root.resolve()
    try:
        return load_tree(root, memory)
    except TreeUnusableError:
        if static_root.resolve() == root:
            raise
        return load_tree(static_root.resolve(), memory)


def find_path_conflicts(project: Project, responder: Responder | None = None) -> Iterator[str]:
    """Yield a line for each health check path that is also a static file's or one of the project's routes."""
    for path in (project.settings.health_path, project.settings.ready_path):
        route = project.find_route(path)
        if responder and responder.is_owned(path.encode()):
            yield f"{path} is a static file's URL: no health check responds there"
        elif route:
            yield f"{path} is answered here, not by the project's own {route!r}"


def _summarize_length_check(compared: int, resources: int) -> list[str]:
    if compared == resources:
        return []
    return [f"file lengths compared for {compared} of {resources} resources; the others on their first request"]


class LazyApplication:
    """The application for the settings in the environment, created when the server first calls it."""

    def __init__(self, length_check_seconds: float = LENGTH_CHECK_SECONDS, *, is_worker: bool = False) -> None:
        self._length_check_seconds = length_check_seconds
        self._is_worker = is_worker
        self._app: Front | None = None

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the booted application."""
        app = self.__dict__.get("_app")
        if app is None:
            raise AttributeError(f"{name}: the lifespan comes before the first connection")
        return getattr(app, name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Boot on the first call, then pass the event on."""
        try:
            if self._app is None:
                settings = Settings.read()
                if not self._is_worker:
                    misspelled.warn_misspelled(settings)
                recorder = RequestRecorder.from_settings(settings) if self._is_worker else None
                self._app = create_app(settings, self._length_check_seconds, recorder)
                if not self._is_worker:
                    log.warning("static files are served through ASGI; only `static-host serve` has the fast path")
        except StaticHostError as stop:
            log_configuration.log_error(stop)
            if scope["type"] != "lifespan":
                raise
            await receive()
            await send({"type": "lifespan.startup.failed", "message": stop.format_message()})
            return
        await self._app(scope, receive, send)


app = LazyApplication()
worker = LazyApplication(length_check_seconds=0, is_worker=True)  # the parent has compared the lengths
