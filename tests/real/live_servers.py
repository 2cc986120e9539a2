"""This project's server in a thread, with the interface of wsgiref's that Django's `LiveServerThread` uses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import uvicorn
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.http import HttpRequest, HttpResponseBase

from static_host import health
from static_host.asgi import Front
from static_host.conf.settings import Settings
from static_host.files.sendfile_roots import SendfileRoots
from static_host.origin.responder import Responder
from static_host.server.listener import open_listener
from static_host.server.serve import build_uvicorn_config
from static_host.workers.file_responder import FileResponder
from static_host.workers.gateway import Gateway
from static_host.workers.pool import WorkerPool
from static_host.workers.pool_options import PoolOptions
from static_host.workers.worker_process import WorkerProcess
from static_host_django.asgi_types import ASGIApp
from tests.real.messages import Environ
from tests.real.worker_threads import Application, NoFactory, start_asgi_worker, start_wsgi_worker

Connections = dict[str, Any]


def share_connections(shared: Connections) -> None:
    """Have this thread use database connections of another one."""
    for alias, connection in shared.items():
        connections[alias] = connection


class Server:
    """The server, its listener open. Its subclasses give it an application, for one interface."""

    responder: Responder

    def __init__(
        self, address: tuple[str, int], *_: Any, connections_override: Connections | None = None, **__: Any
    ) -> None:
        self.listener = open_listener(*address)
        self.server_address: tuple[str, int] = self.listener.getsockname()[:2]
        self._shared = connections_override or {}

    def serve_forever(self) -> None:
        self._server.run(sockets=[self.listener])

    def shutdown(self) -> None:
        self._server.should_exit = True

    def server_close(self) -> None:
        """Nothing is left: `serve_forever` closes what it opened."""

    def _set_worker(self, worker: WorkerProcess, options: PoolOptions, *, is_asgi: bool) -> None:
        settings, readiness = Settings(), health.Readiness()
        routes = health.build_routes(settings.health_path, settings.ready_path, readiness)
        pool = WorkerPool(NoFactory(), [worker], options)  # type: ignore[arg-type]
        gateway = Gateway(pool, FileResponder(SendfileRoots(())), is_asgi=is_asgi, max_body_bytes=1 << 30)
        lifespan = lambda _: gateway.run()  # noqa: E731
        front = Front(settings, self.responder, readiness, None, gateway, routes=routes, lifespan=lifespan)
        self._server = uvicorn.Server(build_uvicorn_config(front, settings))


class WSGIServer(Server):
    """The server with a WSGI worker."""

    def set_app(self, application: Application) -> None:
        """Take the application, which gets the shared database connections in each of its threads."""

        def call(environ: Environ, start_response: Any) -> Iterable[bytes]:
            share_connections(self._shared)
            return application(environ, start_response)  # type: ignore[no-any-return]

        self._set_worker(start_wsgi_worker(call), PoolOptions(4, 100, 1.0, request_seconds=0), is_asgi=False)


class ASGIServer(Server):
    """The server with an ASGI worker."""

    def set_app(self, handler: Any) -> None:
        """Take the handlers for files that a live server puts around `WSGIHandler`, and serve the same through ASGI."""
        self.set_asgi_app(LiveApplication(handler, self._shared))  # type: ignore[arg-type]  # Django's types of ASGI

    def set_asgi_app(self, application: ASGIApp) -> None:
        """Take an ASGI application."""
        self._set_worker(
            start_asgi_worker(application), PoolOptions(queue=100, grace_seconds=1.0, request_seconds=0), is_asgi=True
        )


class LiveApplication(ASGIHandler):
    """A live server's project: files that handlers of WSGI have, then the views."""

    def __init__(self, handler: Any, shared: Connections) -> None:
        super().__init__()
        self._handler = handler
        self._shared = shared

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request, with the shared database connections in the thread of its synchronous views."""
        await sync_to_async(share_connections)(self._shared)
        await super().handle(scope, receive, send)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        """Return a file, or the response of a view."""
        handler = self._handler
        while hasattr(handler, "_should_handle"):
            if handler._should_handle(request.path):
                return await sync_to_async(handler.get_response)(request)  # type: ignore[no-any-return]
            handler = handler.application
        return await super().get_response_async(request)
