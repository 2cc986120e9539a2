"""Which migrations a database lacks."""

from __future__ import annotations

from typing import Any

DUMMY_ENGINE = "django.db.backends.dummy"
"""The engine of a project that has no database."""


def find_unapplied_migrations(connection: Any) -> tuple[list[str], bool]:
    """Return the names of unapplied migrations, with their apps, and whether the database is one for migrations.

    A router may exclude an app. A database other than the default one that has no migrations at all may need none.
    Closes the connection. Raises what Django raises.
    """
    from django.db import DEFAULT_DB_ALIAS, router
    from django.db.migrations.executor import MigrationExecutor

    alias = connection.alias
    try:
        executor = MigrationExecutor(connection)
        plan = [migration for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
        names = [f"{each.app_label}.{each.name}" for each in plan if router.allow_migrate(alias, each.app_label)]
        return names, bool(executor.loader.applied_migrations) or alias == DEFAULT_DB_ALIAS
    finally:
        connection.close()
