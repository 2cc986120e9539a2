"""``.svgz``: SVG that comes in its gzip coding → a resource like any other, whose codings are br, zstd, gzip and none.

Rule: the name is that of an image, ``image/svg+xml``; gzip is a content coding of it (RFC 9110 §8.4), which a client
may not accept. In a tree of the build's, the file of that name therefore is the SVG itself, and what came lies beside
it as its gzip sibling. In a tree that other tools made the file stays what it is, and the SVG is written beside it, as
``x.svgz.identity``. A file that is no gzip, or decodes to more than `MAX_SVG_BYTES`, is left as it is.

The bound is one of size, not of a ratio: drawings of repeated paths shrink to a hundredth, as zeros do to a thousandth,
and what takes the memory is the size. No browser draws an SVG of this length in a time that anyone waits.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from gzip import GzipFile
from io import BytesIO
from pathlib import Path

from static_host.origin.representation import CODING_SUFFIXES, SVGZ_IDENTITY_SUFFIX, Representation, compute_digest
from static_host_build.encode.decoding import decode
from static_host_build.tree_writer import TreeWriter

MAX_SVG_BYTES = 64 << 20
NOT_GZIP_WARNING = "%s is not gzip, which an .svgz file should be; it is served as it is"
TOO_LONG = (
    "%s (%s bytes) decodes to more than %d MiB, which no browser draws; it is served as it is. Simplify the drawing "
    "or remove the file"
)


def is_svgz(name: str) -> bool:
    """Whether a file of this name should be SVG in gzip."""
    return name.lower().endswith(".svgz")


def unfold(root: Path, writer: TreeWriter, fingerprinted: Collection[str]) -> Iterator[str]:
    """Write each such file below `root` as SVG, and what it was as its gzip sibling. Raises OSError.

    Gives a warning for each that is no gzip, unless it is the copy that is `fingerprinted`.
    """
    for name in sorted(_list_svgz(root)):
        body = (root / name).read_bytes()
        data = decode_svgz(body)
        if data is not None:
            writer.write(name, data)
            writer.write(name + CODING_SUFFIXES["gzip"], body)
        elif name not in fingerprinted:
            yield why_not(name, body)


def unfold_beside(root: Path, name: str, mode: int) -> tuple[Representation, ...]:
    """Write the SVG beside such a file, unless it is there; return the representations. Raises OSError.

    There are none where the file is no gzip.
    """
    body = (root / name).read_bytes()
    data = decode_svgz(body)
    if data is None:
        return ()
    beside = root / (name + SVGZ_IDENTITY_SUFFIX)
    if not beside.exists() or beside.read_bytes() != data:
        temporary = beside.with_name(f".{beside.name}")
        temporary.write_bytes(data)
        temporary.chmod(mode)
        temporary.replace(beside)
    identity = Representation("identity", name + SVGZ_IDENTITY_SUFFIX, len(data), compute_digest(data))
    gzip = Representation("gzip", name, len(body), compute_digest(body))
    return (gzip, identity) if len(body) < len(data) else (identity,)


def decode_svgz(body: bytes) -> bytes | None:
    """Return the SVG in the content of such a file; None where it is no gzip."""
    return decode("gzip", body, MAX_SVG_BYTES) if body else None  # for Python, nothing at all is gzip, too


def why_not(name: str, body: bytes) -> str:
    """Return the warning for a file that is left as it is."""
    with suppress(OSError, EOFError, zlib.error), GzipFile(fileobj=BytesIO(body)) as file:
        if len(file.read(MAX_SVG_BYTES + 1)) > MAX_SVG_BYTES:
            return TOO_LONG % (name, f"{len(body):,}", MAX_SVG_BYTES >> 20)
    return NOT_GZIP_WARNING % name


def _list_svgz(root: Path) -> Iterator[str]:
    for folder, _, files in os.walk(root):
        for file in filter(is_svgz, files):
            yield (Path(folder) / file).relative_to(root).as_posix()
