"""Trees that a test makes by itself, file by file: what the index says of them is literal or follows from the bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from static_host.origin.index import dump_index
from static_host.origin.representation import Representation, Resource, compute_digest

Files = Mapping[str, bytes | Mapping[str, bytes]]
"""What lies under a name: its bytes, or those of its codings."""

SUFFIXES = {"identity": "", "gzip": ".gz", "br": ".br", "zstd": ".zst"}


def make_resource(
    name: str, encoded: Mapping[str, bytes], *, media_type: str = "text/plain", immutable: bool = False
) -> Resource:
    """Return the resource whose representations have these bytes, by content coding."""
    representations = (
        Representation(coding, name + SUFFIXES[coding], len(body), compute_digest(body))
        for coding, body in encoded.items()
    )
    return Resource(media_type, immutable, tuple(representations))


def make_tree(root: Path, files: Files) -> Path:
    """Write a tree of these files, and return `root`."""
    resources = {}
    for name, body in files.items():
        encoded = {"identity": body} if isinstance(body, bytes) else body
        resources[name] = make_resource(name, encoded)
        for coding, data in encoded.items():
            path = root / (name + SUFFIXES[coding])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    (root / "static-host.index").write_bytes(dump_index("/static/", resources))
    return root
