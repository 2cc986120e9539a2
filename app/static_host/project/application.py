"""Imports the project's application: WSGI_APPLICATION or ASGI_APPLICATION, else Django's own."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp

from static_host.conf.settings import Settings
from static_host.project.asgi_adapter import adapt_asgi_application
from static_host.project.errors import ProjectLoadError
from static_host.project.wsgi_bridge import WSGIWorker

ASGI_REMEDY = "Correct it, or install what it needs; or set DJANGO_INTERFACE=wsgi if the project works without ASGI."


def load_wsgi_application(settings: Any, ours: Settings) -> ASGIApp:
    """Import the WSGI application of Django's `settings`, to be called in threads."""
    from django.core.wsgi import get_wsgi_application
    from django.utils.module_loading import import_string

    path = settings.WSGI_APPLICATION
    application = import_string(path) if path else get_wsgi_application()
    return WSGIWorker(application, ours.threads, ours.queue, multiprocess=ours.workers > 1)


def load_asgi_application(settings: Any) -> ASGIApp:
    """Import the ASGI application of Django's `settings`. Raises ProjectLoadError."""
    from django.core.asgi import get_asgi_application

    path = getattr(settings, "ASGI_APPLICATION", None)
    application: Any = _import_asgi_application(path) if path else get_asgi_application()
    return adapt_asgi_application(application)


def _import_asgi_application(path: str) -> ASGIApp:
    """Import ASGI_APPLICATION. Raises ProjectLoadError."""
    from django.utils.module_loading import import_string

    try:
        application: ASGIApp = import_string(path)
        if not callable(application):
            raise TypeError(f"it is a {type(application).__name__}, which cannot be called")  # noqa: TRY301
    except (Exception, SystemExit) as error:
        raise ProjectLoadError(f"ASGI_APPLICATION = {path!r} cannot be used:", remedy=ASGI_REMEDY) from error
    return application
