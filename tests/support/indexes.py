"""Directories with an index and no files, for what reads indexes alone."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from static_host.origin.index import INDEX_FILE_NAME, dump_index
from static_host.origin.representation import Representation, Resource, compute_digest, format_file_name

CSS = "text/css; charset=utf-8"
JAVASCRIPT = "text/javascript; charset=utf-8"


def describe(
    name: str,
    content: str,
    media_type: str = CSS,
    *,
    immutable: bool = False,
    match: str = "",
    fields: tuple[tuple[str, str | None], ...] = (),
    releases: tuple[int, ...] = (0,),
    deltas: Mapping[str, int] | None = None,
    **lengths: int,
) -> Resource:
    """Return the resource of a content that has these lengths by coding; `deltas` has those against other contents."""
    rows = []
    for coding, length in {"identity": len(content), **lengths}.items():
        digest = compute_digest(content.encode() if coding == "identity" else f"{content} {coding}".encode())
        rows.append(Representation(coding, format_file_name(name, coding), length, digest))
    for other, length in (deltas or {}).items():
        needs = b64encode(sha256(other.encode()).digest()).decode()
        digest = compute_digest(f"{content} {other}".encode())
        rows.append(Representation("dcz", format_file_name(name, "dcz", needs), length, digest, needs))
    rows.sort(key=lambda each: each.length)
    return Resource(media_type, immutable, tuple(rows), releases, match, fields)


def write_index(root: Path, *named: tuple[str, Resource], prefix: str = "/static/") -> Path:
    """Write the index of these resources into the directory `root`, and return it."""
    root.mkdir(parents=True, exist_ok=True)
    (root / INDEX_FILE_NAME).write_bytes(dump_index(prefix, dict(named)))
    return root
