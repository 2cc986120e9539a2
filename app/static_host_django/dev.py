"""The worker of `static-host dev`: serves the project without a static tree, and tells what it consists of.

Rule: the front starts the next worker before it is needed. That imports modules of an installed Django which depend on
no setting, and nothing of the project, until the front tells it to load the project. If the project fails to load or
its system checks find errors, the whole error goes to the front. Templates are read again for each request, and the
front reads static files, so changes of either need no reload.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any

from static_host_django import finder_lookup, media, own_logging, project_loading, worker
from static_host_django.control_channel import Control
from static_host_django.findings import format_exception_line
from static_host_django.overlay import DJANGO_STORAGE, apply_overlay
from static_host_django.overrides import format_overrides
from static_host_django.reload import ReloadChannel, is_installed

log = logging.getLogger("static_host")


_DJANGO_MODULES = (
    *("core.checks", "core.handlers.asgi", "core.handlers.wsgi", "core.mail", "core.management.base", "core.wsgi"),
    *("contrib.staticfiles.finders", "contrib.staticfiles.storage", "db.migrations.executor", "db.models", "forms"),
    *("middleware.clickjacking", "middleware.common", "middleware.csrf", "middleware.security"),
    *("template.backends.django", "template.defaulttags", "template.loader_tags", "urls", "utils.autoreload"),
    *("views.debug", "views.generic"),
)
"""Not the databases' back ends: a project may replace what they import."""


class SystemChecksFailedError(Exception):
    """Django's system checks find errors; the message is Django's own."""


def main(arguments: str) -> None:
    """Run the worker. `arguments` is a JSON object, see `static_host.dev.project_process`."""
    options = json.loads(arguments)
    worker.leave_signals_to_front()
    is_json = options["log_format"] == "json"
    handler = own_logging.create_handler(is_json=is_json)
    own_logging.enable_loggers([handler])
    control, reloads = Control(options["control"]), ReloadChannel(options["reload"])
    if options["is_spare"]:
        _import_django()
    if control.receive() is None:
        return
    importlib.invalidate_caches()
    reloads.begin()
    try:
        loaded = _load(control, reloads, options, handler)
    except (Exception, SystemExit) as error:  # a settings module may call sys.exit
        reloads.report_static_files()
        reloads.report_failure(error)
        control.send(**_describe_failure(error, options["settings_module"]))
        raise SystemExit(1) from None
    if loaded is not None:
        application, is_asgi = loaded
        threading.Thread(target=_print_unapplied_migrations, args=(is_json,), daemon=True).start()
        worker.serve(application, control, options, is_asgi=is_asgi)


def _import_django() -> None:
    """Import what takes most of the time of every load; what is wrong with it, the load itself reports."""
    project_loading.add_working_directory()
    with suppress(Exception):
        import django

        if is_installed(django.__file__):  # else it may change
            for name in _DJANGO_MODULES:
                importlib.import_module(f"django.{name}")


def _load(control: Control, reloads: ReloadChannel, options: dict[str, Any], handler: logging.Handler) -> Any:
    """Load the project in step with the front; returns the application and whether it is ASGI, or None at the end."""
    facts = project_loading.load_settings(options["settings_module"], options["interface"])
    own_logging.enable_loggers([handler])
    control.send(type="settings", **facts)
    received = control.receive()
    if received is None:
        return None
    message, _ = received
    changes = apply_overlay(facts["static_url"], message["static_url"], Path(message["root"]), DJANGO_STORAGE)
    is_json = options["log_format"] == "json"
    application = project_loading.load_application(is_asgi=facts["is_asgi"])
    own_logging.enable_loggers([handler])  # LOGGING may have disabled them
    from django.conf import settings

    own_logging.log_view_exceptions(settings, is_json=is_json)
    _disable_template_caching()
    _run_system_checks(is_json)
    reloads.report_static_files()
    reloads.report_loaded()
    described: dict[str, Any] = {"debug": bool(settings.DEBUG), "has_static": finder_lookup.is_installed()}
    if options["serve_media"]:
        described["storage"] = media.describe_default_storage(options["settings_module"])
    control.send(type="loaded", changes=changes, **described)
    return application, facts["is_asgi"]


def _describe_failure(error: BaseException, settings_module: str) -> dict[str, Any]:
    if isinstance(error, SystemChecksFailedError):
        return {"type": "failed", "kind": "checks", "what": str(error), "traceback": "", "notes": []}
    return project_loading.describe_failure(error, settings_module)


def _disable_template_caching() -> None:
    """Clear template caches at each request: Django's loaders cache with DEBUG, Jinja's without it."""
    from django.contrib.staticfiles import finders
    from django.core.signals import request_started
    from django.template import engines
    from django.template.autoreload import reset_loaders

    list(finders.get_finders())  # raises now, not at the first request, if a setting is wrong
    request_started.connect(lambda **_: reset_loaders(), weak=False)
    for engine in engines.all():
        environment: Any = getattr(engine, "env", None)
        if hasattr(environment, "auto_reload"):
            environment.auto_reload = True


def _run_system_checks(is_json: bool) -> None:
    """Run the system checks as ``manage.py runserver`` does, and print the warnings.

    Raises SystemChecksFailedError. A check that raises an exception is logged.
    """
    from django.conf import settings
    from django.core.management.base import BaseCommand, SystemCheckError

    silenced = settings.SILENCED_SYSTEM_CHECKS
    settings.SILENCED_SYSTEM_CHECKS = [*silenced, "staticfiles.E002"]  # `dev` has no static root
    try:
        with _open_output(is_json) as output:
            BaseCommand(stderr=output).check()
    except SystemCheckError as errors:
        raise SystemChecksFailedError(str(errors)) from None
    except (Exception, SystemExit):
        what = "one of Django's system checks raised an exception, and the others were not run:"
        log.exception("%s", "\n".join([what, *format_overrides()]))
    finally:
        settings.SILENCED_SYSTEM_CHECKS = silenced


def _print_unapplied_migrations(is_json: bool) -> None:
    """Print which migrations are not applied. For a thread of its own: a database may take long to answer."""
    from django.core.management.base import BaseCommand
    from django.db import connections

    try:
        with _open_output(is_json) as output:
            BaseCommand(stdout=output).check_migrations()
    except (Exception, SystemExit) as error:
        log.warning("cannot find out whether all migrations are applied: %s", format_exception_line(error))
    finally:
        connections.close_all()


@contextmanager
def _open_output(is_json: bool) -> Iterator[Any]:
    """Yield the stream for Django's output: standard error; with LOG_FORMAT=json, one that becomes a record."""
    if not is_json:
        yield sys.stderr
        return
    output = StringIO()
    yield output
    if output.getvalue().strip():
        log.warning("%s", output.getvalue())
