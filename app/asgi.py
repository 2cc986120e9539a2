"""The composition root: settings in, one ASGI application out.

``app`` is for any ASGI server (``uvicorn app.asgi:app``). It boots on its first event, which is the start of the
lifespan unless the server has that switched off; what stops the boot is printed whole and reported as
``lifespan.startup.failed``, so that the server exits.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from app import health
from app.exits import Stop, explained
from app.middleware import StaticOrigin
from app.origin.responder import Responder
from app.origin.tree import Tree, TreeUnusable, load
from app.project import configured
from app.settings import Settings

log = logging.getLogger("static_host")


def create_app(settings: Settings) -> Starlette:
    """Return the front: the static tree first, then health, then Django for everything else.

    ``app.state.root`` is the release that it serves, ``app.state.summary`` what the start-up lines say of it. Raises
    Stop: TreeUnusable, ProjectMissing, ProjectBroken.
    """
    project = configured(settings)
    if project.is_bundled and Path("manage.py").exists():
        log.warning("there is a manage.py here, but DJANGO_SETTINGS_MODULE is not set: this is the bundled site")
    tree = _current(project.static_root)
    root = tree.root
    prefix = settings.static_prefix or tree.index.prefix
    changed = project.lay_over(project.host + prefix, root)
    responder = Responder(tree, prefix, settings.static_max_age, settings.static_root_files)
    django = project.application()
    front = Starlette(
        routes=[*health.routes, Mount("/", app=django)],
        middleware=[Middleware(StaticOrigin, responder=responder)],
    )
    front.state.root = root
    front.state.summary = [
        f"{len(tree.index)} static resources of {project.static_root} at {project.host}{prefix}",
        f"Django project {project.name} {'through ASGI' if project.is_asgi else f'in {settings.threads} threads'}",
        *(f"laid over the project's settings: {line}" for line in changed),
    ]
    return front


def _current(static_root: Path) -> Tree:
    """Return the release that the static root names now; a build may put another one in its place meanwhile."""
    root = static_root.resolve()
    try:
        return load(root)
    except TreeUnusable:
        if static_root.resolve() == root:
            raise
        return load(static_root.resolve())


class Booting:
    """The application of this process's environment, created when the server first calls it."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Boot if that has not happened, then pass the event on."""
        try:
            if self._app is None:
                self._app = create_app(Settings.read())
        except Stop as stop:
            print(explained(stop), file=sys.stderr, flush=True)
            if scope["type"] != "lifespan":
                raise
            await receive()
            await send({"type": "lifespan.startup.failed", "message": str(stop)})
            return
        await self._app(scope, receive, send)


app = Booting()
