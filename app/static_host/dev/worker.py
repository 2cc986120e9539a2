"""The worker of ``static-host dev``: loads the project once, serves it, and is replaced when code changes.

Rule: if the project fails to load, its checks fail or its lifespan does not start, the whole error is printed, and
requests get 503. Static files and templates are read again for each request, so changes of them need no reload.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from static_host import health
from static_host.conf.settings import Settings
from static_host.dev.finder_files import STATICFILES_APP, FinderFilesMiddleware
from static_host.dev.reload_reporter import ReloadReporter
from static_host.dev.runserver_checks import print_unapplied_migrations, run_system_checks
from static_host.errors import StaticHostError
from static_host.http.websocket import WebSocketProtocol
from static_host.middleware.forwarded import ForwardedMiddleware, TrustedProxies
from static_host.origin.headers import UNCACHEABLE
from static_host.project.errors import ProjectLoadError, wrap_project_errors
from static_host.project.lifespan import LifespanStartupError, run_lifespan
from static_host.project.project import DJANGO_STORAGE, UNSET_SETTINGS_MODULE_MESSAGE, Project
from static_host.server.listener import format_url
from static_host.telemetry import log_configuration

log = logging.getLogger("static_host")

DEVELOPMENT_NOTICE = "changed code is reloaded, nothing is compressed or cached; for development only"
RETRY_NOTICE = "the project is loaded again when a file changes"
USAGE_ERROR_EXIT_CODE = 2
"""The exit code of an operator's mistake, which ends the program if the first worker finds it."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """The start options of a worker.

    `address` is HOST and PORT at the time when the listener was opened. `is_first` is true for the first worker,
    `is_announced` after the start-up lines were printed. A worker with `is_stand_in` replaces one that ended, and does
    not load the project.
    """

    listener: socket.socket
    address: tuple[str, int]
    is_first: bool = True
    is_announced: bool = False
    is_stand_in: bool = False


def run_worker(start: WorkerOptions, pipe: Connection) -> None:
    """Serve until SIGTERM, as the target of a new process. `pipe` leads to the supervisor."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    log_configuration.configure_logging(log_configuration.log_format())
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    with suppress(OSError):
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - multiprocessing took it away; breakpoint() reads it
    with log_configuration.log_crashes():
        app = _UNAVAILABLE_APP if start.is_stand_in else _load_app(start, ReloadReporter(pipe))
        config = uvicorn.Config(
            app,
            http="httptools",
            ws=WebSocketProtocol,
            log_config=log_configuration.build_configuration_with_access_log(),
            server_header=False,
            proxy_headers=False,  # ForwardedMiddleware reads them
            lifespan="on",
        )
        _DevServer(config).run(sockets=[start.listener])


class _DevServer(uvicorn.Server):
    """A server that shuts down in order; the supervisor kills it if that takes too long.

    uvicorn's own aborts the lifespan at a second signal, which a terminal may send. It also raises the signal again
    when it has ended, so that the project's atexit functions do not run.
    """

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        self.should_exit = True


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(0)


def _load_app(start: WorkerOptions, watched: ReloadReporter) -> ASGIApp:
    """Return the application, or the one that answers 503."""
    try:
        settings = Settings.read()
        if (settings.host, settings.port) != start.address:
            log.warning("HOST or PORT changed; restart `static-host dev` to use the new address")
        app = create_dev_app(settings, start)
    except StaticHostError as stop:
        log_configuration.log_error(stop)
        if start.is_first and stop.exit_code == USAGE_ERROR_EXIT_CODE:
            raise SystemExit(USAGE_ERROR_EXIT_CODE) from None
        log.info(RETRY_NOTICE)
        watched.report_failure(stop)
        return _UNAVAILABLE_APP
    watched.report_loaded()
    return ForwardedMiddleware(app, TrustedProxies(settings.forwarded_allow_ips))


async def _answer_503(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 503, as an ASGI application."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
        return
    text = "The Django project cannot be loaded; static-host's output says why.\nIt tries again when a file changes.\n"
    answer = PlainTextResponse(text, 503, {"Cache-Control": UNCACHEABLE.decode()})
    await answer(scope, receive, send)


_UNAVAILABLE_APP = Starlette(routes=[Mount("/", app=_answer_503)])


class _DjangoApp:
    """The project as an ASGI application; it answers 503 after its lifespan failed to start."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._application = project.load_application()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application(scope, receive, send)

    async def start_lifespan(self, stack: AsyncExitStack) -> Any:
        """Start the project's lifespan, if it has one; `stack` ends it. Returns the state that its requests share."""
        if not self.project.is_asgi:
            return None
        try:
            return await stack.enter_async_context(run_lifespan(self._application))
        except LifespanStartupError as failed:
            stop = ProjectLoadError(
                f"the ASGI application of {self.project.name} could not start: {failed}".rstrip(": ")
            )
            stop.__cause__ = failed.__cause__
            log_configuration.log_error(stop)
            log.info(RETRY_NOTICE)
            self._application = _answer_503
            return None


def create_dev_app(settings: Settings, start: WorkerOptions) -> Starlette:
    """Return the application: static files from the finders, health checks, Django. Raises StaticHostError."""
    project = Project.from_settings(settings)
    with wrap_project_errors(project.name):
        changed = project.apply_overlay(project.prefix, project.static_root.resolve(), DJANGO_STORAGE)
    django = _DjangoApp(project)
    _disable_template_caching(project)
    run_system_checks(project.name)

    @asynccontextmanager
    async def announced(_: Starlette) -> AsyncIterator[Any]:
        for line in [] if start.is_announced else _format_summary(project, changed):
            log.info("%s", line)
        async with AsyncExitStack() as stack:
            state = await django.start_lifespan(stack)
            log.info("ready on %s, development: %s", format_url(start.listener), DEVELOPMENT_NOTICE)
            threading.Thread(target=print_unapplied_migrations, daemon=True).start()
            yield state

    prefixes = project.expand_prefix(project.prefix)
    files = Middleware(
        FinderFilesMiddleware,
        prefixes=prefixes,
        root_files=settings.static_root_files,
        media_type=_load_media_type_function(),
    )
    checks = health.build_routes(settings.health_path, settings.ready_path, health.Readiness())
    return Starlette(routes=[*checks, Mount("/", app=django)], middleware=[files], lifespan=announced)


def _format_summary(project: Project, changed: list[str]) -> list[str]:
    from django.apps import apps
    from django.conf import settings

    remedy = "DJANGO_DEBUG=true" if project.is_bundled else f"DEBUG = True in {project.name}"
    lines = [
        UNSET_SETTINGS_MODULE_MESSAGE if project.is_other_project_unnamed else "",
        f"static files from the project's finders, at {' and '.join(project.expand_prefix(project.prefix))}",
        f"{project.host} is not used: static files come from this server" if project.host else "",
        "" if apps.is_installed(STATICFILES_APP) else f"no static files: {STATICFILES_APP} is not in INSTALLED_APPS",
        project.summary,
        *(f"overridden in the project's settings: {line}" for line in changed),
        "" if settings.DEBUG else f"DEBUG is False, so errors show no debug pages; {remedy} turns them on",
    ]
    return [line for line in lines if line]


def _disable_template_caching(project: Project) -> None:
    """Clear template caches at each request: Django's loaders cache with DEBUG, Jinja's without it."""
    with wrap_project_errors(project.name):
        from django.contrib.staticfiles import finders
        from django.core.signals import request_started
        from django.template import engines
        from django.template.autoreload import reset_loaders

        list(finders.get_finders())  # raises now, not at the first request, if a setting is wrong
        request_started.connect(lambda **_: reset_loaders(), weak=False)
        for engine in engines.all():
            environment: Any = getattr(engine, "env", None)
            if hasattr(environment, "auto_reload"):
                environment.auto_reload = True


def _load_media_type_function() -> Callable[[str], str]:
    """Return the build's function for media types. It comes by entry point: no module here imports the build."""
    (point,) = entry_points(group="static_host.media_types")
    media_type: Callable[[str], str] = point.load()
    return media_type
