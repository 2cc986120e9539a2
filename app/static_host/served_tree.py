"""The static tree as `serve` serves it: the release that the static root names, its prefixes, and its responder."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from static_host.conf.settings import Settings
from static_host.errors import StaticHostError
from static_host.files.fallback_page import find_page
from static_host.files.media_files import MediaFiles
from static_host.files.media_place import MediaPlace, Storage, find_media_place
from static_host.origin.index import ROOT_FOLDER
from static_host.origin.responder import Responder
from static_host.origin.security import SecurityPolicy
from static_host.origin.tree import Tree, TreeUnusableError, load_tree
from static_host.pages.page_codings import PageCodings
from static_host.pages.page_dictionaries import NO_DICTIONARIES, PageDictionaries
from static_host.workers.remote_project import RemoteProject

log = logging.getLogger("static_host")

_LENGTH_CHECK_SECONDS = 1.0
"""Time limit of the comparison of file lengths with the index, when a tree replaces another one."""


class PrefixChangedError(StaticHostError):
    """The next tree has other URLs."""

    def __init__(self, message: str) -> None:
        super().__init__(message, remedy="Start the server anew: pages of both releases cannot be served together.")


class PageMissingError(TreeUnusableError):
    """The tree lacks the page that a variable names."""

    def __init__(self, variable: str, name: str, root: Path) -> None:
        super().__init__(
            f"{variable}={name!r}: {root} has no such file.",
            remedy="Name a file of the tree, or build it with that page.",
        )


@dataclass(frozen=True, slots=True)
class ServedTree:
    """A loaded tree, and what responds from it. `static_url` is the project's STATIC_URL for it.

    `summary` has the start-up lines about it.
    """

    tree: Tree
    prefix: str
    static_url: str
    responder: Responder
    summary: list[str]
    dictionaries: PageDictionaries = NO_DICTIONARIES


class TreeSwitch:
    """The tree that a responder answers from, and its replacement by the one that the static root names now.

    So it is with the place of uploads, if they are served.
    """

    def __init__(
        self, settings: Settings, served: ServedTree, codings: PageCodings, media: MediaFiles | None = None
    ) -> None:
        self._settings = settings
        self._served = served
        self._codings = codings
        self._media = media
        codings.dictionaries = served.dictionaries

    def load(self, project: RemoteProject) -> ServedTree:
        """Load the release that the static root names now. Raises TreeUnusableError, PrefixChangedError."""
        served = load_served_tree(self._settings, project, _LENGTH_CHECK_SECONDS)
        if served.prefix != self._served.prefix:
            served.tree.close()
            raise PrefixChangedError(
                f"the tree at {served.tree.root} is for {served.prefix}, not {self._served.prefix}."
            )
        return served

    def find_media(self, project: RemoteProject, served: ServedTree) -> MediaPlace | None:
        """Return where the uploads of a loaded project are served. Raises UnservableMediaError."""
        return find_served_media(project, served.responder.prefixes) if self._media is not None else None

    def switch(self, served: ServedTree, place: MediaPlace | None) -> None:
        """Have the responder answer from this tree. The former one stays open for requests that began before."""
        self._served.responder.replace(served.responder)
        self._codings.dictionaries = served.dictionaries
        log.info("%s: release %s", served.summary[0], served.tree.root.name)
        if self._media is not None:
            self._media.use(place)


def find_served_media(project: RemoteProject, static_prefixes: tuple[bytes, ...]) -> MediaPlace | None:
    """Return where the uploads of a loaded project are served; None if they are not local.

    Raises UnservableMediaError.
    """
    storage = Storage.from_facts(project.loaded["storage"])
    return find_media_place(storage, project.static_root, static_prefixes, project.expand_prefix)


def summarize_media(project: RemoteProject, media: MediaFiles | None) -> list[str]:
    """Return the start-up line about uploads, if they are to be served."""
    if media is None:
        return []
    storage = Storage.from_facts(project.loaded["storage"])
    return [media.place.summary if media.place else storage.describe_foreign()]


def load_served_tree(settings: Settings, project: RemoteProject, length_check_seconds: float) -> ServedTree:
    """Load the current release. `length_check_seconds` limits the comparison of file lengths with the index.

    Raises TreeUnusableError; TreeDamagedError if files are missing or differ.
    """
    tree = _load_current_tree(project.static_root, settings.static_memory)
    for variable, page in (
        ("DJANGO_STATIC_FALLBACK", settings.static_fallback),
        ("DJANGO_STATIC_NOT_FOUND", settings.static_not_found),
    ):
        if page and find_page(tree.index, page) is None:
            tree.close()
            raise PageMissingError(variable, page, tree.root)
    compared = tree.check_lengths(length_check_seconds)
    _report_missing_root(tree, project.whitenoise.get("root", ""))
    prefix = settings.static_prefix or tree.index.prefix
    prefixes = project.expand_prefix(prefix)
    responder = Responder(
        tree,
        prefixes,
        project.max_age,
        settings.static_root_files,
        is_index_served=settings.static_show_index,
        are_root_files_first="static_root_files" in settings.model_fields_set,
        security=SecurityPolicy.from_facts(project.security if settings.static_security else {}),
        cdn_max_age=settings.static_cdn_max_age,
    )
    place = f"{project.static_root} at {project.host}{' and '.join(prefixes)}"
    summary = [
        f"{len(tree.index)} static resources of {place}",
        *_summarize_length_check(compared, len(tree.index)),
    ]
    is_used = settings.page_dictionary and "zstd" in settings.page_codings
    dictionaries = PageDictionaries.read(tree, prefix) if is_used else NO_DICTIONARIES
    return ServedTree(tree, prefix, project.host + prefix, responder, summary, dictionaries)


def _report_missing_root(tree: Tree, directory: str) -> None:
    """Log that the tree has no file of WHITENOISE_ROOT; it is of another tool, or older than the setting."""
    if directory and Path(directory).is_dir() and not any(tree.index.list_below(ROOT_FOLDER)):
        log.warning("the tree has no file of WHITENOISE_ROOT = %s. `static-host build` adds them", directory)


def _load_current_tree(static_root: Path, memory: int) -> Tree:
    """Return the release that the static root names now; loads again if a build replaces it meanwhile."""
    root = static_root.resolve()
    try:
        return load_tree(root, memory)
    except TreeUnusableError:
        if static_root.resolve() == root:
            raise
        return load_tree(static_root.resolve(), memory)


def _summarize_length_check(compared: int, resources: int) -> list[str]:
    if compared == resources:
        return []
    return [f"file lengths compared for {compared} of {resources} resources; the others on their first request"]
