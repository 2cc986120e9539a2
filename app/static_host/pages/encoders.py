"""Encoders of pages: pieces of a body in, encoded bytes out, with padding of a random length inside the format.

Rule: each piece can be decoded when it has arrived. Where a page has a secret and what an attacker has written, the
length of the encoded page tells how alike they are (BREACH). Padding hides it, as Django's GZipMiddleware does ("Heal
the BREACH"): as a file name in gzip (RFC 1952 §2.3.1), as a skippable frame in zstd (RFC 8878 §3.1.2), as a metadata
block in brotli (RFC 7932 §9.2). The levels take 30 to 80 µs for 20 kB. Small windows bound the memory of a stream.
"""

from __future__ import annotations

import secrets
import sys
import zlib
from hashlib import sha256
from typing import Protocol

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_ZSTD_OPTIONS: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 3,
    zstd.CompressionParameter.window_log: 17,
    zstd.CompressionParameter.hash_log: 15,
    zstd.CompressionParameter.chain_log: 15,
}
_DICTIONARY_OPTIONS = {**_ZSTD_OPTIONS, zstd.CompressionParameter.compression_level: 6}
_DICTIONARY_MAGIC = bytes.fromhex("5e2a4d1820000000")
_BROTLI_QUALITY, _BROTLI_WINDOW_BITS = 4, 17
_GZIP_LEVEL = 5
_GZIP_WINDOW_BITS = 15 + 16  # 16: with gzip's header and trailer
_HAS_NAME = b"\x08"
_SKIPPABLE_FRAME = b"\x50\x2a\x4d\x18"


class Encoder(Protocol):
    """Encodes one body."""

    def encode(self, piece: bytes, *, is_last: bool) -> bytes:
        """Return what a client needs to decode all pieces up to this one."""


class ZstdEncoder:
    """The coding zstd, or dcz, which has a `header`; its padding comes first."""

    def __init__(self, padding_bytes: int, encoder: zstd.ZstdCompressor | None = None, header: bytes = b"") -> None:
        self._encoder = encoder or zstd.ZstdCompressor(options=_ZSTD_OPTIONS)
        size = padding_bytes.to_bytes(4, "little")
        self._start = header + (_SKIPPABLE_FRAME + size + bytes(padding_bytes) if padding_bytes else b"")

    def encode(self, piece: bytes, *, is_last: bool) -> bytes:
        """Return what a client needs to decode all pieces up to this one."""
        start, self._start = self._start, b""
        encoder = self._encoder
        return start + encoder.compress(piece, encoder.FLUSH_FRAME if is_last else encoder.FLUSH_BLOCK)


class PageDictionary:
    """Text that pages are likely to have, ready for the encoder."""

    def __init__(self, content: bytes) -> None:
        self.sha_256 = sha256(content).digest()
        self._raw = zstd.ZstdDict(content, is_raw=True)

    def open_encoder(self, padding_bytes: int) -> Encoder:
        """Return the encoder of one body: the coding dcz (RFC 9842 §5)."""
        compressor = zstd.ZstdCompressor(options=_DICTIONARY_OPTIONS, zstd_dict=self._raw.as_digested_dict)
        return ZstdEncoder(padding_bytes, compressor, _DICTIONARY_MAGIC + self.sha_256)


class BrotliEncoder:
    """The coding br; its padding, of at most 256 bytes, comes last: that is what one byte of MSKIPLEN can say."""

    def __init__(self, padding_bytes: int) -> None:
        self._encoder = brotli.Compressor(quality=_BROTLI_QUALITY, lgwin=_BROTLI_WINDOW_BITS)
        self._padding_bytes = padding_bytes

    def encode(self, piece: bytes, *, is_last: bool) -> bytes:
        """Return what a client needs to decode all pieces up to this one."""
        encoder = self._encoder
        if is_last and not self._padding_bytes:
            return bytes(encoder.process(piece) + encoder.finish())
        encoded = encoder.process(piece) + encoder.flush()  # up to a whole byte
        if not is_last:
            return bytes(encoded)
        # ISLAST 0, MNIBBLES 3 for metadata, a reserved 0, MSKIPBYTES 1, MSKIPLEN - 1; then to a whole byte
        header = 3 << 1 | 1 << 4 | (self._padding_bytes - 1) << 6
        return bytes(encoded + header.to_bytes(2, "little") + bytes(self._padding_bytes) + encoder.finish())


class GzipEncoder:
    """The coding gzip; its padding comes first."""

    def __init__(self, padding_bytes: int) -> None:
        self._encoder = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW_BITS)
        self._name = b"a" * (padding_bytes - 1) + b"\0" if padding_bytes else b""

    def encode(self, piece: bytes, *, is_last: bool) -> bytes:
        """Return what a client needs to decode all pieces up to this one."""
        name, self._name = self._name, b""
        encoded = self._encoder.compress(piece)
        encoded += self._encoder.flush(zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH)
        return encoded[:3] + _HAS_NAME + encoded[4:10] + name + encoded[10:] if name else encoded


_ENCODERS: dict[str, type[ZstdEncoder | BrotliEncoder | GzipEncoder]] = {
    "zstd": ZstdEncoder,
    "br": BrotliEncoder,
    "gzip": GzipEncoder,
}


def open_encoder(coding: str, max_padding_bytes: int, dictionary: PageDictionary | None = None) -> Encoder:
    """Return the encoder of one body, with a padding of 1 to `max_padding_bytes`; 0: none."""
    padding_bytes = 1 + secrets.randbelow(max_padding_bytes) if max_padding_bytes else 0
    return dictionary.open_encoder(padding_bytes) if dictionary else _ENCODERS[coding](padding_bytes)
