"""The composition root: settings in, one ASGI application out.

``app`` is for any ASGI server (``uvicorn static_host.asgi:app``). It boots on its first event: the start of the
lifespan, which it needs. An error that stops the boot is printed whole and sent as ``lifespan.startup.failed``, so that
the server exits.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from static_host import health
from static_host.conf import misspelled_variables
from static_host.conf.settings import Settings
from static_host.errors import StaticHostError
from static_host.files.fallback_page import FallbackPage
from static_host.files.media_files import MediaFiles
from static_host.files.not_found_page import NotFoundPage
from static_host.files.sendfile_roots import SendfileRoots
from static_host.health import Readiness
from static_host.middleware.forwarded import ForwardedMiddleware, TrustedProxies
from static_host.middleware.media_files import MediaFilesMiddleware
from static_host.middleware.origin_secret import OriginSecret, OriginSecretMiddleware
from static_host.middleware.request_log import RequestLogMiddleware
from static_host.middleware.static_files import StaticFilesMiddleware
from static_host.origin.responder import Responder
from static_host.pages.page_codings import PageCodings
from static_host.served_tree import TreeSwitch, find_served_media, load_served_tree, summarize_media
from static_host.telemetry import log_configuration
from static_host.telemetry.counters import Counters
from static_host.telemetry.log_and_counters import RequestRecorder
from static_host.workers.file_responder import FileResponder
from static_host.workers.gateway import Gateway
from static_host.workers.pool import WorkerPool
from static_host.workers.remote_project import RemoteProject
from static_host.workers.worker_project import WorkerProject

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
        django: Gateway,
        fallback: ObjectStoreFallback | None = None,
        media: MediaFiles | None = None,
        not_found_page: NotFoundPage | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.responder = responder
        self.media = media
        self.fallback = fallback
        self.not_found_page = not_found_page
        self.readiness = readiness
        self.recorder = recorder
        self.secret = OriginSecret.from_settings(settings)
        self.proxies = TrustedProxies.from_settings(settings)
        self.open_paths = (settings.health_path, settings.ready_path)
        self.gateway = django
        self.pool: WorkerPool = django.pool
        self.router.redirect_slashes = False
        self.router.default = django  # as a Mount("/") does, but without matching and copying the scope of each request

    def build_middleware_stack(self) -> ASGIApp:
        """Return the middleware, outermost first: forwarded addresses, log, origin secret, static files, uploads."""
        app: ASGIApp = self.router if self.media is None else MediaFilesMiddleware(self.router, self.media)
        app = StaticFilesMiddleware(app, self.responder, self.fallback, self.not_found_page)
        if self.secret:
            app = OriginSecretMiddleware(app, self.secret, self.open_paths)
        return ForwardedMiddleware(RequestLogMiddleware(app, self.recorder) if self.recorder else app, self.proxies)


def create_app(
    settings: Settings, length_check_seconds: float = LENGTH_CHECK_SECONDS, recorder: RequestRecorder | None = None
) -> Front:
    """Return the front: the static tree first, then uploads, health checks, and Django for everything else.

    `length_check_seconds` limits the comparison of the tree's file lengths with the index. `recorder` records each
    request. ``app.state.root`` is the directory of the release that it serves. ``app.state.summary`` has the start-up
    lines.
    Raises StaticHostError: TreeUnusableError, or an error of the project's.
    """
    project = WorkerProject.from_settings(settings)
    served = load_served_tree(settings, project, length_check_seconds)
    responder = served.responder
    media = MediaFiles.from_settings(settings)
    fallback_page = FallbackPage(responder, settings.static_fallback) if settings.static_fallback else None
    files = FileResponder(SendfileRoots.from_settings(settings), fallback_page)
    codings = PageCodings.from_settings(settings)
    switch = TreeSwitch(settings, served, codings, media)
    gateway = project.start_workers(served.static_url, served.tree, switch, files, codings)
    if media is not None:
        media.use(find_served_media(project, responder.prefixes))
    if recorder is not None and recorder.counters is not None:
        count_releases(responder, recorder.counters)
    readiness = Readiness(
        gateway.pool, settings.ready_database, settings.drain, is_migrated=not settings.ready_migrations
    )
    front = Front(
        settings,
        responder,
        readiness,
        recorder,
        gateway,
        create_fallback(settings, responder, recorder),
        media,
        NotFoundPage(responder, settings.static_not_found) if settings.static_not_found else None,
        routes=health.build_routes(settings.health_path, settings.ready_path, readiness),
        lifespan=lambda _: gateway.run(),
    )
    front.state.root = served.tree.root
    front.state.summary = [
        *served.summary,
        *summarize_project(settings, project, project.changes),
        *summarize_media(project, media),
        *find_path_conflicts(project, responder, media),
    ]
    return front


def summarize_project(settings: Settings, project: RemoteProject, changed: list[str]) -> list[str]:
    """Return the start-up lines about the project, the store, and the settings that are overridden."""
    store = [f"files that the tree has not are looked for in {settings.static_store}"] if settings.static_store else []
    return [project.summary, *store, *(f"overridden in the project's settings: {line}" for line in changed)]


def count_releases(responder: Responder, counters: Counters) -> None:
    """Have the counters of the releases of the responder's tree, of this one and of those that replace it."""

    def keep_releases() -> None:
        counters.keep_releases(release.digest for release in responder.tree.index.releases)

    keep_releases()
    responder.on_replaced.append(keep_releases)


def create_fallback(
    settings: Settings, responder: Responder, recorder: RequestRecorder | None
) -> ObjectStoreFallback | None:
    """Return the fallback to DJANGO_STATIC_STORE, or None without a store; its modules are not imported then.

    Raises InvalidSettingsError.
    """
    if not settings.static_store:
        return None
    from static_host.object_store.fallback import ObjectStoreFallback

    counters = recorder.counters if recorder else None
    lookups = counters.store_lookups if counters is not None else None
    return ObjectStoreFallback.from_settings(settings, responder, lookups)


def find_path_conflicts(
    project: RemoteProject, responder: Responder | None = None, media: MediaFiles | None = None
) -> Iterator[str]:
    """Yield a line for each health check path that is also a static file's, an upload's, or a route of the project."""
    for path in (project.settings.health_path, project.settings.ready_path):
        route = project.find_route(path)
        if responder and responder.is_owned(path.encode()):
            yield f"{path} is a static file's URL: no health check responds there"
        elif media and media.is_owned(path.encode()):
            yield f"{path} is an upload's URL: no health check responds there"
        elif route:
            yield f"{path} is answered here, not by the project's own {route!r}"


def _is_one_of_several() -> bool:
    """Whether this is a process of a server that has started several because of WEB_CONCURRENCY: uvicorn, gunicorn."""
    return "uvicorn._subprocess" in sys.modules or os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn")


class LazyApplication:
    """The application for the settings in the environment, created when the server first calls it."""

    def __init__(self) -> None:
        self._app: Front | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Boot on the first call, then pass the event on."""
        try:
            if self._app is None:
                log_configuration.configure_own_logging()
                settings = Settings.read()
                misspelled_variables.warn_misspelled(settings)
                if settings.workers > 1 and _is_one_of_several():
                    settings = settings.model_copy(update={"workers": 1})
                    log.info("one Django worker in each process of the server, which reads WEB_CONCURRENCY, too")
                self._app = create_app(settings)
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
