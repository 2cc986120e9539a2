"""The overlay in any process of the project: URLs of static files are those of pages.

Rule: `STATIC_URL`, a `COMPRESS_URL` below it, and the URLs of the staticfiles storage change; all other settings and
the storage itself stay the project's own. Commands that make, find or serve static files, look for changes of models,
or test run without any of it. Without a tree, the URLs are the project's own, which the first one says. Our template
tags are there in any case.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from static_host_django import compressor
from static_host_django.script_name import prepend_script_name
from static_host_django.static_url import DEFAULT_ROOT, choose_static_host, split_static_url

MIN_DJANGO = (4, 2)
OWN_URL_COMMANDS = frozenset(
    {
        "check",
        "collectstatic",
        "compress",
        "findstatic",
        "makemigrations",
        "migrate",
        "optimizemigration",
        "runserver",
        "runserver_plus",
        "showmigrations",
        "sqlmigrate",
        "squashmigrations",
        "test",
        "testserver",
    }
)
"""Commands that run without the overlay."""


class ProcessOverlay:
    """The overlay of this process. `options` are those of `static_host.workers.program`."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._own: dict[str, Any] = {}
        self._overrides: dict[str, Any] = {}
        self._is_aside = False
        self._obstacle = ""
        self._is_obstacle_reported = False
        self._root = Path()
        self._storage: Any = None

    @property
    def is_active(self) -> bool:
        """Whether URLs are those of pages now."""
        return bool(self._overrides) and not self._is_aside

    def override(self, settings: Any) -> None:
        """Override the URLs in the project's settings, which were just loaded."""
        url = settings.STATIC_URL and prepend_script_name(settings.STATIC_URL, settings.FORCE_SCRIPT_NAME)
        host, _ = split_static_url(url)
        root = self._options["root"] or settings.STATIC_ROOT or DEFAULT_ROOT
        self._root = Path(self._options["directory"], root)
        try:
            built_prefix = read_prefix(self._root / self._options["index"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            is_missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
            self._obstacle = "there is no static tree at" if is_missing else "there is no usable static tree at"
            return
        static_url = choose_static_host(self._options["host"], host) + (self._options["prefix"] or built_prefix)
        self._overrides = {"STATIC_URL": static_url}
        below = compressor.find_path_below(getattr(settings, "COMPRESS_URL", None), url, settings.STATIC_URL)
        if below is not None:
            self._overrides["COMPRESS_URL"] = static_url + below
        self._own = {name: getattr(settings, name) for name in self._overrides}
        if not self._is_aside:
            for name, value in self._overrides.items():
                setattr(settings, name, value)

    @contextmanager
    def step_aside(self, command: str) -> Iterator[None]:
        """Restore the project's own URLs meanwhile, if the command is one of `OWN_URL_COMMANDS`."""
        if self._is_aside or command not in OWN_URL_COMMANDS:
            yield
            return
        self.set_aside(is_aside=True)
        try:
            yield
        finally:
            self.set_aside(is_aside=False)

    def set_aside(self, *, is_aside: bool) -> None:
        """Restore the project's own URLs, or override them again."""
        from django.conf import settings

        self._is_aside = is_aside
        if settings.configured:
            for name, value in (self._own if is_aside else self._overrides).items():
                setattr(settings, name, value)

    def build_url(self, own_url: Callable[..., str], name: str, *arguments: Any, **options: Any) -> str:
        """Return the URL of a static file, `own_url` being the method of the project's own storage."""
        if self.is_active:
            storage = self._open_storage()
            own_url = own_url if storage is None else storage.url
        if self._overrides or self._is_aside or not self._obstacle:
            return own_url(name, *arguments, **options)
        self._report_missing_tree()
        try:
            return own_url(name, *arguments, **options)
        except ValueError:  # a storage of the project's own that fingerprints, and has no manifest
            return _build_plain_url(name)

    def find_tree_storage(self) -> Any:
        """Return the storage that has the URLs of pages; None if they are those of the project's own storage."""
        return self._open_storage() if self.is_active else None

    def use_built_blocks(self) -> None:
        """Have django-compressor's blocks as the build rendered them."""
        from django.conf import settings

        if self.is_active:
            compressor.use_built_blocks(settings, self._root)

    def _open_storage(self) -> Any:
        """Return the storage that has the URLs of the tree; None if it cannot be opened, which is reported once."""
        if self._storage is None and not self._obstacle:
            from django.conf import settings

            from static_host_django.overlay import open_tree_storage

            try:
                self._storage = open_tree_storage(settings, self._overrides["STATIC_URL"], self._root)
            except Exception as error:
                self._obstacle = repr(error)
                report(error)
        return self._storage

    def _report_missing_tree(self) -> None:
        """Print, once, that there is no tree."""
        if self._is_obstacle_reported:
            return
        self._is_obstacle_reported = True
        remedy = "Build it with `static-host build`, or set DJANGO_STATIC_ROOT"
        print(
            f"static-host: {self._obstacle} {self._root}: URLs of static files stay the project's own. {remedy}.",
            file=sys.stderr,
        )


def read_prefix(index: Path) -> str:
    """Return the prefix that a tree was built for. Raises OSError, ValueError, LookupError, TypeError."""
    with index.open("rb") as file:
        return str(json.loads(file.readline())["prefix"])


def _build_plain_url(name: str) -> str:
    from django.conf import settings

    from static_host_django.static_names import build_static_url

    return build_static_url(settings.STATIC_URL, name)


def report(error: Exception) -> None:
    """Print that the overlay has failed; the process goes on."""
    print(f"static-host: URLs of static files stay the project's own: {error!r}", file=sys.stderr)


def patch(module: Any, options: str) -> None:
    """Patch a module of Django or django-compressor that was just executed. `options` is a JSON object."""
    global _overlay
    if _overlay is None:
        _overlay = ProcessOverlay(json.loads(options))
    import django

    if django.VERSION[:2] >= MIN_DJANGO and module.__name__ in _PATCHES:
        _PATCHES[module.__name__](module, _overlay)


_overlay: ProcessOverlay | None = None


def _patch_settings(module: Any, overlay: ProcessOverlay) -> None:
    load = module.Settings.__init__

    @wraps(load)
    def load_and_override(self: Any, settings_module: str) -> None:
        load(self, settings_module)
        if module.settings.configured:  # a command compares the settings with others
            return
        try:
            overlay.override(self)
        except Exception as error:
            report(error)

    module.Settings.__init__ = load_and_override


def _patch_command_line(module: Any, overlay: ProcessOverlay) -> None:
    """Step aside before a command's project is loaded: defaults of models may be URLs. `check` gets our checks, too."""
    execute = module.ManagementUtility.execute

    @wraps(execute)
    def execute_aside(self: Any) -> None:
        command = "".join(self.argv[1:2])
        if command == "check":
            from static_host_django.checks.registered_checks import register_checks

            register_checks()
        with overlay.step_aside(command):
            execute(self)

    module.ManagementUtility.execute = execute_aside


def _patch_commands(module: Any, overlay: ProcessOverlay) -> None:
    """Step aside for a command that another one calls."""
    execute = module.BaseCommand.execute

    @wraps(execute)
    def execute_aside(self: Any, *arguments: Any, **options: Any) -> Any:
        with overlay.step_aside(type(self).__module__.rpartition(".")[2]):
            return execute(self, *arguments, **options)

    module.BaseCommand.execute = execute_aside


def _patch_storages(module: Any, overlay: ProcessOverlay) -> None:
    get = module.StorageHandler.__getitem__

    @wraps(get)
    def get_with_url(self: Any, alias: str) -> Any:
        storage = get(self, alias)
        if alias == "staticfiles" and "url" not in getattr(storage, "__dict__", ("url",)):
            own_url = storage.url
            storage.url = lambda *arguments, **options: overlay.build_url(own_url, *arguments, **options)
            storage.find_tree_storage = overlay.find_tree_storage
        return storage

    module.StorageHandler.__getitem__ = get_with_url


def _patch_templates(module: Any, _overlay: ProcessOverlay) -> None:
    from static_host_django.overlay import add_tag_library

    add_tag_library(module)


def _patch_tests(module: Any, overlay: ProcessOverlay) -> None:
    """Step aside for good in a process that runs tests."""
    set_up = module.setup_test_environment

    @wraps(set_up)
    def set_up_aside(*arguments: Any, **options: Any) -> None:
        overlay.set_aside(is_aside=True)
        set_up(*arguments, **options)

    module.setup_test_environment = set_up_aside


def _patch_compressor(_module: Any, overlay: ProcessOverlay) -> None:
    overlay.use_built_blocks()


_PATCHES: dict[str, Callable[[Any, ProcessOverlay], None]] = {
    "compressor.templatetags.compress": _patch_compressor,
    "django.conf": _patch_settings,
    "django.core.files.storage.handler": _patch_storages,
    "django.core.management": _patch_command_line,
    "django.core.management.base": _patch_commands,
    "django.template.backends.django": _patch_templates,
    "django.test.utils": _patch_tests,
}
