"""The Django project: finds its settings module, overrides settings, imports its application.

Rule: `DJANGO_SETTINGS_MODULE` and the working directory are all that is needed. Only `Project.apply_overlay` overrides
settings: `STATIC_URL`, `STATIC_ROOT`, `STORAGES["staticfiles"]`, those of django-compressor, and `MIDDLEWARE`, from
which it removes WhiteNoise. The working directory stays the same, and the only environment variable that is set is
`DJANGO_SETTINGS_MODULE`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from static_host.conf.settings import Settings
from static_host.conf.validators import parse_static_host, validate_url_prefix
from static_host.project import compressor, overlay
from static_host.project.application import load_asgi_application, load_wsgi_application
from static_host.project.errors import ProjectNotFoundError, wrap_project_errors
from static_host.project.overrides import track_overrides
from static_host.project.script_name import expand_prefix, prepend_script_name
from static_host.telemetry import log_configuration

BUNDLED_SETTINGS_MODULE = "static_host_site.settings"
DEFAULT_PREFIX = "/static/"
DEFAULT_ROOT = Path("staticfiles")
STATIC_HOST_STORAGE = "static_host.project.storage.StaticHostStorage"

WHITENOISE_MIDDLEWARE = "whitenoise.middleware.WhiteNoiseMiddleware"
UNSET_SETTINGS_MODULE_MESSAGE = (
    "there is a manage.py here, but DJANGO_SETTINGS_MODULE is not set: this is the bundled site"
)
DJANGO_STORAGE = "django.contrib.staticfiles.storage.StaticFilesStorage"

_REPLACED_STORAGES = (
    DJANGO_STORAGE,
    "django.contrib.staticfiles.storage.ManifestStaticFilesStorage",
    "whitenoise.storage.CompressedStaticFilesStorage",
    "whitenoise.storage.CompressedManifestStaticFilesStorage",
    "static_host_build.storage.FingerprintStorage",
)


@dataclass(frozen=True, slots=True)
class Project:
    """A project whose settings module is loaded. Its applications and URLconf are not, before `load_application`.

    `static_url` and `project_static_root` are the project's own values. `static_root`, `prefix` and `host` are in
    effect: the environment's values if they are set, otherwise the project's. `settings` are those of static-host.
    """

    name: str
    static_root: Path
    prefix: str
    host: str
    static_url: str | None
    settings: Settings
    project_static_root: Path

    @classmethod
    def from_settings(cls, settings: Settings) -> Project:
        """Import the project's settings module. Raises ProjectNotFoundError, ProjectLoadError."""
        name = settings.settings_module
        os.environ["DJANGO_SETTINGS_MODULE"] = name
        if os.getcwd() not in sys.path and "" not in sys.path:  # noqa: PTH109 - sys.path holds text
            sys.path.insert(0, os.getcwd())  # noqa: PTH109
        with wrap_project_errors(name):
            from django.conf import settings as project

            url = getattr(project, "STATIC_URL", None)
            url = prepend_script_name(project._wrapped.STATIC_URL, project.FORCE_SCRIPT_NAME) if url else None
            root = Path(project.STATIC_ROOT or DEFAULT_ROOT)
        log_configuration.enable_loggers()
        host, prefix = _split_static_url(url)
        return cls(
            name=name,
            static_root=settings.static_root or root,
            prefix=settings.static_prefix or prefix,
            host=settings.static_host or host,
            static_url=url,
            settings=settings,
            project_static_root=root.absolute(),
        )

    @property
    def is_bundled(self) -> bool:
        """Whether this is the bundled site."""
        return self.name == BUNDLED_SETTINGS_MODULE

    @property
    def is_other_project_unnamed(self) -> bool:
        """Whether the working directory has another project, which DJANGO_SETTINGS_MODULE does not name."""
        return self.is_bundled and Path("manage.py").exists()

    @property
    def summary(self) -> str:
        """The start-up line about the project, once it is loaded."""
        manner = "through ASGI" if self.is_asgi else f"in {self.settings.threads} threads"
        return f"Django project {self.name} {manner}"

    @track_overrides
    def apply_overlay(self, static_url: str, root: Path, storage: str = STATIC_HOST_STORAGE) -> list[str]:
        """Override the settings that the static tree needs. Returns a line for each one that differed.

        `storage` replaces the project's staticfiles storage, unless that fingerprints in its own way. `DJANGO_STORAGE`,
        which needs no tree, replaces any storage.
        """
        from django.conf import settings

        own = settings.STORAGES.get("staticfiles", {})
        keeps = storage != DJANGO_STORAGE and _is_fingerprinting_storage(own.get("BACKEND"))
        chosen = (
            {**own, "OPTIONS": overlay.remove_location_options(own.get("OPTIONS", {}))}
            if keeps
            else {"BACKEND": storage}
        )
        changes = [
            ("STATIC_URL", self.static_url, static_url),
            ("STATIC_ROOT", settings.STATIC_ROOT and os.path.realpath(settings.STATIC_ROOT), str(root)),
            ("STORAGES['staticfiles']['BACKEND']", own.get("BACKEND"), chosen["BACKEND"]),
        ]
        compressor_lines = [] if storage == DJANGO_STORAGE else compressor.apply_overlay(settings, static_url, root)
        settings.STATIC_URL = static_url
        settings.STATIC_ROOT = overlay.keep_type(settings.STATIC_ROOT, root)
        settings.STORAGES = {**settings.STORAGES, "staticfiles": chosen}
        lines = [
            f"{name} = {after!r}"
            for name, before, after in changes
            if before not in (None, DJANGO_STORAGE) and str(before) != after
        ]
        return lines + compressor_lines + _remove_whitenoise(settings)

    def set_up_django(self) -> None:
        """Call ``django.setup()``. Raises ProjectNotFoundError, ProjectLoadError."""
        with wrap_project_errors(self.name):
            import django

            django.setup()
        log_configuration.enable_loggers()

    def load_application(self) -> ASGIApp:
        """Import the whole project, also its URLconf, and return it as an ASGI application.

        Raises ProjectLoadError now for what would otherwise fail at the first request.
        """
        self.set_up_django()
        with wrap_project_errors(self.name):
            from django.conf import settings
            from django.contrib.staticfiles.storage import staticfiles_storage
            from django.template import engines
            from django.urls import get_resolver

            application = (
                load_asgi_application(settings) if self.is_asgi else load_wsgi_application(settings, self.settings)
            )
            settings.SECRET_KEY  # noqa: B018 - raises when it is empty
            engines.all()
            bool(staticfiles_storage)  # reads the manifest now
            if settings.STORAGES["staticfiles"]["BACKEND"] != DJANGO_STORAGE:  # else `dev`, which needs no tree
                overlay.read_built_manifest(settings.STATIC_ROOT)
                compressor.use_built_blocks(settings, Path(settings.STATIC_ROOT))
            if getattr(settings, "ROOT_URLCONF", None):
                get_resolver().url_patterns  # noqa: B018 - imports the URLconf now, not at the first request
            log_configuration.log_view_exceptions(settings)
            log_configuration.enable_loggers()
        return application

    def find_route(self, path: str) -> str | None:
        """Return the project's route for exactly this path, or None. A catch-all pattern does not count."""
        from django.urls import Resolver404, resolve

        with wrap_project_errors(self.name):
            try:
                route = resolve(path).route
            except Resolver404:
                return None
        plain = route.replace("\\", "").strip("^$/?\\Z")
        return route if plain == path.strip("/") else None

    def expand_prefix(self, prefix: str) -> tuple[str, ...]:
        """Return the prefixes of static files: this one and, with FORCE_SCRIPT_NAME, the one that a proxy leaves."""
        from django.conf import settings

        return expand_prefix(prefix, settings.FORCE_SCRIPT_NAME)

    def refuse_missing_databases(self, aliases: Iterable[str]) -> None:
        """Raise ProjectNotFoundError if DATABASES lacks one of these names."""
        from django.conf import settings

        for alias in aliases:
            if alias not in settings.DATABASES:
                known = ", ".join(sorted(settings.DATABASES)) or "none"
                message = f"DJANGO_READY_DATABASE={alias!r}: {self.name} has no database of this name. It has: {known}."
                raise ProjectNotFoundError(message)

    @property
    def is_asgi(self) -> bool:
        """Whether Django is called through ASGI (DJANGO_INTERFACE)."""
        from django.conf import settings

        if self.settings.interface == "auto":
            return bool(getattr(settings, "ASGI_APPLICATION", None))
        return self.settings.interface == "asgi"


def _split_static_url(static_url: str | None) -> tuple[str, str]:
    """Return host and path prefix of a project's STATIC_URL. "/" and an empty one mean the default prefix."""
    parts = urlsplit(static_url or "")
    path = parts.path if parts.path.endswith("/") else f"{parts.path}/"
    scheme = f"{parts.scheme}:" if parts.scheme else ""
    host = f"{scheme}//{parts.netloc}" if parts.netloc else ""
    prefix = path if path != "/" else DEFAULT_PREFIX
    try:
        validate_url_prefix(prefix)
        parse_static_host(host)
    except ValueError as error:
        remedy = "Set DJANGO_STATIC_PREFIX or correct it."
        raise ProjectNotFoundError(f"STATIC_URL={static_url!r}: {error}.", remedy=remedy) from None
    return host, prefix


def _remove_whitenoise(settings: Any) -> list[str]:
    """Remove WhiteNoise from MIDDLEWARE: it would walk the tree at every start, but static requests bypass Django.

    With WHITENOISE_ROOT it stays, because it serves the files there.
    """
    middleware = list(settings.MIDDLEWARE)
    if WHITENOISE_MIDDLEWARE not in middleware or getattr(settings, "WHITENOISE_ROOT", None):
        return []
    settings.MIDDLEWARE = [name for name in middleware if name != WHITENOISE_MIDDLEWARE]
    return [f"MIDDLEWARE without {WHITENOISE_MIDDLEWARE}"]


def _is_fingerprinting_storage(backend: str | None) -> bool:
    """Whether the project's staticfiles storage is kept: it fingerprints files in a directory, in its own way."""
    from django.contrib.staticfiles.storage import ManifestFilesMixin, StaticFilesStorage
    from django.utils.module_loading import import_string

    if not backend or backend in _REPLACED_STORAGES:
        return False
    storage = import_string(backend)
    return (
        isinstance(storage, type)
        and issubclass(storage, ManifestFilesMixin)
        and issubclass(storage, StaticFilesStorage)
    )
