"""Finds unapplied migrations in each of the project's databases that answers.

Rule: nothing is written, not even a file of SQLite. All databases are queried at the same time, each in its own thread,
for at most `MIGRATION_TIMEOUT_SECONDS`. A database that does not answer is not an error.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from static_host.findings import Finding, format_exception_line, format_names
from static_host.project.errors import ProjectLoadError
from static_host.project.project import Project
from static_host.telemetry.log_configuration import log_error

MIGRATION_TIMEOUT_SECONDS = 3.0
_DEFAULT_ALIAS = "default"
_DUMMY_ENGINE = "django.db.backends.dummy"


def check_migrations(project: Project) -> Iterator[Finding]:
    """Find unapplied migrations. A project without migrations, or without a database, has no finding."""
    from django.db import connections
    from django.db.migrations.loader import MigrationLoader

    try:
        if not MigrationLoader(None).disk_migrations:
            return
    except (Exception, SystemExit) as error:
        stop = ProjectLoadError("the migrations cannot be loaded:")
        stop.__cause__ = error
        log_error(stop)
        found = f"the project's migrations cannot be loaded: {format_exception_line(error)}"
        yield Finding("warning", "migrations", found, "Correct them: standard error has the whole traceback.")
        return
    names = [alias for alias in connections if connections.settings[alias]["ENGINE"] != _DUMMY_ENGINE]
    yield from _check_databases(project, names)


def _check_databases(project: Project, names: list[str]) -> Iterator[Finding]:
    """Query all databases, and yield a finding for each one that is not in memory."""
    found: dict[str, Finding | None] = {}
    threads = [Thread(target=_record_finding, args=(project, alias, found), daemon=True) for alias in names]
    for thread in threads:
        thread.start()
    end = time.monotonic() + MIGRATION_TIMEOUT_SECONDS
    for alias, thread in zip(names, threads, strict=True):
        thread.join(max(0.0, end - time.monotonic()))
        silent = (
            f"the database {alias!r} did not answer within "
            f"{MIGRATION_TIMEOUT_SECONDS:g} s: its migrations are not known"
        )
        answer = found.get(alias, Finding("info", "migrations", silent))
        if answer:
            yield answer


def _record_finding(project: Project, alias: str, found: dict[str, Finding | None]) -> None:
    """Store the finding of one database, or None if it is in memory, and so always new."""
    from django.db import connections

    try:
        found[alias] = _check_database(project, alias)
    except (Exception, SystemExit) as error:
        reason = format_exception_line(error)
        password = str(connections.settings[alias].get("PASSWORD") or "")
        if password:
            reason = reason.replace(password, "…")
        text = f"the database {alias!r} could not be asked for its migrations: {reason}"
        found[alias] = Finding("info", "migrations", text)


def _check_database(project: Project, alias: str) -> Finding | None:
    from django.db.migrations.executor import MigrationExecutor

    connection = _open_connection(alias)
    if connection is None:
        return None
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        is_migrated = bool(executor.loader.applied_migrations) or alias == _DEFAULT_ALIAS
    finally:
        connection.close()
    return _make_plan_finding(project, alias, [migration for migration, _ in plan], is_migrated=is_migrated)


def _make_plan_finding(project: Project, alias: str, plan: list[Any], *, is_migrated: bool) -> Finding:
    from django.db import router

    names = [f"{each.app_label}.{each.name}" for each in plan if router.allow_migrate(alias, each.app_label)]
    if not names:
        return Finding("ok", "migrations", f"all migrations are applied in the database {alias!r}")
    if not is_migrated:
        return Finding("info", "migrations", f"the database {alias!r} has no migrations applied, and may need none")
    count = "1 migration is" if len(names) == 1 else f"{len(names)} migrations are"
    command = f"django-admin migrate --settings {project.name}" if project.is_bundled else "manage.py migrate"
    option = "" if alias == _DEFAULT_ALIAS else f" --database {alias}"
    found = f"{count} not applied in the database {alias!r}: {format_names(names)}"
    return Finding("warning", "migrations", found, f"Run `{command}{option}`.")


def _open_connection(alias: str) -> Any:
    """Return a read-only connection for this thread, or None for a database in memory."""
    from django.db import connections
    from django.db.utils import load_backend

    facts: dict[str, Any] = dict(connections.settings[alias])
    options = facts["OPTIONS"] = {**facts["OPTIONS"]}
    options.pop("pool", None)  # it would outlive the thread
    connection = load_backend(facts["ENGINE"]).DatabaseWrapper(facts, alias)
    if connection.vendor == "sqlite":
        if connection.is_in_memory_db():
            return None
        options.pop("init_command", None)  # it may write
        facts["NAME"] = facts["NAME"] and _make_read_only_name(str(facts["NAME"]))
    connections[alias] = connection
    return connection


def _make_read_only_name(name: str) -> str:
    """Return the URI that opens a SQLite database read-only, without creating it.

    Beside a database with a write-ahead log, even a reader creates files, which another user may not be able to write.
    """
    if name.startswith("file:"):
        return name if "mode=" in name else f"{name}{'&' if '?' in name else '?'}mode=ro"
    path = Path(name).absolute()
    is_at_rest = _has_write_ahead_log(path) and not path.with_name(f"{path.name}-wal").exists()
    return f"{path.as_uri()}?mode=ro{'&immutable=1' if is_at_rest else ''}"


def _has_write_ahead_log(path: Path) -> bool:
    """Whether a SQLite database has a write-ahead log: bytes 18 and 19 of its header are then 2."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(20)[18:] == b"\2\2"
    return False
