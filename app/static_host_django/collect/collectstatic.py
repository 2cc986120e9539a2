"""Runs the project's own ``collectstatic``.

Rule: the finders are the project's. The storage is `BuildStorage`, unless the project has its own fingerprinting
storage.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.staticfiles.management.commands.collectstatic import Command
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages
from django.core.management import CommandError, call_command, get_commands, load_command_class

from static_host_django.collect.build_storage import BuildStorage
from static_host_django.collect.circular_symlinks import skip_circular_links
from static_host_django.collect.errors import CollectionError
from static_host_django.collect.found_files import DJANGO_APP

_REMOTE_COMPARISONS = ("collectfast_enabled", "collectfasta_enabled")
"""Attributes by which the commands of these packages ask a bucket which files it has: a build's tree is new."""


class _IndexedList(list[str]):
    """A list with fast membership tests: Django's command makes one for every file that it copies."""

    def __init__(self) -> None:
        super().__init__()
        self._known: set[str] = set()

    def append(self, name: str) -> None:
        super().append(name)
        self._known.add(name)

    def __contains__(self, name: object) -> bool:
        return name in self._known


def is_default_collection() -> bool:
    """Whether the project has Django's own collectstatic, and no storage of its own."""
    return get_commands().get("collectstatic") == DJANGO_APP and type(storages["staticfiles"]) is BuildStorage


def list_ignore_patterns() -> list[str] | None:
    """Return the patterns of names that collectstatic ignores; None without Django's app."""
    if not apps.is_installed(DJANGO_APP):
        return None
    return list(getattr(apps.get_app_config("staticfiles"), "ignore_patterns", ()))


def collect(ignored: list[str]) -> dict[str, Any]:
    """Collect the project's files into STATIC_ROOT, except those that match a pattern of `ignored`.

    Returns the name of Django's manifest, the fingerprinted names, and the manifest of the project's own storage, if it
    has one. Raises CollectionError; does not catch exceptions of the project's own code.
    """
    try:
        with skip_circular_links():
            _run_command(ignored)
    except (CommandError, ImproperlyConfigured) as error:
        raise CollectionError(f"collectstatic: {error}") from None
    except UnicodeDecodeError as error:
        raise CollectionError(f"collectstatic: a stylesheet or script is not UTF-8: {error}") from None
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        raise CollectionError(f"collectstatic: {error.strerror or error}{where}.", errno=error.errno) from None
    except ValueError as error:
        if "could not be found with" not in str(error):
            raise
        # Django's own manifest storages, up to 6.0, raise this for a reference that does not resolve
        raise CollectionError(f"collectstatic: {error}") from None
    storage: Any = storages["staticfiles"]
    own = None if isinstance(storage, BuildStorage) else storage.read_manifest()
    return {"manifest_name": str(storage.manifest_name), "names": dict(storage.hashed_files), "own_manifest": own}


def _run_command(ignore_patterns: list[str]) -> None:
    provider = get_commands().get("collectstatic")
    if provider is None:
        raise CollectionError("the project has no collectstatic: add 'django.contrib.staticfiles' to INSTALLED_APPS.")
    command = load_command_class(provider, "collectstatic") if isinstance(provider, str) else provider
    if isinstance(command, Command):
        command.copied_files = _IndexedList()
        for name in _REMOTE_COMPARISONS:
            if hasattr(command, name):
                setattr(command, name, False)
    call_command(command, interactive=False, verbosity=0, skip_checks=True, ignore_patterns=ignore_patterns)
