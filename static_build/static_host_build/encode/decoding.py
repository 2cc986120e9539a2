"""Decodes content codings as a browser does.

Rule: decoding stops one chunk after the expected length, whatever the file would decode to.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from gzip import GzipFile
from hashlib import sha256
from io import BytesIO
from typing import IO

import brotli

from static_host.origin.representation import DICTIONARY_CODING, Representation, shorten_digest
from static_host_build.encode import dcz

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_CHUNK_BYTES = 1 << 16
_ZSTD_DECODER_OPTIONS: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}  # 8 MB: RFC 9659
_DECODER_ERRORS = (brotli.error, zstd.ZstdError, zlib.error, EOFError)


def decode(coding: str, body: bytes, max_bytes: int) -> bytes | None:
    """Return what a browser decodes; None if it fails to decode, or gets more than `max_bytes`."""
    data = bytearray()
    try:
        for chunk in _decode(coding, BytesIO(body), b""):
            data += chunk
            if len(data) > max_bytes:
                return None
    except (*_DECODER_ERRORS, OSError):  # the last is gzip's
        return None
    return bytes(data)


def is_encoding_of(source: Representation, coding: str, file: IO[bytes], dictionary: bytes) -> bool:
    """Whether the file decodes to the source's bytes. Raises OSError if the file cannot be read."""
    if coding == "identity":
        return True  # its digest is the source's
    seen, left = sha256(), source.length
    try:
        for chunk in _decode(coding, file, dictionary):
            left -= len(chunk)
            if left < 0:
                return False
            seen.update(chunk)
    except _DECODER_ERRORS:
        return False
    except OSError as error:
        if error.errno is None:  # gzip's own
            return False
        raise
    return shorten_digest(seen.digest()) == source.digest


def _decode(coding: str, file: IO[bytes], dictionary: bytes) -> Iterator[bytes]:
    """Yield the decoded bytes in chunks. Raises the decoder's error, EOFError for an incomplete file or a wrong end."""
    if coding == "br":
        yield from _decode_brotli(file)
        return
    if coding == "gzip":
        reader: GzipFile | zstd.ZstdFile = GzipFile(fileobj=file)
    elif coding == DICTIONARY_CODING:
        reader = dcz.open_reader(file, dictionary)
    else:
        reader = zstd.ZstdFile(file, options=_ZSTD_DECODER_OPTIONS)
    while chunk := reader.read(_CHUNK_BYTES):
        yield chunk


def _decode_brotli(file: IO[bytes]) -> Iterator[bytes]:
    decoder = brotli.Decompressor()
    while not decoder.is_finished():
        data = file.read(_CHUNK_BYTES) if decoder.can_accept_more_data() else b""
        piece = decoder.process(data, output_buffer_limit=_CHUNK_BYTES)
        if not data and not piece and decoder.can_accept_more_data():
            raise EOFError
        yield piece
    if file.read(1):  # the decoder itself refuses bytes after the end within a chunk
        raise EOFError
