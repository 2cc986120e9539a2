"""Bytes → encoded bytes, for each content coding that pays.

Rule: each coding is judged on its own, against the unencoded bytes; what WhiteNoise leaves alone (its list of
compressed formats, its threshold of 5 %) is left alone here, and so is what saves less than its headers cost. Equal
bytes give equal encoded bytes: no file names and no times in gzip's header.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import brotli
from whitenoise.compress import Compressor

RECIPE = f"1:br11-{brotli.__version__}+gzip9-{zlib.ZLIB_RUNTIME_VERSION}"
"""What the cache must know: other settings or another encoder make other bytes."""

HEADERS = len("content-encoding: gzip\r\nvary: Accept-Encoding\r\n")
"""Bytes that every response with a content coding carries for it."""


class Encoder(Compressor):  # type: ignore[misc]  # it ships no types
    """WhiteNoise's Compressor, with bytes instead of files and a verdict for each coding."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.codings: dict[str, Callable[[bytes], bytes]] = {
            "br": self.compress_brotli,
            "gzip": self.compress_gzip,
        }

    def encoded(self, data: bytes) -> dict[str, bytes]:
        """Return the encoded bytes of each coding that saves at least 5 %, and more than its headers cost."""
        candidates = {coding: encode(data) for coding, encode in self.codings.items()}
        return {
            coding: result
            for coding, result in candidates.items()
            if len(data) - len(result) > HEADERS and self.is_compressed_effectively(coding, "", len(data), result)
        }

    @staticmethod
    def compress_brotli(data: bytes) -> bytes:
        """Return `data` at brotli's highest quality."""
        encoded: bytes = brotli.compress(data, quality=11)
        return encoded
