"""What a bundler's own manifest says is fingerprinted.

Rule: a name is immutable only if a manifest lists it as the output of something, and its stem is not that thing's own
name but ends in a hash, or is one: both, because bundlers can be told to leave the hash out, and a hash-shaped name
alone proves nothing. A wrong guess would cost a year of a stale file, so whatever is not understood is left out.

Such a file keeps its name and its bytes. Bundles refer to each other by these names, in ways that only the bundler and
the browser understand; by a second name a module would be another module, and be run twice. The bundler's hash speaks
for the bytes that it wrote, so nothing in them is rewritten either, references to names without a hash included.

Understood: Vite (``.vite/manifest.json``, before Vite 5 ``manifest.json``), webpack's manifest plugins
(``manifest.json``, ``asset-manifest.json``, ``assets-manifest.json``: logical name → file) and esbuild's metafile
(``meta.json``, ``metafile.json``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from static_build.sources import Source

NAMES = frozenset({"manifest.json", "asset-manifest.json", "assets-manifest.json", "meta.json", "metafile.json"})
"""File names of manifests; most files of these names are something else, and then give nothing."""
BUNDLED = "bundled"
"""The key of Django's manifest under which our storage lists the names that a bundler has fingerprinted."""

HASH = re.compile(r"[-._](?P<hash>[A-Za-z0-9_-]{8}|[0-9a-f]{9,64}|[A-Z2-7]{8,32})$")
_MAX_FOLDERS = 64
"""Parts of an output's path that are looked at, from its end."""
_ONLY_HASH = re.compile(r"(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{8,64}")
Output = tuple[str | None, str]
"""The name of what was bundled, where the manifest tells it, and the file that came of it."""


def manifests(found: Iterable[Source]) -> dict[str, bytes]:
    """Return the manifests that the finders know, by name; Vite's is hidden, so collectstatic passes over it.

    Raises OSError, and BuildFailed for what is neither a file nor a link to one.
    """
    data: dict[str, bytes] = {}
    for source in found:
        if source.name not in data and source.name.rpartition("/")[2] in NAMES and source.exists:
            data[source.name] = source.read()
    return data


def outputs(manifests: Mapping[str, bytes], names: set[str]) -> set[str]:
    """Return those of `names` that one of the manifests lists as hashed outputs."""
    return set().union(*(fingerprinted(manifest, data, names) for manifest, data in manifests.items()))


def fingerprinted(manifest: str, data: bytes, names: set[str]) -> set[str]:
    """Return those of `names` that the manifest at the path `manifest` lists as hashed outputs."""
    found = set()
    for logical, output in _outputs(_document(data)):
        name = _found(_folder(manifest), output, names)
        if name and _is_hashed(logical, name):
            found.add(name)
    return found


def named(manifests: Mapping[str, bytes], names: set[str]) -> set[str]:
    """Return those of `names` that have the name of an entry point: the project gave it, and it stays."""
    entries = ((manifest, path) for manifest, data in manifests.items() for path in _entries(_document(data)))
    return {name for manifest, path in entries if (name := _found(_folder(manifest), path, names))}


def is_hash(stem: str) -> bool:
    """Whether a stem is nothing but a hash, as webpack's ``[contenthash].js`` gives it: digits and letters a to f."""
    return bool(_ONLY_HASH.fullmatch(stem))


def _document(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _folder(manifest: str) -> PurePosixPath:
    folder = PurePosixPath(manifest).parent
    return folder.parent if folder.name == ".vite" else folder


def _entries(document: Any) -> Iterator[str]:
    """Yield the outputs that are named by an entry point; webpack names all others by numbers."""
    if not isinstance(document, dict):
        return
    outputs = document.get("outputs")
    if isinstance(outputs, dict):  # esbuild, to which what is imported dynamically is an entry point, too
        imports = (_in(entry, "imports") for entry in outputs.values())
        edges = (edge for each in imports if isinstance(each, list) for edge in each)
        later = {_text(_in(edge, "path")) for edge in edges if _in(edge, "kind") == "dynamic-import"}
        yield from (path for path, entry in outputs.items() if _text(_in(entry, "entryPoint")) and path not in later)
        return
    files = document.get("files")
    for key, entry in (files if isinstance(files, dict) else document).items():
        if isinstance(entry, str):  # webpack
            stem = PurePosixPath(key).name.partition(".")[0]
            if not stem.isdigit() and PurePosixPath(entry).name.startswith((f"{stem}.", f"{stem}-")):
                yield entry
        elif isinstance(entry, dict) and entry.get("isEntry") is True:  # Vite
            yield from (path for _, path in _entry(key, entry))


def _outputs(document: Any) -> Iterator[Output]:
    """Yield what the document lists, in whichever of the forms it has."""
    if not isinstance(document, dict):
        return
    if isinstance(document.get("outputs"), dict):  # esbuild
        yield from ((_text(_in(entry, "entryPoint")), path) for path, entry in document["outputs"].items())
        return
    files = document.get("files")
    for key, entry in (files if isinstance(files, dict) else document).items():
        if isinstance(entry, str):  # webpack
            yield key, entry
        elif isinstance(entry, dict):  # Vite; webpack-assets-manifest with integrity
            yield from _entry(key, entry)


def _entry(key: str, entry: dict[str, Any]) -> Iterator[Output]:
    logical = _text(entry.get("name")) or key
    for path in (entry.get("file"), entry.get("src") if "integrity" in entry else None):
        if isinstance(path, str):
            yield logical, path
    for kind in ("css", "assets"):
        paths = entry.get(kind)
        yield from ((logical, path) for path in (paths if isinstance(paths, list) else ()) if isinstance(path, str))


def _in(entry: Any, key: str) -> Any:
    return entry.get(key) if isinstance(entry, dict) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _found(folder: PurePosixPath, output: str, names: set[str]) -> str | None:
    """Return the name that an output has in the tree: it is given from the manifest's folder, or from further up."""
    parts = [part for part in output.partition("?")[0].split("/") if part not in ("", ".")][-_MAX_FOLDERS:]
    candidates = (str(folder.joinpath(*parts[start:])) for start in range(len(parts)))
    return next((candidate for candidate in candidates if candidate in names), None)


def _is_hashed(logical: str | None, name: str) -> bool:
    stem = PurePosixPath(name).name.partition(".map")[0]
    stem = stem.rpartition(".")[0] or stem
    match = HASH.search(stem)
    is_word = match is not None and match["hash"].islower() and match["hash"].isalpha()
    if not is_hash(stem) and (not match or is_word):
        return False
    own = PurePosixPath(logical or "").name
    return stem not in (own, own.rpartition(".")[0])
