"""The content coding dcz: a zstd frame whose dictionary is another file (RFC 9842 §5).

Rule: browsers can decode every result. Their window is 8 MB or 1.25 times the dictionary, at most 128 MB.
"""

from __future__ import annotations

import math
import sys
from base64 import b64decode
from hashlib import sha256
from typing import IO

from static_host.origin.representation import Representation, compute_digest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC = bytes.fromhex("5e2a4d1820000000")
"""The first bytes of a delta (RFC 9842 §5): a skippable zstd frame around the 32 bytes that follow."""
HEADER_BYTES = len(MAGIC) + 32

_MAX_FRAME_HEADER_BYTES = 18
"""The longest header of a zstd frame (RFC 8878 §3.1.1.1)."""
_LEVELS = {"best": 22, "fast": 17}
"""zstd's level, by DJANGO_STATIC_EFFORT."""
_MIN_WINDOW_BYTES = 8 << 20
_MAX_WINDOW_BYTES = 128 << 20


def format_recipe(effort: str) -> str:
    """Return the recipe of deltas: what their bytes depend on besides the two files."""
    return f"zstd-{zstd.zstd_version}-{effort}-1"


def encode_delta(data: bytes, dictionary: bytes, effort: str) -> bytes:
    """Return the delta of `data` against `dictionary`."""
    return MAGIC + sha256(dictionary).digest() + compress_frame(data, dictionary, _LEVELS[effort])


def make_header(dictionary: str) -> bytes:
    """Return the header of a delta; `dictionary` is its dictionary's SHA-256 in base64."""
    return MAGIC + b64decode(dictionary)


def has_matching_header(file: IO[bytes], dictionary: str, length: int) -> bool:
    """Whether a file's header names this dictionary (SHA-256 in base64) and, if any, this decoded length in bytes."""
    begins = file.read(HEADER_BYTES + _MAX_FRAME_HEADER_BYTES)
    try:
        decoded_length = zstd.get_frame_info(begins[HEADER_BYTES:]).decompressed_size
    except zstd.ZstdError:
        return False
    return begins.startswith(make_header(dictionary)) and decoded_length in (None, length)


def open_reader(file: IO[bytes], dictionary: bytes) -> zstd.ZstdFile:
    """Return a reader that decodes like a browser with the dictionary. Raises EOFError for another dictionary."""
    if file.read(HEADER_BYTES) != MAGIC + sha256(dictionary).digest():
        raise EOFError
    return zstd.ZstdFile(
        file, options=_make_decoder_options(len(dictionary)), zstd_dict=_make_raw_dictionary(dictionary)
    )


def compress_frame(data: bytes, dictionary: bytes, level: int) -> bytes:
    """Return one zstd frame, with a window that covers the whole dictionary up to the end of the frame."""
    max_bytes = _compute_window_bytes(len(dictionary))
    bits = (len(data) - 1).bit_length() if len(data) <= max_bytes else max_bytes.bit_length() - 1
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: level,
        zstd.CompressionParameter.window_log: max(bits, 10),
    }
    return zstd.compress(data, options=options, zstd_dict=_make_raw_dictionary(dictionary))


def is_delta_of(delta: IO[bytes], dictionary: bytes, source: Representation) -> bool:
    """Whether a delta file decodes to the source with this dictionary."""
    delta.seek(0)
    try:
        return compute_digest(open_reader(delta, dictionary).read(source.length + 1)) == source.digest
    except (zstd.ZstdError, EOFError):
        return False


def _make_raw_dictionary(dictionary: bytes) -> tuple[zstd.ZstdDict, int]:
    """Return a raw dictionary: zstd would parse one that begins with its magic number."""
    return zstd.ZstdDict(dictionary, is_raw=True).as_prefix


def _compute_window_bytes(length: int) -> int:
    """Return the window in bytes that a browser must support for a dictionary of this length (RFC 9842 §5)."""
    return min(max(_MIN_WINDOW_BYTES, length * 5 // 4), _MAX_WINDOW_BYTES)


def _make_decoder_options(length: int) -> dict[int, int]:
    """Return decoder options with exactly the window that a browser must support."""
    return {zstd.DecompressionParameter.window_log_max: math.ceil(math.log2(_compute_window_bytes(length)))}
