"""Subresource integrity, import maps and preloads of modules, for templates of any kind and for ``forms.Media``.

Rule: names are those of ``{% static %}``, and a missing one has the same consequence. The nonce of a
Content-Security-Policy is an attribute of every element. Module scripts are requested with CORS in any case, so they
need no ``crossorigin`` at another host.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

from django.templatetags.static import static
from django.utils.functional import lazy
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from static_host_django.script_facts import ScriptFacts, read_facts

_ESCAPES = {ord(char): f"\\u{ord(char):04X}" for char in "<>&"}
"""What could end the element, in JSON."""
_MAX_KEPT_IMPORTMAPS = 64
"""Import maps that are kept, because one of 250 modules takes 5 ms. Bounded, because templates may vary the names."""


def static_integrity(name: str) -> str:
    """Return the value of ``integrity`` for the URL that ``{% static name %}`` gives; empty without a build."""
    return read_facts().find_integrity(static(name))


static_integrity_lazy = lazy(static_integrity, str)
"""For what is evaluated at import, such as ``class Media``."""


def build_importmap(*names: str) -> dict[str, dict[str, str]]:
    """Return an import map; `names` are those of ``{% importmap %}``.

    Each is the name of a static file, a pattern for names of the project's own modules (``shop/*``), or
    ``specifier=file``. Without any, all modules of the project are in it. The integrity covers their static imports.
    """
    return _build_importmap(read_facts(), names)


def render_importmap(*names: str, nonce: object = None) -> SafeString:
    """Return the element with the import map. It belongs before the first module and the first preload of one."""
    facts = read_facts()
    text = facts.importmaps.get(names) if facts.importmaps else None
    if text is None:
        text = json.dumps(_build_importmap(facts, names), separators=(",", ":")).translate(_ESCAPES)
        if facts.importmaps is not None and len(facts.importmaps) < _MAX_KEPT_IMPORTMAPS:
            facts.importmaps[names] = text
    return format_html('<script type="importmap"{}>{}</script>', _format_nonce(nonce), mark_safe(text))  # noqa: S308


def render_modulepreloads(*names: str, nonce: object = None) -> SafeString:
    """Return an element for each of the modules, and for each module that they import statically."""
    facts = read_facts()
    for name in names:
        if not isinstance(name, str) or not name:
            raise ValueError(f"modulepreload: {name!r} is no name of a static file")
    urls = facts.walk_imports(static(name) for name in names)
    rows = ((url, _format_integrity(facts.find_integrity(url)), _format_nonce(nonce)) for url in urls)
    return format_html_join("\n", '<link rel="modulepreload" href="{}"{}{}>', rows)


def _build_importmap(facts: ScriptFacts, names: tuple[str, ...]) -> dict[str, dict[str, str]]:
    imports: dict[str, str] = {}
    for name in names or ("*",):
        imports.update((specifier, static(file)) for specifier, file in _expand(name, facts))
    found = {url: facts.find_integrity(url) for url in facts.walk_imports(imports.values())}
    integrity = {url: value for url, value in found.items() if value}
    return {"imports": imports, **({"integrity": integrity} if integrity else {})}


def _expand(name: str, facts: ScriptFacts) -> list[tuple[str, str]]:
    """Return specifiers and file names for one argument of ``{% importmap %}``."""
    if not isinstance(name, str) or not name:
        raise ValueError(f"importmap: {name!r} is no name of a static file")
    specifier, equals, file = name.partition("=")
    if equals and name not in facts.modules:
        return [(specifier, file)]
    if any(char in name for char in "*?[") and name not in facts.modules:
        return [(module, module) for module in facts.modules if fnmatchcase(module, name)]
    return [(name, name)]


def _format_integrity(value: str) -> SafeString | str:
    return format_html(' integrity="{}"', value) if value else ""


def _format_nonce(nonce: Any) -> SafeString | str:
    """Return the attribute; a nonce may be lazy, and is made by being written."""
    return "" if nonce is None else format_html(' nonce="{}"', nonce)
