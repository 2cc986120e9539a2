"""What the build recorded of scripts and stylesheets: their integrity, the imports of modules, the project's modules.

Rule: the integrity is that of a URL, the one that ``{% static %}`` gives. A URL without a fingerprint has none, so a
page cannot ask a browser for other bytes than it gets. Without a build (`static-host dev`, ``manage.py runserver``,
tests) there is no integrity, a module is known without its imports, and the finders know the project's modules.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.core.files.storage import storages
from django.templatetags.static import static

from static_host_django import finder_lookup
from static_host_django.static_names import find_tree_name
from static_host_django.storage import StaticHostStorage

log = logging.getLogger("static_host.storage")

_KEYS = ("integrity", "imports", "modules")
_URL_STARTS = ("/", "./", "../")


@dataclass(frozen=True)
class ScriptFacts:
    """The facts of a tree with the URL `base_url`; files are known by their names in the tree.

    `integrity` is the metadata of W3C SRI, `imports` the specifiers of static imports, `recorded_modules` the names of
    the project's own modules, None without a record. `importmaps` keeps what pages made of these facts; None if a
    storage of the project's own makes the URLs, which may then vary.
    """

    base_url: str = ""
    integrity: Mapping[str, str] = field(default_factory=dict)
    imports: Mapping[str, Sequence[str]] = field(default_factory=dict)
    recorded_modules: Sequence[str] | None = None
    importmaps: dict[tuple[str, ...], str] | None = None

    @cached_property
    def modules(self) -> Sequence[str]:
        """The names of the project's own modules, as in ``{% static %}``; without a record, the finders are asked."""
        return finder_lookup.list_own_scripts() if self.recorded_modules is None else self.recorded_modules

    def find_integrity(self, url: str) -> str:
        """Return the integrity metadata of what a URL gives; empty if it is unknown."""
        return self.integrity.get(self._find_name(url), "")

    def walk_imports(self, urls: Iterable[str]) -> Iterator[str]:
        """Yield the URLs, and those of all modules that they import statically, each once, the nearest first."""
        waiting = list(dict.fromkeys(urls))
        known = set(waiting)
        for url in waiting:  # grows meanwhile
            yield url
            for specifier in self.imports.get(self._find_name(url), ()):
                imported = urljoin(url, specifier) if specifier.startswith(_URL_STARTS) else static(specifier)
                if imported not in known:
                    known.add(imported)
                    waiting.append(imported)

    def _find_name(self, url: str) -> str:
        return find_tree_name(url, "", self.base_url) if self.base_url else ""


def read_facts() -> ScriptFacts:
    """Return the facts of the tree whose URLs ``{% static %}`` gives."""
    storage: Any = storages["staticfiles"] if finder_lookup.is_installed() else None
    storage = getattr(storage, "find_tree_storage", lambda: None)() or storage
    text = _read_manifest(storage)
    if text is None:
        return ScriptFacts()
    known: tuple[str, ScriptFacts] | None = getattr(storage, "script_facts", None)
    if known is None or known[0] is not text:
        known = storage.script_facts = text, _parse(text, storage)
    return known[1]


def _read_manifest(storage: Any) -> str | None:
    """Return the manifest that a storage takes its URLs from; None if it has none, or does not use it now."""
    if not hasattr(storage, "read_manifest"):
        return None
    if settings.DEBUG and not isinstance(storage, StaticHostStorage):  # then Django's storages do not use it
        return None
    storage.manifest_text = getattr(storage, "manifest_text", None) or storage.read_manifest()
    text: str | None = storage.manifest_text
    return text


def _parse(text: str, storage: Any) -> ScriptFacts:
    document = json.loads(text)
    if all(key in document for key in _KEYS):
        importmaps: dict[tuple[str, ...], str] | None = {} if isinstance(storage, StaticHostStorage) else None
        integrity, imports, modules = (document[key] for key in _KEYS)
        base_url = getattr(storage, "base_url", None) or settings.STATIC_URL
        return ScriptFacts(base_url, integrity, imports, modules, importmaps)
    log.warning(
        "the manifest of the static files has no integrity and no imports of modules: "
        "a build of this version of static-host makes one that has"
    )
    return ScriptFacts()
