"""Reads the two releases that are compared, each from a tree, a deployment or a store.

Rule: the index of a place has all that is compared, but for the bundlers' manifests, which are read if the place has
them. An index is foreign input: a resource that no build writes makes the place unreadable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import quote

from static_host.conf.settings import Settings
from static_host.errors import StaticHostError
from static_host.origin.index import Index
from static_host.origin.index_validation import is_valid_resource
from static_host.origin.page_dictionary import is_page_dictionary
from static_host.origin.representation import Resource
from static_host.origin.root_names import find_hidden_names, find_root_names
from static_host_build.bundler_manifests import find_entry_files, is_manifest
from static_host_build.carry.carrier import copy_checked_body
from static_host_build.carry.release_source import (
    BodyUnusableError,
    CodingLostError,
    ReleaseSource,
    ReleaseSourceError,
    load_index,
)
from static_host_build.carry.source_discovery import open_source
from static_host_build.dictionary.patterns import URL_SAFE_CHARACTERS
from static_host_django.static_url import DEFAULT_PREFIX

_PREFIX_SAFE_CHARACTERS = f"{URL_SAFE_CHARACTERS}$&+,;=:@%"
_MAX_MANIFEST_BYTES = 1 << 20


class PlaceUnreadableError(StaticHostError):
    """A place holds no release that can be compared; the message names it and the remedy."""

    exit_code = 3


class ServedFile(NamedTuple):
    """A file of a release, and its name below the prefix."""

    name: str
    resource: Resource


@dataclass(frozen=True, slots=True)
class ComparedRelease:
    """The release of a place. `served` has its files and the carried ones, by URL path.

    `entry_points` has the resources that each one loads; it is empty if no bundler's manifest can be read.
    """

    place: str
    digest: str
    prefix: str
    served: Mapping[str, ServedFile]
    entry_points: Mapping[str, tuple[Resource, ...]] = field(default_factory=dict)

    @property
    def own(self) -> dict[str, ServedFile]:
        """The release's own files, by URL path."""
        return {path: file for path, file in self.served.items() if not file.resource.carried}


def read_compared_releases(old: str, new: str, settings: Settings) -> tuple[ComparedRelease, ComparedRelease]:
    """Return the newest release of each place.

    A deployment's address without a path is read below DJANGO_STATIC_PREFIX, else below the prefix of the other place.
    Raises PlaceUnreadableError, InvalidSettingsError.
    """
    prefix = settings.static_prefix or ""
    found: dict[str, ComparedRelease] = {}
    for place in sorted({old, new}, key=lambda each: each.startswith(("http://", "https://"))):
        found[place] = _read_release(place, settings, prefix or DEFAULT_PREFIX)
        prefix = prefix or found[place].prefix
    return found[old], found[new]


def escape_text(text: str, safe: str = URL_SAFE_CHARACTERS) -> str:
    """Return foreign text as in a URL, so that it changes neither a terminal nor a document in Markdown."""
    return quote(text, safe=safe)


def _read_release(place: str, settings: Settings, prefix: str) -> ComparedRelease:
    try:
        with closing(open_source(place, settings, prefix)) as source:
            index = load_index(source.read_snapshots(1)[0])
            resources = _read_resources(place, index)
            own_prefix = escape_text(settings.static_prefix or index.prefix, _PREFIX_SAFE_CHARACTERS)
            served = dict(_list_served(index, resources, own_prefix, settings))
            own = {name: each for name, each in resources.items() if not each.carried}
            entry_points = dict(_read_entry_points(source, own))
    except ReleaseSourceError as error:
        raise PlaceUnreadableError(str(error)) from None
    return ComparedRelease(place, escape_text(index.releases[0].digest), own_prefix, served, entry_points)


def _read_resources(place: str, index: Index) -> dict[str, Resource]:
    """Return all resources by name. Raises ReleaseSourceError."""
    try:
        found = dict(zip(index, index.iter_resources(), strict=True))
        is_valid = all(is_valid_resource(_find_file_name(name, each), each) for name, each in found.items())
        is_valid = is_valid and bool(index.releases[0].digest.isalnum()) and index.prefix.startswith("/")
    except (ValueError, TypeError, LookupError, AttributeError):
        is_valid = False
    if not is_valid:
        raise ReleaseSourceError(f"the index of {place} has a line that no build writes.")
    return found


def _find_file_name(name: str, resource: Resource) -> str:
    """Return the name that the resource's files are named after: a folder's is that of its index file."""
    identity = next((each.file for each in resource.representations if each.coding == "identity"), "")
    return identity if name == "" or name.endswith("/") else name


def _list_served(
    index: Index, resources: Mapping[str, Resource], prefix: str, settings: Settings
) -> Iterator[tuple[str, ServedFile]]:
    """Yield every file with each of its URL paths, but for the dictionary of pages: no page refers to it."""
    is_first = "static_root_files" in settings.model_fields_set
    root = find_root_names(index, settings.static_root_files, are_root_files_first=is_first)
    hidden = find_hidden_names(index, root)
    below = (
        (prefix + escape_text(name), name) for name in resources if name not in hidden and not is_page_dictionary(name)
    )
    at_root = ((f"/{escape_text(path)}", name) for path, name in root.items() if name in resources)
    yield from ((path, ServedFile(name, resources[name])) for path, name in (*below, *at_root))


def _read_entry_points(
    source: ReleaseSource, resources: Mapping[str, Resource]
) -> Iterator[tuple[str, tuple[Resource, ...]]]:
    """Yield each entry point of the manifests that can be read, with the resources that it loads."""
    names = set(resources)
    for manifest in sorted(name for name in names if is_manifest(name) and not resources[name].immutable):
        identity = resources[manifest].identity
        if identity.length <= _MAX_MANIFEST_BYTES:
            body = BytesIO()
            with suppress(BodyUnusableError, CodingLostError):
                copy_checked_body(source, manifest, identity, body)
                for entry, files in sorted(find_entry_files(manifest, body.getvalue(), names).items()):
                    label = str(PurePosixPath(manifest).parent / entry)
                    yield escape_text(label), tuple(resources[name] for name in sorted(files))
