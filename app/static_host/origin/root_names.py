"""The files of a tree that are served at ``/``, too, or there alone."""

from __future__ import annotations

from collections.abc import Mapping

from static_host.origin.index import ROOT_FOLDER, Index


def find_root_names(index: Index, root_files: tuple[str, ...], *, are_root_files_first: bool) -> dict[str, str]:
    """Return the names that are served at ``/``, by what follows it in their URLs.

    `root_files` are names; one with a trailing slash includes everything below it. `are_root_files_first`: they win
    over files that the build has put at ``/``.
    """
    chosen = {name: name for name in root_files if name in index}
    for folder in (name for name in root_files if name.endswith("/")):
        chosen |= {name: name for name in index.list_below(folder)}
    built = {name.removeprefix(ROOT_FOLDER): name for name in index.list_below(ROOT_FOLDER)}
    found = built | chosen if are_root_files_first else chosen | built
    for path, name in list(found.items()):
        if name.endswith("/"):  # what redirects to it, see `responder.find_redirect`
            file = index[name].identity.file
            found |= {path + file.removeprefix(name): file, **({path[:-1]: name[:-1]} if path else {})}
    return found


def find_hidden_names(index: Index, root: Mapping[str, str]) -> frozenset[str]:
    """Return the names that are served at ``/`` only; `root` is what `find_root_names` returns."""
    dotted = (name for name in root.values() if f"/{name}".count("/."))
    return frozenset([*dotted, *index.list_below(ROOT_FOLDER), ROOT_FOLDER[:-1]])
