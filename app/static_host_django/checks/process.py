"""The process that checks the project: it loads it as a worker does, and sends what it finds to the tool.

Rule: it serves nothing, and sends its messages in one order; `static_host.checks.checked_project` reads them in the
same. Exceptions are sent, too: the tool prints them.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import astuple
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from static_host_django import media, own_logging, project_loading
from static_host_django.checks import project_settings, whitenoise
from static_host_django.checks.csp import read_policies
from static_host_django.checks.migrations import check_migrations
from static_host_django.checks.request import CheckRequest
from static_host_django.checks.system_checks import run_deployment_checks
from static_host_django.control_channel import Control
from static_host_django.findings import Finding
from static_host_django.frames import FrameError
from static_host_django.overlay import DJANGO_STORAGE, STATIC_HOST_STORAGE, apply_overlay
from static_host_django.worker import FRONT_SIGNALS


def main(arguments: str) -> None:
    """Check the project. `arguments` is a JSON object, see `static_host.workers.worker_process`."""
    options = json.loads(arguments)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the tool says that the command was interrupted
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FRONT_SIGNALS)  # the tool started this process with them blocked
    own_logging.enable_loggers([logging.NullHandler()])  # the findings say the same
    control = Control(options["control"])
    with suppress(BrokenPipeError):  # the tool is gone
        try:
            _check(control, options["settings_module"], options["interface"])
        except (Exception, SystemExit) as error:  # a settings module may call sys.exit
            control.send(**project_loading.describe_failure(error, options["settings_module"]))


def _check(control: Control, settings_module: str, interface: str) -> None:
    """Load the project, and send all messages. Raises what the project raises."""
    messages: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=_receive, args=(control, messages), daemon=True).start()
    facts = project_loading.load_settings(settings_module, interface)
    control.send(type="settings", **facts)
    request = CheckRequest(**messages.get()["request"])
    from django.conf import settings

    _send_findings(control, _check_settings(request, settings))
    storage = STATIC_HOST_STORAGE if request.has_tree else DJANGO_STORAGE
    changes = apply_overlay(facts["static_url"], request.static_url, Path(request.root), storage)
    project_loading.load_application(is_asgi=facts["is_asgi"])
    storage_facts = media.describe_default_storage(settings_module)
    described = project_loading.describe_loaded(request.paths)
    control.send(type="loaded", changes=changes, storage=storage_facts, **described)
    _send_findings(control, whitenoise.check_static_servers(settings, is_asgi=facts["is_asgi"]))
    if request.has_tree:
        control.send(type="tree", **_read_tree_facts(request, settings))
        _send_findings(control, project_settings.check_compressor(settings, Path(request.root)))
    report = partial(_report, control)
    _send_findings(control, run_deployment_checks(report))
    command = f"django-admin migrate --settings {settings_module}" if request.is_bundled else "manage.py migrate"
    _send_findings(control, check_migrations(command, report))


def _receive(control: Control, messages: SimpleQueue[dict[str, Any]]) -> None:
    """Take the tool's messages; end this process when the tool is gone, whatever the project does."""
    with suppress(FrameError, OSError):
        while (received := control.receive()) is not None:
            messages.put(received[0])
    os._exit(1)


def _check_settings(request: CheckRequest, settings: Any) -> Iterator[Finding]:
    """Yield the findings of the project's own settings, before any is overridden."""
    yield project_settings.check_debug(request, settings)
    yield project_settings.check_allowed_hosts(request, settings)
    yield from project_settings.check_proxy(request, settings)
    yield from project_settings.check_static_root(request, settings)
    yield from project_settings.check_media_url(request, settings)
    yield from whitenoise.check_whitenoise(request, settings)
    yield from whitenoise.check_cache_middleware(settings)
    yield from whitenoise.check_gzip_middleware(settings)


def _read_tree_facts(request: CheckRequest, settings: Any) -> dict[str, Any]:
    """Return what the tool compares with the tree: policies, and the files that Django's manifest names."""
    from django.contrib.staticfiles.storage import staticfiles_storage

    read = getattr(staticfiles_storage, "load_manifest", None)  # again: the storage may have added names
    return {
        "policies": read_policies(settings) if request.static_host else [],
        "allowed_hosts": list(settings.ALLOWED_HOSTS),
        "manifest": list(read()[0].values()) if read else [],
    }


def _send_findings(control: Control, findings: Iterable[Finding]) -> None:
    control.send(type="findings", findings=[astuple(finding) for finding in findings])


def _report(control: Control, what: str, error: BaseException) -> None:
    """Send an exception that a finding names."""
    control.send(type="exception", what=what, **project_loading.describe_exception(error))
