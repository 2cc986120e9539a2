"""Reads bundlers' manifests: which files a bundler has fingerprinted.

Rule: a name is immutable only if two things hold. A manifest lists it as the output of a source, and its stem ends in a
hash, or is one, and differs from the source's name. Bundlers can be configured to omit the hash, and a hash-shaped name
alone proves nothing. A wrong guess would cost a year of a stale file, so unknown formats are ignored.

Such a file keeps its name and its bytes. Bundles refer to each other by these names, in ways that only the bundler and
the browser know; under a second name a module would be another module, and run twice. The hash covers the bytes that
the bundler wrote, so no reference in them is rewritten, not even to a name without a hash.

Known formats: Vite (``.vite/manifest.json``, before Vite 5 ``manifest.json``), webpack's manifest plugins and similar
ones (``asset-manifest.json``, ``rev-manifest.json``: logical name → file), webpack-bundle-tracker
(``webpack-stats.json``) and esbuild's metafile (``meta.json``, ``metafile.json``). For manifests outside of static
folders, the settings of django-webpack-loader and django-vite give the path.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from static_host_build.collect.sources import Source

BUNDLED_KEY = "bundled"
"""Key in Django's manifest: the build's storage lists names there that a bundler has fingerprinted."""

HASH_PATTERN = re.compile(r"[-._](?P<hash>[A-Za-z0-9_-]{8}|[0-9a-f]{9,64}|[A-Z2-7]{8,32})$")
_MAX_FOLDERS = 64
"""Parts of an output's path that are compared, from its end."""
_MAX_ENTRY_POINTS = 100
"""Entry points of one manifest whose files are listed."""
_BASE32 = re.compile(r"[A-Z2-7]{8,32}")
_ONLY_HASH = re.compile(r"(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{8,64}")
Output = tuple[str | None, str]
"""The source's name, if the manifest has it, and the output file."""


def is_manifest(name: str) -> bool:
    """Whether a file may be a manifest, judging by its name. Most files with such names have other contents."""
    stem, _, suffix = name.rpartition("/")[2].rpartition(".")
    is_known = stem in ("meta", "metafile") or stem.endswith("manifest") or stem.startswith("stats")
    return suffix == "json" and (is_known or "-stats" in stem)


def read_manifests(sources: Iterable[Source], configured: Iterable[tuple[str, str]]) -> dict[str, bytes]:
    """Return the manifests among the sources, and the `configured` ones, by name.

    Vite's manifest is hidden, so collectstatic ignores it. Raises OSError; BuildError for a source that is neither a
    file nor a link to one.
    """
    data: dict[str, bytes] = {}
    for source in sources:
        if source.name not in data and is_manifest(source.name) and source.is_file:
            data[source.name] = source.read()
    return {**data, **read_configured_manifests(configured)}


def read_configured_manifests(configured: Iterable[tuple[str, str]]) -> dict[str, bytes]:
    """Return the manifests that the project's settings name, by output folder and path.

    Each gets a name in its output folder.
    """
    data: dict[str, bytes] = {}
    for number, (folder, path) in enumerate(configured):
        with suppress(OSError, ValueError):  # the file does not exist yet, or the setting is no path
            data[posixpath.join(folder.strip("/"), f"{number}-{Path(path).name}")] = Path(path).read_bytes()
    return data


def find_hashed_outputs(manifests: Mapping[str, bytes], names: set[str]) -> set[str]:
    """Return those of `names` that one of the manifests lists as hashed outputs."""
    return set().union(*(parse_hashed_outputs(manifest, data, names) for manifest, data in manifests.items()))


def parse_hashed_outputs(manifest: str, data: bytes, names: set[str]) -> set[str]:
    """Return those of `names` that the manifest at the path `manifest` lists as hashed outputs."""
    found = set()
    for logical, output in _list_outputs(_parse_json(data)):
        name = _resolve_output(find_output_folder(manifest), output, names)
        if name and _is_hashed(logical, name):
            found.add(name)
    return found


def parse_outputs(manifest: str, data: bytes, names: set[str]) -> set[str]:
    """Return those of `names` that the manifest at the path `manifest` lists, with a hash or without."""
    found = (
        _resolve_output(find_output_folder(manifest), output, names) for _, output in _list_outputs(_parse_json(data))
    )
    return {name for name in found if name}


def find_entry_points(manifests: Mapping[str, bytes], names: set[str]) -> set[str]:
    """Return those of `names` that are named after an entry point: the project chose that name, and it stays."""
    entries = (
        (manifest, path) for manifest, data in manifests.items() for path in _list_entry_points(_parse_json(data))
    )
    return {name for manifest, path in entries if (name := _resolve_output(find_output_folder(manifest), path, names))}


def find_entry_files(manifest: str, data: bytes, names: set[str]) -> dict[str, set[str]]:
    """Return which of `names` each entry point loads at once, chunks of other entry points included.

    Known from Vite's manifest and that of webpack-bundle-tracker.
    """
    found: dict[str, set[str]] = {}
    known: dict[str, str | None] = {}
    for entry, path in _list_loaded(_parse_json(data)):
        if path not in known:  # entry points share chunks
            known[path] = _resolve_output(find_output_folder(manifest), path, names)
        if name := known[path]:
            found.setdefault(entry, set()).add(name)
    return found


def is_hash(stem: str) -> bool:
    """Whether a stem is only a hash, as in webpack's ``[contenthash].js``: digits and letters a to f."""
    return bool(_ONLY_HASH.fullmatch(stem))


def _parse_json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def find_output_folder(manifest: str) -> PurePosixPath:
    """Return the folder that the bundler writes into; Vite's manifest is in the folder ``.vite`` of that."""
    folder = PurePosixPath(manifest).parent
    return folder.parent if folder.name == ".vite" else folder


def _list_entry_points(document: Any) -> Iterator[str]:
    """Yield the outputs that are named after an entry point; webpack gives all others numbers."""
    if not isinstance(document, dict):
        return
    outputs = document.get("outputs")
    if isinstance(outputs, dict):  # esbuild, which also counts dynamic imports as entry points
        imports = (_get_item(entry, "imports") for entry in outputs.values())
        edges = (edge for each in imports if isinstance(each, list) for edge in each)
        later = {_as_text(_get_item(edge, "path")) for edge in edges if _get_item(edge, "kind") == "dynamic-import"}
        yield from (
            path for path, entry in outputs.items() if _as_text(_get_item(entry, "entryPoint")) and path not in later
        )
        return
    if isinstance(document.get("chunks"), dict):  # webpack-bundle-tracker
        yield from (path for chunk, path in _list_chunk_files(document["chunks"], document.get("assets")) if chunk)
        return
    files = document.get("files")
    for key, entry in (files if isinstance(files, dict) else document).items():
        if isinstance(entry, str):  # webpack
            stem = PurePosixPath(key).name.partition(".")[0]
            if not stem.isdigit() and PurePosixPath(entry).name.startswith((f"{stem}.", f"{stem}-")):
                yield entry
        elif isinstance(entry, dict) and entry.get("isEntry") is True:  # Vite
            yield from (path for _, path in _list_entry_files(key, entry))


def _list_loaded(document: Any) -> Iterator[tuple[str, str]]:
    """Yield each entry point with the paths of the files that it loads at once."""
    if not isinstance(document, dict):
        return
    if isinstance(document.get("chunks"), dict):  # webpack-bundle-tracker
        for chunk, files in document["chunks"].items():
            yield from ((chunk, path) for _, path in _list_chunk_files({chunk: files}, document.get("assets")))
        return
    entries = (key for key, chunk in document.items() if _get_item(chunk, "isEntry") is True)
    for entry in islice(entries, _MAX_ENTRY_POINTS):
        waiting, known = [entry], {entry}
        while waiting:
            key = waiting.pop()
            chunk = document.get(key)
            imports = _get_item(chunk, "imports")
            later = {each for each in imports if isinstance(each, str)} - known if isinstance(imports, list) else set()
            waiting += later
            known |= later
            yield from ((entry, path) for _, path in (_list_entry_files(key, chunk) if isinstance(chunk, dict) else ()))


def _list_outputs(document: Any) -> Iterator[Output]:
    """Yield the outputs that the document lists, in any of the known formats."""
    if not isinstance(document, dict):
        return
    if isinstance(document.get("outputs"), dict):  # esbuild
        yield from ((_as_text(_get_item(entry, "entryPoint")), path) for path, entry in document["outputs"].items())
        return
    if isinstance(document.get("chunks"), dict):  # webpack-bundle-tracker
        assets = document.get("assets")
        yield from _list_chunk_files(document["chunks"], assets)
        for asset in assets.values() if isinstance(assets, dict) else ():
            yield from ((_as_text(_get_item(asset, "sourceFilename")), path) for path in _list_paths(asset))
        return
    files = document.get("files")
    for key, entry in (files if isinstance(files, dict) else document).items():
        if isinstance(entry, str):  # webpack
            yield key, entry
        elif isinstance(entry, dict):  # Vite; webpack-assets-manifest with integrity
            yield from _list_entry_files(key, entry)


def _list_chunk_files(chunks: dict[str, Any], assets: Any) -> Iterator[Output]:
    """Yield the files of chunks, each with the chunk's name if the file is named after this chunk.

    The files' properties are in the chunks before version 1.0, and in the assets from then on.
    """
    for chunk, files in chunks.items():
        for file in files if isinstance(files, list) else ():
            facts = (_get_item(assets, file) or {"name": file}) if isinstance(file, str) else file
            name = PurePosixPath(_as_text(_get_item(facts, "name")) or "").name
            own = name.startswith((f"{PurePosixPath(chunk).name}.", f"{PurePosixPath(chunk).name}-"))
            yield from ((chunk if own else None, path) for path in _list_paths(facts))


def _list_paths(facts: Any) -> list[str]:
    """Return the names of a file: in the output, on disk, and in URLs."""
    paths = (_as_text(_get_item(facts, key)) for key in ("name", "path", "publicPath"))
    return [path.replace("\\", "/") for path in paths if path]


def _list_entry_files(key: str, entry: dict[str, Any]) -> Iterator[Output]:
    logical = _as_text(entry.get("name")) or key
    for path in (entry.get("file"), entry.get("src") if "integrity" in entry else None):
        if isinstance(path, str):
            yield logical, path
    for kind in ("css", "assets"):
        paths = entry.get(kind)
        yield from ((logical, path) for path in (paths if isinstance(paths, list) else ()) if isinstance(path, str))


def _get_item(entry: Any, key: str) -> Any:
    return entry.get(key) if isinstance(entry, dict) else None


def _as_text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _resolve_output(folder: PurePosixPath, output: str, names: set[str]) -> str | None:
    """Return the name of an output in the tree; its path is relative to the manifest's folder or one above."""
    parts = [part for part in output.partition("?")[0].split("/") if part not in ("", ".")][-_MAX_FOLDERS:]
    folders = (folder, *folder.parents)[:_MAX_FOLDERS]
    candidates = (str(each.joinpath(*parts[start:])) for each in folders for start in range(len(parts)))
    return next((candidate for candidate in candidates if candidate in names), None)


def _is_hashed(logical: str | None, name: str) -> bool:
    stem = PurePosixPath(name).name.partition(".map")[0]
    stem = stem.rpartition(".")[0] or stem
    match = HASH_PATTERN.search(stem)
    is_word = match is not None and match["hash"].islower() and match["hash"].isalpha()
    if not is_hash(stem) and (not match or is_word):
        return False
    if logical is None:  # the name's own part is unknown: "page-Overview" also ends in eight letters
        return is_hash(stem) or bool(match and (is_hash(match["hash"]) or _BASE32.fullmatch(match["hash"])))
    own = PurePosixPath(logical or "").name
    return stem not in (own, own.rpartition(".")[0])
