"""Django's system checks, each by itself.

Rule: a check that raises an exception is one finding, and the others run all the same. No check may use a database.
Our own are left out: their findings are those of `static-host check`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from static_host_django.checks import registered_checks
from static_host_django.findings import Finding, Level, Report, format_exception_line

COVERED_CHECK_IDS = frozenset({"security.W018", "security.W020", "staticfiles.E002"})
"""Django's checks of DEBUG, ALLOWED_HOSTS and STATIC_ROOT, for which `project_settings` has findings of its own."""


def run_deployment_checks(report: Report) -> list[Finding]:
    """Run all checks, also those for deployment, except those that are tagged for databases."""
    found = sorted(_run_checks(report), key=lambda finding: (finding.check, finding.found))
    if any(finding.level == "error" for finding in found):
        return found
    return [*found, Finding("ok", "django", "Django's system checks find no error")]


def _run_checks(report: Report) -> Iterator[Finding]:
    from django.core.checks import Tags
    from django.core.checks.registry import registry

    for check in registry.get_checks(include_deployment_checks=True):
        if Tags.database not in check.tags and check.__module__ != registered_checks.__name__:
            yield from _run_check(check, report)


def _run_check(check: Callable[..., Any], report: Report) -> list[Finding]:
    from django.db import Error

    name = f"{check.__module__}.{getattr(check, '__qualname__', check)}"
    try:
        messages = check(app_configs=None, databases=[])
        shown = [message for message in messages if not message.is_silenced() and message.id not in COVERED_CHECK_IDS]
        return [_convert_message(message) for message in shown]
    except Error as error:
        remedy = "Register it with Tags.database; `check` then leaves it out."
        return [
            Finding("warning", "django", f"the check {name} uses a database: {format_exception_line(error)}", remedy)
        ]
    except (Exception, SystemExit) as error:
        report(f"the check {name} raised an exception:", error)
        remedy = "Correct it: standard error has the whole traceback."
        return [Finding("error", "django", f"the check {name} raised {format_exception_line(error)}", remedy)]


def _convert_message(message: Any) -> Finding:
    from django.core.checks import ERROR, WARNING

    level: Level = "error" if message.level >= ERROR else "warning" if message.level >= WARNING else "info"
    check = f"django.{message.id}" if message.id else "django"
    where = f"{getattr(getattr(message.obj, '_meta', None), 'label', message.obj)}: " if message.obj else ""
    remedy = str(message.hint or "")  # it may be a lazy text
    if not remedy and message.id and level != "error":
        remedy = f"Do what it says, or name {message.id} in SILENCED_SYSTEM_CHECKS."
    return Finding(level, check, f"{where}{message.msg}", remedy)
