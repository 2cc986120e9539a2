"""A project as the front knows it, without an import of it: from what a process of its interpreter says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from static_host.conf.settings import Settings
from static_host.conf.static_files import DEFAULT_MAX_AGE_SECONDS
from static_host.project.errors import refuse_unknown_databases
from static_host.project.static_url import parse_static_url
from static_host.workers.worker_process import Message
from static_host_django.script_name import expand_prefix
from static_host_django.static_url import DEFAULT_ROOT, choose_static_host


class RemoteProject:
    """A project whose settings module is imported in another process.

    `static_url` is the project's own. `static_root`, `prefix` and `host` are in effect: the environment's values if
    they are set, otherwise the project's. `settings` are those of static-host. `loaded` is what the process said once
    the whole project was loaded. `max_age` is how long, in seconds, a file without a fingerprint is reused; None for no
    Cache-Control. `whitenoise` are those settings of WhiteNoise that count at run time, `security` is what Django's
    SecurityMiddleware does to a response.
    """

    def __init__(self, settings: Settings, facts: Message) -> None:
        self.settings = settings
        self.name = settings.settings_module
        self.static_url: str | None = facts["static_url"]
        host, prefix = parse_static_url(self.static_url)
        self.host = choose_static_host(settings.static_host, host)
        self.prefix = settings.static_prefix or prefix
        self.static_root = settings.static_root or Path(facts["static_root"] or DEFAULT_ROOT)
        self.is_asgi = bool(facts["is_asgi"])
        self.loaded: Message = {}
        self._facts = facts
        self.whitenoise: Message = facts.get("whitenoise", {})
        self.security: Message = facts.get("security", {})
        max_age = self.whitenoise.get("max_age", DEFAULT_MAX_AGE_SECONDS)
        own_max_age = None if max_age == "none" else int(max_age)
        self.max_age = own_max_age if settings.static_max_age is None else settings.static_max_age

    @property
    def summary(self) -> str:
        """The start-up line about the project."""
        manner = "through ASGI" if self.is_asgi else f"in {self.settings.threads} threads"
        versions = f"Python {self._facts['python']}, Django {self._facts['django']}"
        return f"Django project {self.name} {manner}, {versions}, {self._facts['executable']}"

    def expand_prefix(self, prefix: str) -> tuple[str, ...]:
        """Return the prefixes of static files: this one, and those that a proxy or a CDN leaves of it.

        These are the one without FORCE_SCRIPT_NAME, and WHITENOISE_STATIC_PREFIX.
        """
        prefixes = expand_prefix(prefix, self._facts["script_name"])
        other = None if self.settings.static_prefix else self.whitenoise.get("prefix")
        return tuple(dict.fromkeys([*prefixes, other])) if other else prefixes

    def refuse_missing_databases(self, aliases: Iterable[str]) -> None:
        """Raise ProjectNotFoundError if DATABASES lacks one of these names."""
        refuse_unknown_databases(self.name, self.loaded["databases"], aliases)

    def find_route(self, path: str) -> str | None:
        """Return the project's route for exactly this path, or None. A catch-all pattern does not count."""
        route: str | None = self.loaded["routes"].get(path)
        return route
