"""What pages need to know of scripts and stylesheets: their integrity (W3C SRI), and the static imports of modules.

Rule: the facts are keys of Django's manifest, which Django ignores; `static_host_django.script_facts` reads them. A
file is known by its fingerprinted name. Its integrity is that of the bytes that a browser decodes. Its imports are the
specifiers in these bytes, so a browser's rules resolve them. Imports at run time (``import()``) are not among them.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha384
from pathlib import Path

from static_host_build.references import Reference, UnreadableError, find_references
from static_host_build.references.reference_resolution import Target, resolve
from static_host_django.static_names import is_of_a_package, is_script, is_stylesheet


class ScriptFacts:
    """Collects the facts of one tree. `sources` are its files, each with the path of its source, or None.

    The modules of the project itself have their names in import maps: all scripts but those of installed packages, and
    those that a bundler has named (`bundled`).
    """

    def __init__(self, sources: Mapping[str, str | None], bundled: Collection[str]) -> None:
        own = (name for name in sources if is_script(name) and not is_of_a_package(sources[name]))
        self._modules = frozenset(own).difference(bundled)
        self._integrity: dict[str, str] = {}
        self._imports: dict[str, list[str]] = {}

    def record(self, name: str, body: bytes) -> None:
        """Record the integrity of a file, if it is a script or a stylesheet."""
        if is_script(name) or is_stylesheet(name):
            self._integrity[name] = f"sha384-{b64encode(sha384(body).digest()).decode()}"

    def record_imports(self, name: str, specifiers: Iterable[str]) -> None:
        """Record the static imports of a file, each once."""
        found = list(dict.fromkeys(specifiers))
        if found:
            self._imports[name] = found

    def is_module_import(self, reference: Reference, target: Target | None) -> bool:
        """Whether a browser loads another script of the tree at this reference, before it runs the file.

        `target` is the file of the tree that it resolves to. A bare specifier has none: an import map resolves it.
        """
        if not reference.is_static_import:
            return False
        return is_script(target.name) if target else reference.target in self._modules

    def dump(self, names: Mapping[str, str]) -> dict[str, object]:
        """Return the keys for the manifest. `names` has the fingerprinted names of the files that were recorded."""
        return {
            "integrity": {names[name]: self._integrity[name] for name in sorted(self._integrity)},
            "imports": {names[name]: self._imports[name] for name in sorted(self._imports)},
            "modules": sorted(self._modules),
        }


def describe_scripts(
    directory: Path, names: Mapping[str, str], sources: Mapping[str, str | None], bundled: Collection[str], prefix: str
) -> dict[str, object]:
    """Return the facts of a tree that a storage of the project's own has fingerprinted. Raises OSError."""
    facts = ScriptFacts(sources, bundled)
    known = frozenset(names.values())
    for name, stored in names.items():
        path = directory / stored
        if (is_script(name) or is_stylesheet(name)) and path.is_file():
            body = path.read_bytes()
            facts.record(name, body)
            facts.record_imports(name, _list_imports(facts, stored, body, known, prefix))
    return facts.dump(names)


def _list_imports(facts: ScriptFacts, name: str, body: bytes, known: Collection[str], prefix: str) -> list[str]:
    try:
        references = find_references(name, body.decode("utf-8", "surrogateescape")) if is_script(name) else []
    except UnreadableError:
        return []
    found = ((reference, resolve(reference, name, prefix)) for reference in references)
    return [
        reference.target
        for reference, target in found
        if facts.is_module_import(reference, target) and (target is None or target.name in known)
    ]
