"""The ASGI application of `static-host dev`: static files from the finders, health checks, the project.

Rule: what depends on variables or on the project's settings is put together anew each time the project is loaded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from starlette.routing import Mount, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from static_host import health
from static_host.conf.settings import Settings
from static_host.dev import error_page
from static_host.dev.finder import ProjectFinder
from static_host.dev.finder_files import FinderFilesMiddleware
from static_host.dev.pool import DevPool, DevWorker, ProjectUnavailableError
from static_host.dev.request_lines import RequestLines
from static_host.dev.whitenoise import DevWhiteNoise
from static_host.files.media_files import MediaFiles
from static_host.files.sendfile_roots import SendfileRoots
from static_host.middleware.forwarded import ForwardedMiddleware, TrustedProxies
from static_host.middleware.media_files import MediaFilesMiddleware
from static_host.middleware.request_log import RequestLogMiddleware
from static_host.telemetry.log_and_counters import RequestRecorder
from static_host.workers.file_responder import FileResponder
from static_host.workers.gateway import Gateway
from static_host.workers.request_body import ClientGoneError, has_body
from static_host.workers.worker_process import Message
from static_host_django.static_url import DEFAULT_PREFIX

if TYPE_CHECKING:
    from static_host.workers.pool import WorkerPool


class DevApplication:
    """The application; `use` puts it together."""

    recorder: RequestRecorder | None = None

    def __init__(self, pool: DevPool, finder: ProjectFinder, on_missing: Callable[[str, str], None]) -> None:
        self._pool = pool
        self._finder = finder
        self._on_missing = on_missing
        self._app: ASGIApp | None = None
        self.media: MediaFiles | None = None
        """Uploads, if they are to be served: of no place before the project is loaded."""

    def use(
        self, settings: Settings, prefixes: tuple[str, ...] = (DEFAULT_PREFIX,), whitenoise: Message | None = None
    ) -> None:
        """Serve static files at these prefixes from now on. `whitenoise` are the project's settings of WhiteNoise."""
        former, self.media = self.media, MediaFiles.from_settings(settings)
        if former is not None and self.media is not None:
            self.media.use(former.place)
        checks = health.build_routes(settings.health_path, settings.ready_path, _Readiness(self._pool))
        project = _ProjectApplication(self._pool, settings)
        routes = Router([*checks, Mount("/", app=project)], redirect_slashes=False)
        files = FinderFilesMiddleware(
            MediaFilesMiddleware(routes, self.media) if self.media is not None else routes,
            self._finder,
            prefixes,
            settings.static_root_files,
            self._on_missing,
            DevWhiteNoise(whitenoise or {}, settings.static_media_types, settings.static_directory_index),
            settings.static_not_found,
        )
        app: ASGIApp = _ErrorPageMiddleware(files, self._pool, settings.ready_path)
        if settings.access_log:
            self.recorder = RequestRecorder(RequestLines(settings.log_format), None)
            app = RequestLogMiddleware(app, self.recorder)
        self._app = ForwardedMiddleware(app, TrustedProxies.from_settings(settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a WebSocket."""
        assert self._app is not None  # noqa: S101 - it is used before the server begins
        await self._app(scope, receive, send)


class _Readiness(health.Readiness):
    """The readiness check: its text changes when the project is loaded, served, or broken."""

    def __init__(self, pool: DevPool) -> None:
        super().__init__()
        self._dev_pool = pool

    async def find_obstacle(self) -> str:
        return self._dev_pool.describe_obstacle()


class _ProjectApplication:
    """The project, once it is loaded."""

    def __init__(self, pool: DevPool, settings: Settings) -> None:
        self._pool = pool
        self._max_body_bytes = settings.max_body
        self._is_timed = settings.server_timing
        self._files = FileResponder(SendfileRoots.from_settings(settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(ClientGoneError):
            worker = await self._wait(scope, receive)
            pool = cast("WorkerPool", self._pool)  # it has what a gateway calls
            gateway = Gateway(
                pool,
                self._files,
                is_asgi=worker.is_asgi,
                max_body_bytes=self._max_body_bytes,
                is_timed=self._is_timed,
            )
            await gateway(scope, receive, send)

    async def _wait(self, scope: Scope, receive: Receive) -> DevWorker:
        """Return the worker, once the project is loaded. Raises ProjectUnavailableError, ClientGoneError."""
        if self._pool.worker is not None or scope["type"] == "websocket" or has_body(scope["headers"]):
            return await self._pool.wait_for_worker()
        waiting = asyncio.ensure_future(self._pool.wait_for_worker())
        gone = asyncio.ensure_future(_wait_for_disconnect(receive))
        try:
            await asyncio.wait([waiting, gone], return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise ClientGoneError
            return waiting.result()
        finally:
            waiting.cancel()
            gone.cancel()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _ErrorPageMiddleware:
    """Responds with the project's error to requests that only the project can serve."""

    def __init__(self, app: ASGIApp, pool: DevPool, ready_path: str) -> None:
        self._app = app
        self._pool = pool
        self._ready_path = ready_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except ProjectUnavailableError as unavailable:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000})  # before the handshake: the server answers 403
                return
            state = self._pool.describe_obstacle()
            response = error_page.build_response(scope, unavailable.error, self._ready_path, state)
            await response(scope, receive, send)
