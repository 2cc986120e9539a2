"""The content coding dcz: a frame of zstd's whose dictionary are the bytes of another file (RFC 9842 §5).

Rule: every result can be decoded by browsers, whose window is 8 MB, or 1.25 times the dictionary, 128 MB at most.
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
"""What a delta begins with (RFC 9842 §5): a skippable frame of zstd's, of the 32 bytes that follow."""
HEADER_BYTES = len(MAGIC) + 32

_MAX_FRAME_HEADER_BYTES = 18
"""Bytes that the head of a zstd frame has at most (RFC 8878 §3.1.1.1)."""
_LEVELS = {"best": 22, "fast": 17}
"""zstd's level by DJANGO_STATIC_EFFORT."""
_MIN_WINDOW_BYTES = 8 << 20
_MAX_WINDOW_BYTES = 128 << 20


def format_recipe(effort: str) -> str:
    """Return what the bytes of a delta depend on beside those of the two files."""
    return f"zstd-{zstd.zstd_version}-{effort}-1"


def encode_delta(data: bytes, dictionary: bytes, effort: str) -> bytes:
    """Return the delta of `data` against `dictionary`."""
    return MAGIC + sha256(dictionary).digest() + compress_frame(data, dictionary, _LEVELS[effort])


def make_header(dictionary: str) -> bytes:
    """Return what a delta begins with whose dictionary has this SHA-256, in base64."""
    return MAGIC + b64decode(dictionary)


def has_matching_header(file: IO[bytes], dictionary: str, length: int) -> bool:
    """Whether a file says itself that it is a delta with this dictionary (SHA-256 in base64), to so many bytes."""
    begins = file.read(HEADER_BYTES + _MAX_FRAME_HEADER_BYTES)
    try:
        told = zstd.get_frame_info(begins[HEADER_BYTES:]).decompressed_size
    except zstd.ZstdError:
        return False
    return begins.startswith(make_header(dictionary)) and told in (None, length)


def open_reader(file: IO[bytes], dictionary: bytes) -> zstd.ZstdFile:
    """Return what reads the file as a browser would that has the dictionary. Raises EOFError for another one's."""
    if file.read(HEADER_BYTES) != MAGIC + sha256(dictionary).digest():
        raise EOFError
    return zstd.ZstdFile(
        file, options=_make_decoder_options(len(dictionary)), zstd_dict=_make_raw_dictionary(dictionary)
    )


def compress_frame(data: bytes, dictionary: bytes, level: int) -> bytes:
    """Return one frame of zstd's. Within its window all of the dictionary can be referred to, to the frame's end."""
    most = _compute_window_bytes(len(dictionary))
    bits = (len(data) - 1).bit_length() if len(data) <= most else most.bit_length() - 1
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: level,
        zstd.CompressionParameter.window_log: max(bits, 10),
    }
    return zstd.compress(data, options=options, zstd_dict=_make_raw_dictionary(dictionary))


def is_delta_of(delta: IO[bytes], dictionary: bytes, source: Representation) -> bool:
    """Whether a delta, from its beginning on, gives that source, if one has these bytes."""
    delta.seek(0)
    try:
        return compute_digest(open_reader(delta, dictionary).read(source.length + 1)) == source.digest
    except (zstd.ZstdError, EOFError):
        return False


def _make_raw_dictionary(dictionary: bytes) -> tuple[zstd.ZstdDict, int]:
    """Return bytes as a dictionary that is nothing but bytes, whatever they begin with."""
    return zstd.ZstdDict(dictionary, is_raw=True).as_prefix


def _compute_window_bytes(length: int) -> int:
    """Return how many bytes of window a browser must give to a dictionary of this length (RFC 9842 §5)."""
    return min(max(_MIN_WINDOW_BYTES, length * 5 // 4), _MAX_WINDOW_BYTES)


def _make_decoder_options(length: int) -> dict[int, int]:
    """Return the options of a decoder that gives what a browser must, for a dictionary of this length."""
    return {zstd.DecompressionParameter.window_log_max: math.ceil(math.log2(_compute_window_bytes(length)))}
