"""``static-host dev``: the project without a build, loaded again when its code changes. For development only.

Rule: one process has the address and looks for changes, and never imports the project; another one serves, and is
replaced. A project that does not load is told of, whole, and waited for; requests are answered 503 meanwhile. What
needs no restart gets none: static files and templates are read again for every request.
"""

from __future__ import annotations

import logging
import logging.config
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from importlib.metadata import entry_points
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount

from app import health
from app.address import listening, url_of
from app.changes import Changes
from app.exits import Stop, explained
from app.lifespan import lifespan_of
from app.origin.baking import UNCACHEABLE
from app.project import DJANGO_STORAGE, FORGOTTEN, Project, configured
from app.project import explained as explaining
from app.server import LOGGING
from app.settings import Settings
from app.unbuilt import DJANGO_APP, Unbuilt

log = logging.getLogger("static_host")

GRACE = 1
"""Seconds that requests in flight get to end before the process that serves them is replaced: streams never do."""
WHAT = "code that changes is loaded again, nothing is compressed or kept; for development only"
_SPAWN = multiprocessing.get_context("spawn")
_WRONG = 2


def dev(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises Stop; SystemExit when the settings module cannot be found."""
    logging.config.dictConfig(LOGGING)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with listening(settings.host, settings.port) as listener, suppress(KeyboardInterrupt):
        _supervise(listener)
    log.info("stopped")


def _supervise(listener: socket.socket) -> None:
    changes = Changes(Path.cwd())
    told = _SPAWN.Event()
    server = _started(listener, told, first=True)
    first, ended = True, False
    try:
        while True:
            time.sleep(changes.pause)
            new = changes.new()
            if new:
                log.info("%s: loading the project again", _shortened(new))
                _end(server)
                server = _started(listener, told, first=False)
                first, ended = False, False
            elif server.exitcode == _WRONG and first:
                raise SystemExit(_WRONG)
            elif server.exitcode is not None and not ended:
                ended = True
                log.warning("the server ended (exit %s); it is started again when a file changes", server.exitcode)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # it is ending, within seconds
        _end(server)


def _started(listener: socket.socket, told: Event, *, first: bool) -> SpawnProcess:
    server = _SPAWN.Process(target=_serve, args=(listener, told, first))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it, too: it would print a traceback
    try:
        server.start()
    finally:
        signal.signal(signal.SIGINT, before)
    return server


def _end(server: SpawnProcess) -> None:
    server.terminate()
    server.join(GRACE)
    server.kill()
    server.join()


def _shortened(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _serve(listener: socket.socket, told: Event, first: bool) -> None:
    """Serve, in a process of its own. `told` is whether the start-up lines have been printed."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    logging.config.dictConfig(LOGGING)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    with suppress(OSError):
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - multiprocessing took it away; breakpoint() reads it
    try:
        settings = Settings.read()
        app, trusted = create_app(settings, url_of(listener), told), settings.forwarded_allow_ips
    except Stop as stop:
        print(explained(stop), file=sys.stderr, flush=True)
        if first and stop.exit_code == _WRONG:
            raise SystemExit(_WRONG) from None
        log.info("the project is loaded again when a file changes")
        app, trusted = _waiting(), ()
    config = uvicorn.Config(
        app,
        http="httptools",
        log_config=LOGGING,
        server_header=False,
        forwarded_allow_ips=list(trusted),
        lifespan="on",
    )
    uvicorn.Server(config).run(sockets=[listener])


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(0)


def create_app(settings: Settings, url: str, told: Event) -> Starlette:
    """Return the front: static files as they are, then health, then Django. Raises Stop."""
    project = configured(settings)
    changed = project.lay_over(project.prefix, project.static_root.resolve(), DJANGO_STORAGE)
    django = project.application()
    _read_templates_again(project)

    @asynccontextmanager
    async def announced(_: Starlette) -> AsyncIterator[Any]:
        if not told.is_set():
            for line in _summary(project, changed):
                log.info("%s", line)
            told.set()
        async with lifespan_of(django) if project.is_asgi else nullcontext() as state:
            log.info("ready on %s, development: %s", url, WHAT)
            yield state

    files = Middleware(Unbuilt, prefix=project.prefix, root_files=settings.static_root_files, media_type=_media_type())
    checks = health.routes(settings.health_path, settings.ready_path, health.Readiness())
    return Starlette(routes=[*checks, Mount("/", app=django)], middleware=[files], lifespan=announced)


def _waiting() -> Starlette:
    """Return what is served in place of a project that does not load."""
    text = "The Django project cannot be loaded; static-host's output says why.\nIt tries again when a file changes.\n"
    answer = PlainTextResponse(text, 503, {"Cache-Control": UNCACHEABLE.decode()})
    return Starlette(routes=[Mount("/", app=answer)])


def _summary(project: Project, changed: list[str]) -> list[str]:
    from django.apps import apps
    from django.conf import settings

    manner = "through ASGI" if project.is_asgi else f"in {project.settings.threads} threads"
    remedy = "DJANGO_DEBUG=true" if project.is_bundled else f"DEBUG = True in {project.name}"
    lines = [
        FORGOTTEN if project.seems_forgotten else "",
        f"static files as the project's finders find them, at {project.prefix}",
        f"{project.host} is not used: files that change are served from here" if project.host else "",
        "" if apps.is_installed(DJANGO_APP) else f"no static files: {DJANGO_APP} is not in INSTALLED_APPS",
        f"Django project {project.name} {manner}",
        *(f"laid over the project's settings: {line}" for line in changed),
        "" if settings.DEBUG else f"DEBUG is False, so errors show no debug pages; {remedy} turns them on",
    ]
    return [line for line in lines if line]


def _read_templates_again(project: Project) -> None:
    """Forget what Django's template loaders keep, at every request: they keep templates with DEBUG, too."""
    with explaining(project.name):
        from django.contrib.staticfiles import finders
        from django.core.signals import request_started
        from django.template.autoreload import reset_loaders

        list(finders.get_finders())  # raises now, not at the first request, where a setting is wrong
        request_started.connect(lambda **_: reset_loaders(), weak=False)


def _media_type() -> Callable[[str], str]:
    """Return the build's function: its table comes with it, by entry point, and nothing here imports the build."""
    (point,) = entry_points(group="static_host.media_types")
    media_type: Callable[[str], str] = point.load()
    return media_type
