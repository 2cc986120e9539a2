"""Django's system checks: for `dev` as ``manage.py runserver`` runs them, for `check` each by itself.

Rule: a check that raises an exception is told of and takes no other with it; and no check asks a database.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

from static_host.errors import StaticHostError
from static_host.findings import Finding, Level, format_exception_line
from static_host.project.overrides import format_overrides
from static_host.telemetry import log_configuration

log = logging.getLogger("static_host")

COVERED_CHECK_IDS = frozenset({"security.W018", "security.W020", "staticfiles.E002"})
"""Django's checks of DEBUG, ALLOWED_HOSTS and STATIC_ROOT, which have a finding of ours in their place."""


class SystemChecksFailedError(StaticHostError):
    """The system checks find errors; the message is Django's own."""

    exit_code = 1


def run_system_checks(name: str) -> None:
    """Run the checks of the project `name` as ``runserver`` does. Prints what is no error.

    Raises SystemChecksFailedError.
    """
    from django.conf import settings
    from django.core.management.base import BaseCommand, SystemCheckError

    silenced = settings.SILENCED_SYSTEM_CHECKS
    settings.SILENCED_SYSTEM_CHECKS = [*silenced, "staticfiles.E002"]  # nothing lies in the static root here
    try:
        with _printed() as output:
            BaseCommand(stderr=output).check()
    except SystemCheckError as errors:
        raise SystemChecksFailedError(f"Django's system checks find errors in {name}:\n{errors}") from None
    except (Exception, SystemExit):
        what = "one of Django's system checks raised an exception, and the others were not run:"
        log.exception("%s", "\n".join([what, *format_overrides()]))
    finally:
        settings.SILENCED_SYSTEM_CHECKS = silenced


def print_unapplied_migrations() -> None:
    """Print what ``runserver`` prints of migrations that are not applied; for a thread of its own."""
    from django.core.management.base import BaseCommand
    from django.db import connections

    try:
        with _printed() as output:
            BaseCommand(stdout=output).check_migrations()
    except (Exception, SystemExit) as error:
        log.warning("whether all migrations are applied could not be found out: %s", format_exception_line(error))
    finally:
        connections.close_all()


@contextmanager
def _printed() -> Iterator[Any]:
    """Give the stream on which Django prints what it finds: standard error, or a record where they are JSON."""
    if not log_configuration.is_json():
        yield sys.stderr
        return
    output = StringIO()
    yield output
    if output.getvalue().strip():
        log.warning("%s", output.getvalue())


def run_deployment_checks() -> Iterator[Finding]:
    """Run the checks, those for deployment too, each by itself, but none that is tagged for databases."""
    from django.core.checks import Tags
    from django.core.checks.registry import registry

    for check in registry.get_checks(include_deployment_checks=True):
        if Tags.database not in check.tags:
            yield from _run_check(check)


def _run_check(check: Callable[..., Any]) -> list[Finding]:
    from django.db import Error

    name = f"{check.__module__}.{getattr(check, '__qualname__', check)}"
    try:
        messages = check(app_configs=None, databases=[])
        told = [message for message in messages if not message.is_silenced() and message.id not in COVERED_CHECK_IDS]
        return [_convert_message(message) for message in told]
    except Error as error:
        remedy = "Register it with Tags.database, and it is left out here."
        return [
            Finding("warning", "django", f"the check {name} asks a database: {format_exception_line(error)}", remedy)
        ]
    except (Exception, SystemExit) as error:
        stop = SystemChecksFailedError(f"the check {name} raised an exception:", notes=format_overrides())
        stop.__cause__ = error
        log_configuration.log_error(stop)
        remedy = "Correct it: standard error has the whole traceback."
        return [Finding("error", "django", f"the check {name} raised {format_exception_line(error)}", remedy)]


def _convert_message(message: Any) -> Finding:
    from django.core.checks import ERROR, WARNING

    level: Level = "error" if message.level >= ERROR else "warning" if message.level >= WARNING else "info"
    check = f"django.{message.id}" if message.id else "django"
    where = f"{getattr(getattr(message.obj, '_meta', None), 'label', message.obj)}: " if message.obj else ""
    remedy = str(message.hint or "")  # a text may well be a lazy one
    if not remedy and message.id and level != "error":
        remedy = f"Do what it says, or name {message.id} in SILENCED_SYSTEM_CHECKS."
    return Finding(level, check, f"{where}{message.msg}", remedy)
