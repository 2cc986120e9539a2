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

from static_host_django.findings import Finding, Report, format_exception_line, format_names
from static_host_django.unapplied_migrations import DUMMY_ENGINE, find_unapplied_migrations

MIGRATION_TIMEOUT_SECONDS = 3.0
_DEFAULT_ALIAS = "default"


def check_migrations(migrate: str, report: Report) -> Iterator[Finding]:
    """Find unapplied migrations. A project without migrations, or without a database, has no finding.

    `migrate` is the command that applies them.
    """
    from django.db import connections
    from django.db.migrations.loader import MigrationLoader

    try:
        if not MigrationLoader(None).disk_migrations:
            return
    except (Exception, SystemExit) as error:
        report("the migrations cannot be loaded:", error)
        found = f"the project's migrations cannot be loaded: {format_exception_line(error)}"
        yield Finding("warning", "migrations", found, "Correct them: standard error has the whole traceback.")
        return
    names = [alias for alias in connections if connections.settings[alias]["ENGINE"] != DUMMY_ENGINE]
    yield from _check_databases(migrate, names)


def _check_databases(migrate: str, names: list[str]) -> Iterator[Finding]:
    """Query all databases, and yield a finding for each one that is not in memory."""
    found: dict[str, Finding | None] = {}
    threads = [Thread(target=_record_finding, args=(migrate, alias, found), daemon=True) for alias in names]
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


def _record_finding(migrate: str, alias: str, found: dict[str, Finding | None]) -> None:
    """Store the finding of one database, or None if it is in memory, and so always new."""
    from django.db import connections

    try:
        found[alias] = _check_database(migrate, alias)
    except (Exception, SystemExit) as error:
        reason = format_exception_line(error)
        password = str(connections.settings[alias].get("PASSWORD") or "")
        if password:
            reason = reason.replace(password, "…")
        text = f"the database {alias!r} could not be asked for its migrations: {reason}"
        found[alias] = Finding("info", "migrations", text)


def _check_database(migrate: str, alias: str) -> Finding | None:
    connection = _open_connection(alias)
    if connection is None:
        return None
    names, is_for_migrations = find_unapplied_migrations(connection)
    if not names:
        return Finding("ok", "migrations", f"all migrations are applied in the database {alias!r}")
    if not is_for_migrations:
        return Finding("info", "migrations", f"the database {alias!r} has no migrations applied, and may need none")
    count = "1 migration is" if len(names) == 1 else f"{len(names)} migrations are"
    option = "" if alias == _DEFAULT_ALIAS else f" --database {alias}"
    found = f"{count} not applied in the database {alias!r}: {format_names(names)}"
    return Finding("warning", "migrations", found, f"Run `{migrate}{option}`.")


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
