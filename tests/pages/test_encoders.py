"""Pages in a content coding, decoded again by decoders of others."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from static_host.pages.encoders import BrotliEncoder, Encoder, GzipEncoder, ZstdEncoder, open_encoder

PAGE = b"<!doctype html>" + b"".join(b"<p>%d</p>\n" % number for number in range(3000))


def unzstd(data: bytes) -> bytes:
    found = b""
    while data:  # one frame after the other, also skippable ones
        decoder = zstandard.ZstdDecompressor().decompressobj()
        found += decoder.decompress(data)
        data = decoder.unused_data
    return found


DECODERS: dict[str, Callable[[bytes], bytes]] = {"zstd": unzstd, "br": brotli.decompress, "gzip": gzip.decompress}
KINDS: list[tuple[type[Any], str]] = [(ZstdEncoder, "zstd"), (BrotliEncoder, "br"), (GzipEncoder, "gzip")]


def encode(encoder: Encoder, *pieces: bytes) -> bytes:
    return b"".join(encoder.encode(piece, is_last=piece is pieces[-1]) for piece in pieces)


@pytest.mark.parametrize(("kind", "coding"), KINDS)
@pytest.mark.parametrize("padding_bytes", [0, 1, 2, 63, 64, 65, 100, 255, 256])
@pytest.mark.parametrize("page", [b"", b"a", PAGE])
def test_any_padding_can_be_decoded(kind: type[Any], coding: str, padding_bytes: int, page: bytes) -> None:
    encoded = encode(kind(padding_bytes), page)
    assert DECODERS[coding](encoded) == page
    least = {"zstd": 8, "br": 2, "gzip": 0}[coding] if padding_bytes else 0
    longer = len(encoded) - len(encode(kind(0), page))
    assert padding_bytes + least <= longer <= padding_bytes + least + 3  # brotli also comes to a whole byte twice


@pytest.mark.parametrize(("kind", "coding"), KINDS)
@given(pieces=st.lists(st.binary(max_size=300), min_size=1, max_size=8), padding_bytes=st.integers(0, 100))
def test_any_pieces_can_be_decoded(kind: type[Any], coding: str, pieces: list[bytes], padding_bytes: int) -> None:
    encoder = kind(padding_bytes)
    encoded = [encoder.encode(piece, is_last=False) for piece in pieces] + [encoder.encode(b"", is_last=True)]
    assert DECODERS[coding](b"".join(encoded)) == b"".join(pieces)


def test_each_piece_can_be_decoded_when_it_has_arrived() -> None:
    readers = {
        "zstd": zstandard.ZstdDecompressor(),
        "br": brotli.Decompressor(),
        "gzip": zlib.decompressobj(31),
    }
    for kind, coding in KINDS:
        encoder, seen = kind(0 if coding == "zstd" else 50), b""  # this decoder reads one frame at a time
        reader = readers[coding].decompressobj() if coding == "zstd" else readers[coding]
        feed = reader.process if coding == "br" else reader.decompress
        for end in range(1000, len(PAGE), 1000):
            seen += feed(encoder.encode(PAGE[end - 1000 : end], is_last=False))
            assert seen == PAGE[:end], coding


def test_the_padding_s_length_is_random(monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(1)
    monkeypatch.setattr("secrets.randbelow", source.randrange)
    for coding, decode in DECODERS.items():
        lengths = {len(encode(open_encoder(coding, 100), PAGE)) for _ in range(2000)}
        assert len(lengths) == 100
        assert max(lengths) - min(lengths) == 99
        assert decode(encode(open_encoder(coding, 1), PAGE)) == PAGE


def test_without_padding_equal_pages_are_equal_bytes() -> None:
    for coding in DECODERS:
        assert encode(open_encoder(coding, 0), PAGE) == encode(open_encoder(coding, 0), PAGE)


def test_literal_bytes() -> None:
    assert encode(ZstdEncoder(3), b"") == b"\x50\x2a\x4d\x18\x03\0\0\0\0\0\0" + encode(ZstdEncoder(0), b"")
    assert encode(GzipEncoder(3), b"") == b"\x1f\x8b\x08\x08\0\0\0\0\0\x03aa\0\x03\0\0\0\0\0\0\0\0\0"
    assert encode(BrotliEncoder(2), b"")[-5:] == b"\x56\0\0\0\x03"  # 0b01_01_0_11_0: metadata, 2 bytes; then the end
