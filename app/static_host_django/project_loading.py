"""Loads the project in a worker: its settings module, the overlay, its application.

Rule: what the front has to know is returned as plain values, for JSON. Exceptions of the project pass through.
"""

from __future__ import annotations

import os
import platform
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from static_host_django import compressor, security_settings, setting_values, whitenoise_settings
from static_host_django.findings import format_exception_line
from static_host_django.overlay import DJANGO_STORAGE, apply_overlay
from static_host_django.overrides import format_overrides
from static_host_django.script_name import prepend_script_name

MIN_DJANGO = (4, 2)


class UnsuitableInterpreterError(Exception):
    """The Django of the interpreter is too old."""


class ASGIApplicationError(Exception):
    """ASGI_APPLICATION cannot be used; its cause says why."""


def load_settings(name: str, interface: str) -> dict[str, Any]:
    """Import the settings module, and return the facts that the front needs.

    `interface` is DJANGO_INTERFACE. Raises UnsuitableInterpreterError, and what the project raises.
    """
    os.environ["DJANGO_SETTINGS_MODULE"] = name
    add_working_directory()
    import django

    if django.VERSION[:2] < MIN_DJANGO:
        raise UnsuitableInterpreterError(f"its Django is {django.get_version()}; 4.2 or newer is needed")
    from django.conf import settings

    url: str | None = getattr(settings, "STATIC_URL", None)
    root: Any = settings.STATIC_ROOT
    wrapped: Any = settings._wrapped
    url = prepend_script_name(wrapped.STATIC_URL, settings.FORCE_SCRIPT_NAME) if url else None
    is_asgi = interface == "asgi" or (interface == "auto" and bool(getattr(settings, "ASGI_APPLICATION", None)))
    return {
        "static_url": url,
        "static_root": str(Path(root)) if root else "",
        "script_name": settings.FORCE_SCRIPT_NAME,
        "is_asgi": is_asgi,
        "whitenoise": whitenoise_settings.describe_served(settings),
        "security": security_settings.describe_security(settings),
        "python": platform.python_version(),
        "django": django.get_version(),
        "executable": sys.executable,
    }


def add_working_directory() -> None:
    """Have the project's modules found in the working directory, as manage.py does."""
    if os.getcwd() not in sys.path and "" not in sys.path:  # noqa: PTH109 - sys.path holds text
        sys.path.insert(0, os.getcwd())  # noqa: PTH109


def override_settings(own_static_url: str | None, static_url: str, root: str) -> list[str]:
    """Override the project's settings. Returns a line for each one that differed."""
    return apply_overlay(own_static_url, static_url, Path(root))


def load_application(*, is_asgi: bool) -> Any:
    """Import the whole project, also its URLconf, and return its WSGI or ASGI application.

    Raises now what would otherwise fail at the first request.
    """
    import django

    django.setup()
    from django.conf import settings
    from django.contrib.staticfiles.storage import staticfiles_storage
    from django.core.files.storage import storages
    from django.template import engines
    from django.urls import get_resolver

    application = _load_asgi(settings) if is_asgi else _load_wsgi(settings)
    settings.SECRET_KEY  # noqa: B018 - raises when it is empty
    engines.all()
    bool(staticfiles_storage)  # reads the manifest now
    if settings.STORAGES["staticfiles"]["BACKEND"] != DJANGO_STORAGE:  # that needs no tree
        setting_values.read_built_manifest(storages["staticfiles"], settings.STATIC_ROOT)
        compressor.use_built_blocks(settings, Path(str(settings.STATIC_ROOT)))
    if getattr(settings, "ROOT_URLCONF", None):
        get_resolver().url_patterns  # noqa: B018 - imports the URLconf now, not at the first request
    return application


def find_route(path: str) -> str | None:
    """Return the project's route for exactly this path, or None. A catch-all pattern does not count."""
    from django.urls import Resolver404, resolve

    try:
        route = resolve(path).route
    except Resolver404:
        return None
    plain = route.replace("\\", "").strip("^$/?\\Z")
    return route if plain == path.strip("/") else None


def describe_loaded(paths: Iterable[str]) -> dict[str, Any]:
    """Return what the front wants to know of the loaded project: its databases, and the routes of paths."""
    from django.conf import settings

    return {"databases": sorted(settings.DATABASES), "routes": {path: find_route(path) for path in paths}}


def describe_exception(error: BaseException) -> dict[str, Any]:
    """Return an exception of the project as the front shows it: its traceback, its last line, what is overridden."""
    return {
        "traceback": format_traceback(error),
        "line": format_exception_line(error),
        "notes": list(format_overrides()),
    }


def format_traceback(error: BaseException) -> str:
    """Return the whole traceback of an exception."""
    return "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()


def describe_failure(error: BaseException, settings_module: str) -> dict[str, Any]:
    """Return the message that says why the project cannot be loaded."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    shown: BaseException = error
    kind = "load"
    if isinstance(error, UnsuitableInterpreterError):
        kind = "interpreter"
    elif isinstance(error, ASGIApplicationError):
        kind, shown = "asgi", error.__cause__ or error
    elif missing and (settings_module == missing or settings_module.startswith(f"{missing}.")):
        kind = "not_found"
    what = missing if kind == "not_found" else str(error)
    return {"type": "failed", "kind": kind, "what": what, **describe_exception(shown)}


def _load_wsgi(settings: Any) -> Any:
    from django.core.wsgi import get_wsgi_application
    from django.utils.module_loading import import_string

    path = settings.WSGI_APPLICATION
    return import_string(path) if path else get_wsgi_application()


def _load_asgi(settings: Any) -> Any:
    from django.core.asgi import get_asgi_application
    from django.utils.module_loading import import_string

    path = getattr(settings, "ASGI_APPLICATION", None)
    if not path:
        return get_asgi_application()
    try:
        application = import_string(path)
        if not callable(application):
            raise TypeError(f"it is a {type(application).__name__}, which cannot be called")  # noqa: TRY301
    except (Exception, SystemExit) as error:
        raise ASGIApplicationError(path) from error
    return application
