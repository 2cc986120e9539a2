"""What the project's settings of WhiteNoise mean in development; `static_host_django.whitenoise_settings` reads them.

Rule: the front honours what needs no call of the project: WHITENOISE_ROOT, INDEX_FILE, MIMETYPES and CHARSET. Nothing
is cached in development, and the functions of the settings are called by builds alone. DJANGO_STATIC_MEDIA_TYPES counts
before MIMETYPES.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from static_host.dev.finder import is_normalized, read_facts
from static_host.origin.header_rules import FILE_NAME as HEADER_FILE_NAME

_SHOWN_FOLDER = ".well-known"


class DevWhiteNoise:
    """The settings, from the facts of the project, with the variable `media_types`."""

    def __init__(self, facts: Mapping[str, Any], media_types: Iterable[str] = ()) -> None:
        self._root: str = facts.get("root", "")
        self._index_file: str = facts.get("index_file", "")
        own = (pair.partition("=") for pair in media_types)
        self._media_types: dict[str, str] = facts.get("media_types", {}) | {name: value for name, _, value in own}
        self._charset: str = facts.get("charset", "utf-8")

    @property
    def header_file(self) -> str:
        """The path of a file `_headers` in WHITENOISE_ROOT, which counts if the static files have none."""
        return f"{self._root}/{HEADER_FILE_NAME}" if self._root else ""

    def make_media_type_function(self, guess: Any) -> Any:
        """Return the build's function for media types, with the project's own."""
        return partial(guess, own=self._media_types, charset=self._charset)

    def add_index_file(self, name: str) -> str:
        """Return the name of a folder's index file if the name is that of a folder, else the name."""
        return name + self._index_file if name == "" or name.endswith("/") else name

    def find_root_file(self, path: str) -> str:
        """Return the path of the file of WHITENOISE_ROOT that is served at a URL path, or ""."""
        name = self.add_index_file(path.removeprefix("/"))
        is_shown = all(part == _SHOWN_FOLDER or not part.startswith(".") for part in name.split("/"))
        if not self._root or not name or not is_shown or not is_normalized(name) or name.startswith("/"):
            return ""
        file = f"{self._root}/{name}"
        return file if read_facts(file) is not None else ""
