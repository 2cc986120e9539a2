"""Migrations that are not applied, in each of the project's databases that answers.

Rule: nothing is written, also no file of SQLite's. All databases are asked at once, each in a thread of its own, and
none is waited for longer than `SECONDS`: one that does not answer is no error.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

from static_host.findings import Finding, listed, named
from static_host.project.project import Project, ProjectBroken
from static_host.telemetry.log_configuration import tell

SECONDS = 3.0
_DEFAULT = "default"
_DUMMY = "django.db.backends.dummy"


def migrations(project: Project) -> Iterator[Finding]:
    """Find migrations that are not applied. A project without migrations, or without a database, has no finding."""
    from django.db import connections
    from django.db.migrations.loader import MigrationLoader

    try:
        if not MigrationLoader(None).disk_migrations:
            return
    except (Exception, SystemExit) as error:
        stop = ProjectBroken("the migrations cannot be loaded:")
        stop.__cause__ = error
        tell(stop)
        found = f"the project's migrations cannot be loaded: {named(error)}"
        yield Finding("warning", "migrations", found, "Correct them: standard error has the whole traceback.")
        return
    names = [alias for alias in connections if connections.settings[alias]["ENGINE"] != _DUMMY]
    yield from _answers(project, names)


def _answers(project: Project, names: list[str]) -> Iterator[Finding]:
    """Ask all databases, and give a finding for each that has one to give."""
    found: dict[str, Finding | None] = {}
    threads = [Thread(target=_ask, args=(project, alias, found), daemon=True) for alias in names]
    for thread in threads:
        thread.start()
    end = time.monotonic() + SECONDS
    for alias, thread in zip(names, threads, strict=True):
        thread.join(max(0.0, end - time.monotonic()))
        silent = f"the database {alias!r} did not answer within {SECONDS:g} s: its migrations are not known"
        answer = found.get(alias, Finding("info", "migrations", silent))
        if answer:
            yield answer


def _ask(project: Project, alias: str, found: dict[str, Finding | None]) -> None:
    """Note what a database says; None for one that is in memory, and so always new."""
    from django.db import connections

    try:
        found[alias] = _finding(project, alias)
    except (Exception, SystemExit) as error:
        reason = named(error)
        password = str(connections.settings[alias].get("PASSWORD") or "")
        if password:
            reason = reason.replace(password, "…")
        text = f"the database {alias!r} could not be asked for its migrations: {reason}"
        found[alias] = Finding("info", "migrations", text)


def _finding(project: Project, alias: str) -> Finding | None:
    from django.db.migrations.executor import MigrationExecutor

    connection = _connection(alias)
    if connection is None:
        return None
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        is_migrated = bool(executor.loader.applied_migrations) or alias == _DEFAULT
    finally:
        connection.close()
    return _of_plan(project, alias, [migration for migration, _ in plan], is_migrated=is_migrated)


def _of_plan(project: Project, alias: str, plan: list[Any], *, is_migrated: bool) -> Finding:
    from django.db import router

    names = [f"{each.app_label}.{each.name}" for each in plan if router.allow_migrate(alias, each.app_label)]
    if not names:
        return Finding("ok", "migrations", f"all migrations are applied in the database {alias!r}")
    if not is_migrated:
        return Finding("info", "migrations", f"the database {alias!r} has no migrations applied, and may need none")
    count = "1 migration is" if len(names) == 1 else f"{len(names)} migrations are"
    command = f"django-admin migrate --settings {project.name}" if project.is_bundled else "manage.py migrate"
    option = "" if alias == _DEFAULT else f" --database {alias}"
    found = f"{count} not applied in the database {alias!r}: {listed(names)}"
    return Finding("warning", "migrations", found, f"Run `{command}{option}`.")


def _connection(alias: str) -> Any:
    """Return a connection of this thread's own that writes nothing; None for a database in memory."""
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
        facts["NAME"] = facts["NAME"] and _read_only(str(facts["NAME"]))
    connections[alias] = connection
    return connection


def _read_only(name: str) -> str:
    """Return the name of a SQLite database as one that is not written to, and not made if it is not there.

    Beside a database with a write-ahead log, even a reader makes files, which another user may then not write to.
    """
    if name.startswith("file:"):
        return name if "mode=" in name else f"{name}{'&' if '?' in name else '?'}mode=ro"
    path = Path(name).absolute()
    is_at_rest = _has_log(path) and not path.with_name(f"{path.name}-wal").exists()
    return f"{path.as_uri()}?mode=ro{'&immutable=1' if is_at_rest else ''}"


def _has_log(path: Path) -> bool:
    """Whether a SQLite database has a write-ahead log: the two bytes of its header that say so are 2."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(20)[18:] == b"\2\2"
    return False
