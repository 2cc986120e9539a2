"""Writes an index for a tree that other tools made, so that it can be served.

Rule: this changes only the index, which is written last and by one rename; each ``.svgz`` gets its decoded form beside
it, for clients that do not accept gzip. Encoded siblings (``x.css.br``, ``x.css.gz``, ``x.css.zst``) are used if they
decode to their file and are smaller. One that does not decode to its file causes a warning, and is served under its own
name only. As in a build, a file is immutable if Django's manifest or a bundler's lists it as fingerprinted, or if the
operator's pattern matches it. Deltas to earlier versions (``x.css.….dcz``) are used if they decode with another file of
the tree; then files get dictionary patterns, as in a build. A file `_headers` holds, and is not served.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from static_host.conf.django import BUNDLED_SETTINGS_MODULE
from static_host.conf.settings import Settings
from static_host.origin import index
from static_host.origin.header_rules import FILE_NAME as HEADER_FILE_NAME
from static_host.origin.representation import CODING_SUFFIXES, SVGZ_IDENTITY_SUFFIX, compute_digest
from static_host_build import bundler_manifests
from static_host_build.build_errors import BuildError
from static_host_build.collect.header_file import HeaderFile, ResourcePaths
from static_host_build.collect.project_process import start_project
from static_host_build.dictionary import deltas, patterns
from static_host_build.encode import tree_encoding
from static_host_build.encode.decoding import decode
from static_host_build.encode.media_types import assign_media_types, parse_media_types
from static_host_build.encode.svgz import explain_unchanged, is_svgz, unfold_beside
from static_host_build.encode.tree_encoding import Content, RepresentationFacts, ResourceSet
from static_host_build.output.index_file import dump_index, read_index
from static_host_django.static_url import DEFAULT_PREFIX

MANIFEST_NAME = "staticfiles.json"
"""The manifest of Django's storages."""


def index_external_tree(root: Path, settings: Settings) -> ResourceSet:
    """Write the index of the directory `root`, and return its resources. Raises BuildError."""
    if root.is_symlink() and Path(os.path.realpath(root)).parent.name == f".{root.name}.releases":
        raise BuildError(f"`static-host build` made {root}: it already has an index.")
    if _has_earlier_releases(root):
        raise BuildError(
            f"{root} has files of earlier releases, and only its own index separates them.",
            remedy="Serve it unchanged.",
        )
    try:
        return _index_tree(root, settings)
    except OSError as error:
        raise BuildError(f"{error.strerror}: {error.filename or root}. The index is as it was.") from None


def _has_earlier_releases(root: Path) -> bool:
    """Whether the directory is a tree with more than one release, made by a build."""
    found = read_index(root)
    return found is not None and len(found.releases) > 1


def _index_tree(root: Path, settings: Settings) -> ResourceSet:
    prefix, bundlers = _read_project(settings)
    manifest = _read_manifest(root)
    aside = {index.INDEX_FILE_NAME, *([manifest[0]] if manifest else [])}
    found = tree_encoding.list_resource_names(root, settings.static_root_files)
    if not set(found) - aside:
        raise BuildError(f"{root} has no files.")
    irregular = next((name for name in (*found, *aside) if not _is_regular(root / name)), None)
    if irregular:
        remedy = "Remove it, or copy the tree with `cp -rL`."
        raise BuildError(f"{root / irregular} is not a regular file.", remedy=remedy)
    unfolded = {name: unfold_beside(root, name, _compute_index_mode(root)) for name in found if is_svgz(name)}
    aside |= {name + SVGZ_IDENTITY_SUFFIX for name, has in unfolded.items() if has}
    names = [name for name in found if name not in aside]
    contents, warnings = _read_contents(root, names)
    warnings += [explain_unchanged(name, (root / name).read_bytes()) for name, has in unfolded.items() if not has]
    made = ResourceSet.from_contents(
        contents, _make_immutable_test(root, names, manifest, bundlers, settings), warnings
    )
    for name, has in unfolded.items():
        made.resources[name] = replace(
            made.resources[name], representations=has or made.resources[name].representations
        )
    logical = tree_encoding.parse_logical_names(manifest[1]) if manifest else {}
    own_types = parse_media_types(settings.static_media_types)
    made = replace(made, resources=assign_media_types(made.resources, own_types, "utf-8", logical))
    whole = deltas.recognise_deltas(root, made.resources)
    if len(whole) < len(made.resources):
        made = replace(made, resources=patterns.assign_patterns(whole, patterns.find_patterns(whole, logical)))
    header_file = HeaderFile.read(root)
    if header_file:
        paths = ResourcePaths((prefix,), settings.static_root_files, logical)
        served = {name: each for name, each in made.resources.items() if logical.get(name) != HEADER_FILE_NAME}
        made = replace(made, resources=header_file.apply(served, paths))
        made = replace(made, warnings=(*made.warnings, *header_file.list_warnings()))
    _write_index(root, dump_index(prefix, made.resources, manifest, adopted=True))
    return made


def _read_contents(root: Path, names: list[str]) -> tuple[list[Content], list[str]]:
    """Return the distinct contents of the files, and a warning for each sibling that does not decode to its file."""
    identities = {
        name: identity for identity, group in tree_encoding.group_by_content(root, names).items() for name in group
    }
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        examined = list(threads.map(lambda name: _read_representations(root, name, identities[name]), names))
    groups: dict[RepresentationFacts, list[str]] = {}
    warnings = []
    for name, (facts, undecodable) in zip(names, examined, strict=True):
        groups.setdefault(facts, []).append(name)
        for sibling in undecodable:
            body = (root / sibling).read_bytes()
            groups.setdefault((("identity", len(body), compute_digest(body)),), []).append(sibling)
            warnings.append(f"{sibling} does not decode to {name}; it is served only under its own name")
    return [Content(tuple(group), facts, len(facts) > 1, False, 0.0) for facts, group in groups.items()], warnings


def _read_representations(root: Path, name: str, identity: str) -> tuple[RepresentationFacts, list[str]]:
    """Return the representations of a file, and the siblings that do not decode to it."""
    path = root / name
    facts, undecodable = [("identity", path.stat().st_size, identity)], []
    for coding, suffix in CODING_SUFFIXES.items():
        sibling = root / (name + suffix)
        if coding == "identity" or not sibling.is_file():
            continue
        body = sibling.read_bytes()
        data = decode(coding, body, path.stat().st_size)
        if data is None or compute_digest(data) != identity:
            undecodable.append(name + suffix)
        elif len(body) < len(data):
            facts.append((coding, len(body), compute_digest(body)))
    return tuple(facts), undecodable


def _make_immutable_test(
    root: Path, names: list[str], manifest: tuple[str, bytes] | None, bundlers: Mapping[str, bytes], settings: Settings
) -> Callable[[str], bool]:
    known = set(names)
    hashed = set(tree_encoding.parse_fingerprinted_names(manifest[1]) if manifest else ())
    for folder, _, files in os.walk(root):
        for path in (Path(folder) / name for name in filter(bundler_manifests.is_manifest, files)):
            hashed |= bundler_manifests.parse_hashed_outputs(
                path.relative_to(root).as_posix(), path.read_bytes(), known
            )
    hashed |= bundler_manifests.find_hashed_outputs(bundlers, known)
    pattern = re.compile(settings.static_immutable_pattern or tree_encoding.MATCH_NOTHING)
    return lambda name: name in hashed or bool(pattern.search(name))


def _read_manifest(root: Path) -> tuple[str, bytes] | None:
    """Return the name and the content of Django's manifest, if the tree has one. Raises BuildError if it is invalid."""
    try:
        data = (root / MANIFEST_NAME).read_bytes()
    except FileNotFoundError:
        return None
    try:
        document = json.loads(data)
        paths = {str(hashed) for hashed in document["paths"].values() if (root / hashed).is_file()}
        is_whole = document["version"] in ("1.0", "1.1") and len(paths) == len(set(document["paths"].values()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        is_whole = False
    if not is_whole:
        message = f"{root / MANIFEST_NAME} is not a manifest of Django, or lists missing files."
        raise BuildError(message, remedy="Remove it.")
    return MANIFEST_NAME, data


def _is_regular(path: Path) -> bool:
    return not path.is_symlink() and (path.is_file() or not path.exists())


def _read_project(settings: Settings) -> tuple[str, dict[str, bytes]]:
    """Return the URL prefix, and the bundlers' manifests that the project's settings name; without a prefix of ours."""
    if settings.static_prefix or settings.settings_module == BUNDLED_SETTINGS_MODULE:
        return settings.static_prefix or DEFAULT_PREFIX, {}
    with start_project(settings) as process:
        project = process.load()
        return project.prefix, bundler_manifests.read_configured_manifests(project.manifests)


def _write_index(root: Path, data: bytes) -> None:
    temporary = root / f".{index.INDEX_FILE_NAME}"
    with temporary.open("wb") as file:
        os.fchmod(file.fileno(), _compute_index_mode(root))
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(root / index.INDEX_FILE_NAME)


def _compute_index_mode(root: Path) -> int:
    """Return the mode of an index that is as readable as its directory. Raises OSError."""
    return 0o600 | root.stat().st_mode & 0o044
