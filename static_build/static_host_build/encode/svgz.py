"""``.svgz``, which is SVG in gzip, → an ordinary resource with the codings br, zstd, gzip and identity.

Rule: the name denotes an image of the type ``image/svg+xml``. gzip is one of its content codings (RFC 9110 §8.4), which
a client may not accept. So in a tree of the build, the file of that name is the SVG itself, and the original file is
its gzip sibling. In a tree of other tools, the file stays, and the SVG is written beside it as ``x.svgz.identity``. A
file that is not gzip, or decodes to more than `MAX_SVG_BYTES`, stays unchanged.

The limit is on the size, not on the ratio. Drawings with repeated paths shrink to a hundredth, and only the size takes
memory. No browser draws an SVG of this size in acceptable time.
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
from static_host_django.tree_writer import TreeWriter

MAX_SVG_BYTES = 64 << 20
NOT_GZIP_WARNING = "%s is not gzip, although it is an .svgz file; it is served unchanged"
TOO_LONG_WARNING = (
    "%s (%s bytes) decodes to more than %d MiB, which no browser draws; it is served unchanged. Simplify the drawing "
    "or remove the file"
)


def is_svgz(name: str) -> bool:
    """Whether a file of this name should be SVG in gzip."""
    return name.lower().endswith(".svgz")


def unfold(root: Path, writer: TreeWriter, fingerprinted: Collection[str]) -> Iterator[str]:
    """Replace each ``.svgz`` file below `root` with its SVG, and write the original as its gzip sibling.

    Yields a warning for each file that stays unchanged, unless it is a `fingerprinted` copy. Raises OSError.
    """
    for name in sorted(_list_svgz(root)):
        body = (root / name).read_bytes()
        data = decode_svgz(body)
        if data is not None:
            writer.write(name, data)
            writer.write(name + CODING_SUFFIXES["gzip"], body)
        elif name not in fingerprinted:
            yield explain_unchanged(name, body)


def unfold_beside(root: Path, name: str, mode: int) -> tuple[Representation, ...]:
    """Write the SVG beside a ``.svgz`` file, if it is not there yet; return the representations. Raises OSError.

    Returns none if the file stays unchanged.
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
    """Return the SVG in the content of a ``.svgz`` file; None if it is not gzip, or too long."""
    return decode("gzip", body, MAX_SVG_BYTES) if body else None  # Python takes an empty file for gzip


def explain_unchanged(name: str, body: bytes) -> str:
    """Return the warning for a ``.svgz`` file that stays unchanged."""
    with suppress(OSError, EOFError, zlib.error), GzipFile(fileobj=BytesIO(body)) as file:
        if len(file.read(MAX_SVG_BYTES + 1)) > MAX_SVG_BYTES:
            return TOO_LONG_WARNING % (name, f"{len(body):,}", MAX_SVG_BYTES >> 20)
    return NOT_GZIP_WARNING % name


def _list_svgz(root: Path) -> Iterator[str]:
    for folder, _, files in os.walk(root):
        for file in filter(is_svgz, files):
            yield (Path(folder) / file).relative_to(root).as_posix()
