"""What ``manage.py runserver`` checks at its start: Django's system checks, and unapplied migrations."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

from static_host.findings import format_exception_line
from static_host.project.errors import SystemChecksFailedError
from static_host.project.overrides import format_overrides
from static_host.telemetry import log_configuration

log = logging.getLogger("static_host")


def run_system_checks(name: str) -> None:
    """Run the system checks of the project `name`, and print the warnings.

    Raises SystemChecksFailedError, whose message is Django's own. A check that raises an exception is logged.
    """
    from django.conf import settings
    from django.core.management.base import BaseCommand, SystemCheckError

    silenced = settings.SILENCED_SYSTEM_CHECKS
    settings.SILENCED_SYSTEM_CHECKS = [*silenced, "staticfiles.E002"]  # `dev` has no static root
    try:
        with _open_output() as output:
            BaseCommand(stderr=output).check()
    except SystemCheckError as errors:
        raise SystemChecksFailedError(f"Django's system checks find errors in {name}:\n{errors}") from None
    except (Exception, SystemExit):
        what = "one of Django's system checks raised an exception, and the others were not run:"
        log.exception("%s", "\n".join([what, *format_overrides()]))
    finally:
        settings.SILENCED_SYSTEM_CHECKS = silenced


def print_unapplied_migrations() -> None:
    """Print which migrations are not applied. For a thread of its own: a database may take long to answer."""
    from django.core.management.base import BaseCommand
    from django.db import connections

    try:
        with _open_output() as output:
            BaseCommand(stdout=output).check_migrations()
    except (Exception, SystemExit) as error:
        log.warning("cannot find out whether all migrations are applied: %s", format_exception_line(error))
    finally:
        connections.close_all()


@contextmanager
def _open_output() -> Iterator[Any]:
    """Yield the stream for Django's output: standard error; with LOG_FORMAT=json, one that becomes a record."""
    if not log_configuration.is_json():
        yield sys.stderr
        return
    output = StringIO()
    yield output
    if output.getvalue().strip():
        log.warning("%s", output.getvalue())
