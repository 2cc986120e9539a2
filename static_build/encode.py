"""Bytes → encoded bytes, for each content coding that pays.

Rule: each coding is judged on its own, against the unencoded bytes; what WhiteNoise leaves alone (its list of
compressed formats, its threshold of 5 %) is left alone here, and so is what saves less than its headers cost. A large
file from which a quick look saves next to nothing (video, archives, whatever their names) is left alone too: the look
takes a moment where brotli takes minutes. Equal bytes give equal encoded bytes: no file names and no times in gzip's
header. Every result can be decoded by browsers: a zstd window of at most 8 MB (RFC 9659), brotli without its
large-window extension (RFC 7932).

A script or stylesheet that names its source map at its end differs from its fingerprinted copy only there. Its brotli
coding is therefore made in two parts: all up to where the fingerprint stands, which both copies share and which is
made once, and the few bytes after it, appended as they are (an uncompressed meta-block, RFC 7932 §9.2).
"""

from __future__ import annotations

import gzip
import re
import sys
import zlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib.util import find_spec

import brotli
from whitenoise.compress import Compressor

from app.settings import SettingsWrong

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HEADERS = len("content-encoding: gzip\r\nvary: Accept-Encoding\r\n")
"""Bytes that every response with a content coding carries for it."""

_ZSTD: dict[int, int] = {zstd.CompressionParameter.compression_level: 22, zstd.CompressionParameter.window_log: 23}
_DECODABLE: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
_LARGE = 1 << 20
_QUICK: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 1,
    zstd.CompressionParameter.window_log: 23,
    zstd.CompressionParameter.enable_long_distance_matching: 1,
}
_HOPELESS = 0.99
"""What a quick look leaves of a large file, at least, if nothing saves 5 % of it."""
_SOURCE_MAP = re.compile(rb"sourceMappingURL=[^\s*]+?(?P<rest>(?:\.[0-9a-f]{12})?\.map[ \t]*(?:\*/)?\s*)\Z")
_END = 512
"""Bytes at a file's end in which the name of its source map is looked for."""
_WINDOWS = range(16, 25)
"""Binary logarithms of brotli's standard windows, from the one that all encoders make (RFC 7932 §9.1)."""


class Encoder(Compressor):  # type: ignore[misc]  # it ships no types
    """WhiteNoise's Compressor, with bytes instead of files and a verdict for each coding.

    `codings` are values of DJANGO_STATIC_CODINGS. `zopfli` makes the gzip coding too, in place of zlib.
    """

    def __init__(self, codings: Iterable[str]) -> None:
        super().__init__(quiet=True)
        chosen = set(codings)
        if "zopfli" in chosen and not find_spec("zopfli"):
            raise SettingsWrong(
                "DJANGO_STATIC_CODINGS has zopfli, which is not installed: install django-static-host[zopfli]."
            )
        makers: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
            "br": ("br", self.compress_brotli, brotli.__version__),
            "zstd": ("zstd", compress_zstd, zstd.zstd_version),
            "gzip": ("gzip", self.compress_gzip, zlib.ZLIB_RUNTIME_VERSION),
            "zopfli": ("gzip", compress_zopfli, "1"),
        }
        used = {name: makers[name] for name in makers if name in chosen}
        self._encoders = {coding: encode for coding, encode, _ in used.values()}
        self.chosen = tuple(self._encoders)
        """The content codings that it makes."""
        self.recipe = "4:" + ",".join(f"{name}-{version}" for name, (_, _, version) in used.items())
        """What a cache must know: other encoders, or other versions of them, make other bytes."""

    def encoded(self, data: bytes) -> dict[str, bytes]:
        """Return the encoded bytes of each coding that saves at least 5 %, and more than its headers cost."""
        if len(data) >= _LARGE and len(zstd.compress(data, options=_QUICK)) > _HOPELESS * len(data):
            return {}
        candidates = {coding: encode(data) for coding, encode in self._encoders.items()}
        return {coding: result for coding, result in candidates.items() if self.pays(coding, data, result)}

    def pays(self, coding: str, data: bytes, result: bytes) -> bool:
        """Whether `result` saves at least 5 % of `data`, and more than its headers cost."""
        effective: bool = self.is_compressed_effectively(coding, "", len(data), result)
        return effective and len(data) - len(result) > HEADERS

    @staticmethod
    def compress_brotli(data: bytes) -> bytes:
        """Return `data` at brotli's highest quality, with the smallest standard window that holds all of it."""
        rest = after_the_fingerprint(data)
        if rest:
            return _begun(data[:-rest]) + _uncompressed(data[-rest:])
        encoded: bytes = brotli.compress(data, quality=11, lgwin=_window(len(data)))
        return encoded


def after_the_fingerprint(data: bytes) -> int:
    """Return how many bytes stand where the name of the file's source map gets its fingerprint, and after it.

    0 if it names none at its end. The last 512 bytes of a file will do.
    """
    match = _SOURCE_MAP.search(data[-_END:])
    return len(match["rest"]) if match else 0


@lru_cache(maxsize=8)
def _begun(data: bytes) -> bytes:
    """Return the beginning of a brotli stream: `data`, up to a whole byte, without an end."""
    compressor = brotli.Compressor(quality=11, lgwin=_window(len(data) + _END))
    return bytes(compressor.process(data) + compressor.flush())


def _uncompressed(data: bytes) -> bytes:
    """Return the end of a brotli stream: a meta-block of `data` as it is, and an empty last one (RFC 7932 §9.2)."""
    header = (len(data) - 1) << 3 | 1 << 19  # ISLAST 0, MNIBBLES 4, MLEN - 1, ISUNCOMPRESSED 1; then to a whole byte
    return header.to_bytes(3, "little") + data + b"\x03"  # ISLAST 1, ISLASTEMPTY 1


def _window(length: int) -> int:
    return next((bits for bits in _WINDOWS if length <= (1 << bits) - 16), _WINDOWS[-1])


def decoded(coding: str, body: bytes) -> bytes | None:
    """Return what a browser would decode, or None where it could not."""
    try:
        if coding == "zstd":
            return zstd.decompress(body, options=_DECODABLE)
        return gzip.decompress(body) if coding == "gzip" else bytes(brotli.decompress(body))
    except (brotli.error, zstd.ZstdError, OSError, EOFError, zlib.error):
        return None


def without_time(body: bytes) -> bytes:
    """Return a gzip file without the time in its header (RFC 1952 §2.3.1, MTIME); anything else as it is."""
    return body[:4] + bytes(4) + body[8:] if body.startswith(b"\x1f\x8b\x08") else body


def compress_zstd(data: bytes) -> bytes:
    """Return `data` at zstd's highest level, within a window of 8 MB."""
    return zstd.compress(data, options=_ZSTD)


def compress_zopfli(data: bytes) -> bytes:
    """Return `data` as zopfli's gzip: smaller than zlib's, and far slower to make."""
    from zopfli.gzip import compress  # an extra

    encoded: bytes = compress(data)
    return encoded
