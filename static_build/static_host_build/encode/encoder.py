"""Bytes → encoded bytes, for each content coding that pays.

Rule: each coding is compared with the unencoded bytes on its own. As in WhiteNoise, compressed formats are skipped, and
a coding must save 5 %; it must also save more than its headers cost. A large file that a quick trial hardly shrinks
(video or archives of any name) is skipped as well: the trial takes a moment, brotli takes minutes. Equal bytes give
equal encoded bytes: gzip's header has neither file name nor time. Browsers can decode every result: a zstd window of at
most 8 MB (RFC 9659), brotli without its large-window extension (RFC 7932).

A script or stylesheet that names its source map at its end differs from its fingerprinted copy only there. So its
brotli coding has two parts. The part before the fingerprint is the same for both copies, and is encoded once. The few
bytes after it are appended unencoded (an uncompressed meta-block, RFC 7932 §9.2).
"""

from __future__ import annotations

import gzip
import io
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Literal

import brotli
from whitenoise.compress import Compressor

from static_host.conf.settings import InvalidSettingsError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CODING_HEADER_BYTES = len("content-encoding: gzip\r\nvary: Accept-Encoding\r\n")
"""Bytes of the header fields that a response with a content coding needs."""

Effort = Literal["best", "fast"]
"""Values of DJANGO_STATIC_EFFORT."""


@dataclass(frozen=True, slots=True)
class Levels:
    """The effort of each encoder: brotli's quality, the levels of zstd and gzip."""

    br: int
    zstd: int
    gzip: int


_RECIPES: dict[Effort, str] = {"best": "best-5", "fast": "fast-7"}
_BEST_LEVELS = Levels(br=11, zstd=22, gzip=9)
_FAST = (
    (5 << 10, Levels(br=9, zstd=9, gzip=5)),
    (128 << 10, Levels(br=10, zstd=9, gzip=5)),
    (256 << 10, Levels(br=5, zstd=15, gzip=5)),
    (sys.maxsize, Levels(br=5, zstd=17, gzip=5)),
)
"""The levels of "fast" for contents below each length in bytes: time is spent where it saves most over the wire.

High brotli qualities save least for the shortest contents. For long ones zstd saves nearly as much in an eighth of the
time.
"""
_MIN_LARGE_BYTES = 1 << 20
_TRIAL_OPTIONS: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 1,
    zstd.CompressionParameter.window_log: 23,
    zstd.CompressionParameter.enable_long_distance_matching: 1,
}
_INCOMPRESSIBLE_RATIO = 0.99
"""If a quick trial leaves more than this of a large file, no coding saves 5 %."""
_UNPROMISING_RATIO = 0.9
"""If a quick trial leaves more than this of a file, an index is trusted that says that a coding did not pay."""
_MIN_TRIAL_BYTES = 4 << 10
"""Bytes of a file for which encoding takes no longer than a trial."""
_SOURCE_MAP = re.compile(rb"sourceMappingURL=[^\s*]+?(?P<rest>(?:\.[0-9a-f]{12})?\.map[ \t]*+(?:\*/)?\s*+)\Z")
_TAIL_BYTES = 512
"""Bytes at the end of a file that may name its source map."""
_BROTLI_WINDOW_BITS = range(16, 25)
"""Binary logarithms of brotli's standard windows, from the smallest that all encoders support (RFC 7932 §9.1)."""


class Encoder(Compressor):  # type: ignore[misc]  # it ships no types
    """WhiteNoise's Compressor, for bytes instead of files; it judges each coding on its own.

    `codings` are values of DJANGO_STATIC_CODINGS. `zopfli` makes the gzip coding instead of zlib, except with the
    effort "fast". Files with one of the `extensions` are not encoded; None: those of WhiteNoise.
    """

    def __init__(
        self, codings: Iterable[str], effort: Effort = "best", extensions: Sequence[str] | None = None
    ) -> None:
        super().__init__(extensions=extensions, quiet=True)
        chosen = set(codings)
        self._effort = effort
        if "zopfli" in chosen and not find_spec("zopfli"):
            raise InvalidSettingsError(
                "DJANGO_STATIC_CODINGS has zopfli, which is not installed: install django-static-host[zopfli]."
            )
        if effort == "fast":
            chosen = {"gzip" if name == "zopfli" else name for name in chosen}
        makers: dict[str, tuple[str, Callable[[bytes, Levels], bytes], str]] = {
            "br": ("br", _encode_brotli, brotli.__version__),
            "zstd": ("zstd", _encode_zstd, zstd.zstd_version),
            "gzip": ("gzip", _encode_gzip, zlib.ZLIB_RUNTIME_VERSION),
            "zopfli": ("gzip", _encode_zopfli, "1"),
        }
        used = {name: makers[name] for name in makers if name in chosen}
        self._encoders = {coding: encode for coding, encode, _ in used.values()}
        self.codings = tuple(self._encoders)
        """The content codings that this encoder makes."""
        self.recipes = {coding: f"{name}-{version}-{_RECIPES[effort]}" for name, (coding, _, version) in used.items()}
        """The recipe of each coding: encoder, version and effort, on which its bytes depend."""
        self.recipe = ",".join(self.recipes.values())

    def encode(self, data: bytes, known: Mapping[str, bytes | None] | None = None) -> dict[str, bytes]:
        """Return the encoded bytes of each worthwhile coding.

        `known` has the codings that another build made with the same recipes; None for one that did not pay there.
        """
        known = known or {}
        if (
            len(data) >= _MIN_LARGE_BYTES
            and not any(known.values())
            and _is_incompressible(data, _INCOMPRESSIBLE_RATIO)
        ):
            return {}
        idle = {coding for coding in known if known[coding] is None}
        if len(data) < _MIN_TRIAL_BYTES or not idle or not _is_incompressible(data, _UNPROMISING_RATIO):
            idle = set()
        levels = self._choose_levels(len(data))
        candidates = {
            coding: known.get(coding) or encode(data, levels)
            for coding, encode in self._encoders.items()
            if coding not in idle
        }
        return {coding: result for coding, result in candidates.items() if self.is_worthwhile(coding, data, result)}

    def _choose_levels(self, length: int) -> Levels:
        return _BEST_LEVELS if self._effort == "best" else next(levels for limit, levels in _FAST if length < limit)

    def is_worthwhile(self, coding: str, data: bytes, result: bytes) -> bool:
        """Whether `result` saves at least 5 % of `data`, and more than its headers cost."""
        effective: bool = self.is_compressed_effectively(coding, "", len(data), result)
        return effective and len(data) - len(result) > CODING_HEADER_BYTES


def _is_incompressible(data: bytes, ratio: float) -> bool:
    """Whether a quick trial leaves more than this part of the data."""
    return len(zstd.compress(data, options=_TRIAL_OPTIONS)) > ratio * len(data)


def _encode_brotli(data: bytes, levels: Levels) -> bytes:
    """Return `data` as brotli, with the smallest standard window that covers all of it."""
    rest = count_bytes_after_fingerprint(data)
    if rest:
        return _encode_brotli_start(data[:-rest], levels.br) + _encode_brotli_end(data[-rest:])
    encoded: bytes = brotli.compress(data, quality=levels.br, lgwin=_choose_window_bits(len(data)))
    return encoded


def count_bytes_after_fingerprint(data: bytes) -> int:
    """Return the number of bytes from the fingerprint of the source map's name to the end of the file.

    Returns 0 if the file does not name a source map at its end. Only the last 512 bytes count.
    """
    match = _SOURCE_MAP.search(data[-_TAIL_BYTES:])
    return len(match["rest"]) if match else 0


@lru_cache(maxsize=8)
def _encode_brotli_start(data: bytes, quality: int) -> bytes:
    """Return the beginning of a brotli stream that contains `data`, flushed to a whole byte."""
    compressor = brotli.Compressor(quality=quality, lgwin=_choose_window_bits(len(data) + _TAIL_BYTES))
    return bytes(compressor.process(data) + compressor.flush())


def _encode_brotli_end(data: bytes) -> bytes:
    """Return the end of a brotli stream: `data` uncompressed, and an empty last meta-block (RFC 7932 §9.2)."""
    header = (len(data) - 1) << 3 | 1 << 19  # ISLAST 0, MNIBBLES 4, MLEN - 1, ISUNCOMPRESSED 1; then to a whole byte
    return header.to_bytes(3, "little") + data + b"\x03"  # ISLAST 1, ISLASTEMPTY 1


def _choose_window_bits(length: int) -> int:
    return next((bits for bits in _BROTLI_WINDOW_BITS if length <= (1 << bits) - 16), _BROTLI_WINDOW_BITS[-1])


def _encode_zstd(data: bytes, levels: Levels) -> bytes:
    """Return `data` as zstd, within a window of 8 MB."""
    rest = 0 if levels is _BEST_LEVELS else count_bytes_after_fingerprint(data)
    if rest:  # two parts, as in _encode_brotli: the last block is raw, after its header (RFC 8878 §3.1.1.2)
        return _encode_zstd_start(data[:-rest], levels.zstd) + (rest << 3 | 1).to_bytes(3, "little") + data[-rest:]
    return zstd.compress(data, options=_make_zstd_options(levels.zstd))


@lru_cache(maxsize=8)
def _encode_zstd_start(data: bytes, level: int) -> bytes:
    """Return the beginning of a zstd frame without a content size: the blocks of `data`, without a last block."""
    compressor = zstd.ZstdCompressor(
        options={**_make_zstd_options(level), zstd.CompressionParameter.content_size_flag: 0}
    )
    compressor.set_pledged_input_size(len(data) + _TAIL_BYTES)  # approximate: the level's parameters depend on it
    return compressor.compress(data, mode=compressor.FLUSH_BLOCK)


def _make_zstd_options(level: int) -> dict[int, int]:
    return {zstd.CompressionParameter.compression_level: level, zstd.CompressionParameter.window_log: 23}


def strip_gzip_time(body: bytes) -> bytes:
    """Return a gzip file without the time in its header (RFC 1952 §2.3.1, MTIME); other data unchanged."""
    return body[:4] + bytes(4) + body[8:] if body.startswith(b"\x1f\x8b\x08") else body


def _encode_gzip(data: bytes, levels: Levels) -> bytes:
    """Return `data` as gzip without name and time. The output of ``gzip.compress`` depends on Python's version."""
    output = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=output, compresslevel=levels.gzip, mtime=0) as file:
        file.write(data)
    return output.getvalue()


def _encode_zopfli(data: bytes, _: Levels) -> bytes:
    """Return `data` as zopfli's gzip: smaller than zlib's, but far slower."""
    from zopfli.gzip import compress  # an extra

    encoded: bytes = compress(data)
    return encoded
