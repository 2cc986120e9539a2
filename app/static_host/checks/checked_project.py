"""The project in one process of its interpreter, which checks it and serves nothing.

Rule: the process's messages come in one order (`static_host_django.checks.process`). Each exception that it sends is
printed when it arrives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from static_host.conf.django import BUNDLED_SETTINGS_MODULE
from static_host.conf.settings import Settings
from static_host.findings import Finding
from static_host.served_tree import ServedTree
from static_host.telemetry.log_configuration import log_error
from static_host.workers.interpreter import find_interpreter
from static_host.workers.load_errors import WorkerProjectError
from static_host.workers.remote_project import RemoteProject
from static_host.workers.worker_process import Message, WorkerProcess
from static_host_django.checks.request import CheckRequest
from static_host_django.whitenoise_settings import CODING_SETTINGS

_END_SECONDS = 5.0
"""Time that the process has to end once all is said: threads of the project may hold it up."""


class CheckedProject(RemoteProject):
    """A project whose settings module is imported in the process."""

    def __init__(self, settings: Settings, process: WorkerProcess) -> None:
        super().__init__(settings, process.expect("settings"))
        self._process = process

    @property
    def is_bundled(self) -> bool:
        """Whether this is the bundled site."""
        return self.name == BUNDLED_SETTINGS_MODULE

    def request_checks(self, served: ServedTree | None) -> None:
        """Let the process begin. Without a tree, it loads the project with Django's own storage."""
        settings = self.settings
        prefix = served.prefix if served else self.prefix
        request = CheckRequest(
            static_url=self.host + prefix,
            root=str(served.tree.root if served else self.static_root.resolve()),
            has_tree=served is not None,
            prefix=prefix,
            prefixes=list(self.expand_prefix(prefix)),
            paths=[settings.health_path, settings.ready_path],
            static_host=self.host,
            static_root=str(self.static_root),
            host=settings.host,
            trusted_proxies=list(settings.trusted_proxies),
            proxy_hops=settings.proxy_hops,
            is_bundled=self.is_bundled,
            overriding={name: each for name, (each, is_set) in _list_overriding(settings).items() if is_set},
            is_tls=settings.tls_certificate is not None,
        )
        self._process.send(type="check", request=asdict(request))

    def read_findings(self) -> Iterator[Finding]:
        """Yield the next findings of the process. Raises StaticHostError."""
        for values in self.receive("findings")["findings"]:
            yield Finding(*values)

    def wait_until_loaded(self) -> list[str]:
        """Wait until the project is loaded; return a line for each setting that differed. Raises StaticHostError."""
        self.loaded = self.receive("loaded")
        changes: list[str] = self.loaded["changes"]
        return changes

    def receive(self, wanted: str) -> Message:
        """Return the next message of this type; print the exceptions before it. Raises StaticHostError."""
        while True:
            message = self._process.expect(wanted, "exception", activity="checked")
            if message["type"] == wanted:
                return message
            log_error(WorkerProjectError(message["what"], message))


def _list_overriding(settings: Settings) -> dict[str, tuple[str, bool]]:
    """Return the variables that win over settings of WhiteNoise, and whether they are set."""
    codings = ("DJANGO_STATIC_CODINGS", "static_codings" in settings.model_fields_set)
    return {
        **dict.fromkeys(CODING_SETTINGS, codings),
        "IMMUTABLE_FILE_TEST": ("DJANGO_STATIC_IMMUTABLE_PATTERN", bool(settings.static_immutable_pattern)),
        "INDEX_FILE": ("DJANGO_STATIC_DIRECTORY_INDEX", bool(settings.static_directory_index)),
        "MAX_AGE": ("DJANGO_STATIC_MAX_AGE", settings.static_max_age is not None),
        "STATIC_PREFIX": ("DJANGO_STATIC_PREFIX", bool(settings.static_prefix)),
    }


@contextmanager
def start_checks(settings: Settings) -> Iterator[CheckedProject]:
    """Start the process, and end it afterwards. Raises StaticHostError."""
    process = WorkerProcess.spawn(settings, find_interpreter(settings), "checks.process")
    try:
        yield CheckedProject(settings, process)
    finally:
        if not process.wait(_END_SECONDS):
            process.kill()
            process.describe_end()
        process.close()
