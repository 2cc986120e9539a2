"""The index file of a tree: reading it, and making its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from static_host.origin import index
from static_host.origin.index import Index, InvalidIndexError
from static_host.origin.representation import Resource
from static_host_build.build_errors import BuildError


def read_index(tree: Path) -> Index | None:
    """Return the index of the tree in a directory; None if there is none that this version can use."""
    with suppress(OSError, InvalidIndexError):
        return index.parse_index((tree / index.INDEX_FILE_NAME).read_bytes())
    return None


def dump_index(
    prefix: str, resources: Mapping[str, Resource], manifest: tuple[str, bytes] | None, **facts: Any
) -> bytes:
    """Return an index as bytes; `facts` are those of `static_host.origin.index.dump_index`.

    Raises BuildError for a name that no line of an index can hold.
    """
    try:
        return index.dump_index(prefix, resources, manifest, **facts)
    except ValueError as error:
        raise BuildError(f"a static file has a name that cannot be served: {error}.", remedy="Rename it.") from None
