"""What the front has to know of the project's default storage, so that it can serve the files itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from static_host_django.findings import format_exception_line


def describe_default_storage(settings_module: str) -> dict[str, Any]:
    """Return its class, its directory and URL if it is local, and the files that must not lie in that directory.

    A storage that cannot be used is no error here. With an empty MEDIA_ROOT, Django's default, the directory is the
    working directory: an empty text says so.
    """
    from django.conf import settings
    from django.core.files.storage import FileSystemStorage, storages

    facts: dict[str, Any] = {"class_path": "", "is_local": False, "location": "", "url": "", "obstacle": ""}
    facts["private_files"] = dict(_find_private_files(settings_module, settings))
    try:
        storage: Any = storages["default"]
        facts["class_path"] = f"{type(storage).__module__}.{type(storage).__qualname__}"
        if isinstance(storage, FileSystemStorage):
            facts["is_local"] = True
            facts["location"] = str(storage.location) if str(storage.base_location) else ""
            facts["url"] = str(storage.base_url or "")
    except (Exception, SystemExit) as error:
        facts["obstacle"] = format_exception_line(error)
    return facts


def _find_private_files(settings_module: str, settings: Any) -> Iterator[tuple[str, str]]:
    """Yield what each file is, and its path: the settings module, SQLite's databases."""
    file = getattr(sys.modules.get(settings_module), "__file__", None)
    if file:
        yield "the settings module", os.path.abspath(file)  # noqa: PTH100 - without a look at links
    for alias, database in settings.DATABASES.items():
        name = str(database.get("NAME") or "")
        if "lite" in str(database.get("ENGINE")) and name and not name.startswith((":", "file:")):
            yield f"the database {alias!r}", os.path.abspath(name)  # noqa: PTH100
