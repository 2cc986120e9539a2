"""What a worker answers about its project's databases: whether they respond, and which migrations are not applied.

Rule: each question is answered in a thread of its own, so a database that hangs delays nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from static_host_django.control_channel import Control
from static_host_django.unapplied_migrations import DUMMY_ENGINE, find_unapplied_migrations


def query_databases(aliases: Iterable[str]) -> str:
    """Query databases over this thread's own connections.

    Returns the name and the message of the first exception, with a NUL between them; else an empty string.
    """
    from django.db import connections

    for alias in aliases:
        connection = connections[alias]
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1" if connection.vendor != "oracle" else "SELECT 1 FROM DUAL")
        except Exception as error:
            return f"{type(error).__name__}\0{error}"
        finally:
            connection.close()
    return ""


def list_unapplied() -> list[str]:
    """Return the names of unapplied migrations, with their apps. Raises what Django raises.

    A database in memory is always new, and is left out.
    """
    from django.db import connections

    unapplied: list[str] = []
    for alias in connections:
        connection: Any = connections[alias]
        is_in_memory = connection.vendor == "sqlite" and connection.is_in_memory_db()
        if not is_in_memory and connection.settings_dict["ENGINE"] != DUMMY_ENGINE:
            names, is_for_migrations = find_unapplied_migrations(connection)
            unapplied += names if is_for_migrations else []
    return unapplied


def _answer_databases(control: Control, message: dict[str, Any]) -> None:
    control.send(type="databases", id=message["id"], obstacle=query_databases(message["aliases"]))


def _answer_migrations(control: Control, message: dict[str, Any]) -> None:
    names: list[str] = []
    error = ""
    try:
        names = list_unapplied()
    except (Exception, SystemExit) as raised:
        error = f"{type(raised).__name__}: {raised}"
    control.send(type="migrations", id=message["id"], names=names, error=error)


ANSWERS: dict[str, Callable[[Control, dict[str, Any]], None]] = {
    "databases": _answer_databases,
    "migrations": _answer_migrations,
}
"""By the type of the front's message."""
