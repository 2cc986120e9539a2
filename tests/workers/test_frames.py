"""The frames between the front and a worker: literal bytes, any split, garbage."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

import pytest

from static_host_django.frames import (
    MAX_PAYLOAD_BYTES,
    FileForm,
    Frame,
    FrameError,
    FrameReader,
    Head,
    Kind,
    decode_file,
    decode_head,
    decode_response,
    encode,
    encode_file,
    encode_head,
    encode_pieces,
    encode_response,
    split_field_lines,
)

STREAM = (
    b"\x01\x04\x01\x00\x00\x00\x00\x17200\0content-type: a/b\r\n"
    b"\x01\x03\x01\x00\x00\x00\x00\x03abc"
    b"\x01\x03\x00\x00\x00\x00\x00\x00"
    b"\x01\x07\x00\x00\x00\x00\x00\x00"
)
FRAMES = [
    Frame(Kind.RESPONSE, b"200\0content-type: a/b\r\n", more=True),
    Frame(Kind.BODY, b"abc", more=True),
    Frame(Kind.BODY, b""),
    Frame(Kind.IDLE, b""),
]


FILES = [
    (
        b"\x01\x0d\x01\x00\x00\x00\x00\x14C\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x03abc",
        (FileForm.CONTENT, 0, 3, b"abc"),
    ),
    (
        b"\x01\x0d\x01\x00\x00\x00\x00\x11C\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        (FileForm.CONTENT, 0, 0, b""),
    ),
    (
        b"\x01\x0d\x01\x00\x00\x00\x00\x11D\0\0\0\0\0\0\x01\x02\0\0\0\xe8\xd4\xa5\x10\0",
        (FileForm.DESCRIPTOR, 258, 1_000_000_000_000, b""),
    ),
    (
        b"\x01\x0d\x01\x00\x00\x00\x00\x11L\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x09",
        (FileForm.LENGTH, 0, 9, b""),
    ),
]


@pytest.mark.parametrize(("data", "file"), FILES)
def test_a_file_is_its_form_its_place_and_its_content(data: bytes, file: tuple[FileForm, int, int, bytes]) -> None:
    assert encode_file(*file) == data
    (frame,) = FrameReader().feed(data)
    assert (frame.kind, frame.more) == (Kind.FILE, True)
    assert decode_file(frame.payload) == file


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"D",
        b"D" + bytes(15),
        b"X" + bytes(16),
        b"d" + bytes(16),
        b"\0" + bytes(16),
        b"D" + bytes(17),
        b"L" + bytes(16) + b"x",
        b"C" + bytes(15) + b"\x03ab",
        b"C" + bytes(15) + b"\x01ab",
        b"D" + b"\xff" * 8 + bytes(8),
        b"D" + bytes(8) + b"\xff" * 8,
        b"D" + bytes(7) + b"\x01\x7f" + b"\xff" * 7,
        b"L" + bytes(8) + b"\x80" + bytes(7),
    ],
)
def test_a_file_s_frame_that_is_malformed_is_refused(payload: bytes) -> None:
    with pytest.raises(FrameError):
        decode_file(payload)


def test_a_frame_is_eight_bytes_and_its_payload() -> None:
    assert encode(Kind.BODY, b"abc", more=True) == b"\x01\x03\x01\x00\x00\x00\x00\x03abc"
    assert encode(Kind.IDLE) == b"\x01\x07\x00\x00\x00\x00\x00\x00"


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
def test_any_split_gives_the_same_frames(at: int) -> None:
    reader = FrameReader()
    assert [*reader.feed(STREAM[:at]), *reader.feed(STREAM[at:])] == FRAMES


def test_single_bytes_give_the_same_frames() -> None:
    reader = FrameReader()
    assert [frame for byte in STREAM for frame in reader.feed(bytes([byte]))] == FRAMES


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x02\x03\x00\x00\x00\x00\x00\x00",
        b"HTTP/1.1 200 OK\r\n",
        b"\x01\x03\x02\x00\x00\x00\x00\x00",
        b"\x01\x03\x00\x00\x00\x10\x00\x01",
        b"\x01\x03\x00\x00\xff\xff\xff\xff",
    ],
)
def test_what_is_no_frame_is_refused_before_its_payload_comes(garbage: bytes) -> None:
    with pytest.raises(FrameError):
        list(FrameReader().feed(garbage))


def test_garbage_raises_nothing_but_a_frame_error() -> None:
    source = random.Random(7)
    for _ in range(5_000):
        data = bytearray(STREAM)
        for _ in range(source.randint(1, 4)):
            data[source.randrange(len(data))] = source.randrange(256)
        with suppress(FrameError):
            for frame in FrameReader().feed(bytes(data)):
                decode_response(frame.payload)
        with suppress(FrameError):
            decode_head(bytes(data))
        file = bytearray(FILES[source.randrange(len(FILES))][0])
        for _ in range(source.randint(1, 4)):
            file[source.randrange(len(file))] = source.randrange(256)
        with suppress(FrameError):
            for frame in FrameReader().feed(bytes(file)):
                _, offset, length, content = decode_file(frame.payload)
                assert 0 <= offset + length < 1 << 63
                assert len(content) in (0, length)


def test_a_body_of_any_length_is_frames_that_fit() -> None:
    body = random.Random(1).randbytes(2 * MAX_PAYLOAD_BYTES + 5)
    frames = list(FrameReader().feed(b"".join(encode_pieces(Kind.BODY, body))))
    assert [len(frame.payload) for frame in frames] == [MAX_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES, 5]
    assert [frame.more for frame in frames] == [True, True, False]
    assert b"".join(frame.payload for frame in frames) == body
    assert encode_pieces(Kind.BODY, b"") == [b"\x01\x03\x00\x00\x00\x00\x00\x00"]


def test_a_payload_that_is_too_long_is_no_frame() -> None:
    assert len(encode(Kind.BODY, bytes(MAX_PAYLOAD_BYTES))) == MAX_PAYLOAD_BYTES + 8
    with pytest.raises(FrameError):
        encode(Kind.BODY, bytes(MAX_PAYLOAD_BYTES + 1))


HEAD = Head(
    b"GET", b"/a%20b", b"q=1", b"1.1", b"https", b"", b"192.0.2.1", b"443", b"localhost", b"8000", [(b"host", b"a")]
)


def test_the_head_of_a_request_is_its_fields_with_a_nul_between_them() -> None:
    data = b"GET\0/a%20b\0q=1\x001.1\0https\0\x00192.0.2.1\x00443\0localhost\x008000\0host\0a"
    assert encode_head(HEAD) == data
    assert decode_head(data) == HEAD


@pytest.mark.parametrize("data", [b"", b"GET", b"\0" * 8, b"\0" * 10])
def test_a_head_that_lacks_a_field_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        decode_head(data)


@pytest.mark.parametrize("headers", [[(b"a", b"1\x002")], [(b"a\0", b"1")]])
def test_a_nul_in_a_field_cannot_become_another_field(headers: Any) -> None:
    with pytest.raises(ValueError, match="a response cannot have the header field"):
        encode_response(200, headers)
    with pytest.raises(FrameError):
        encode_head(HEAD._replace(headers=headers))


RESPONSE = b"404\0content-type: a/b\r\nx-empty: \r\nset-cookie: a=\xe9: b\r\n"


def test_the_head_of_a_response_is_its_status_and_the_lines_as_they_go_out() -> None:
    headers = [(b"content-type", b"a/b"), (b"x-empty", b""), (b"set-cookie", b"a=\xe9: b")]
    assert encode_response(404, headers) == RESPONSE
    status, lines = decode_response(RESPONSE)
    assert (status, lines) == (404, RESPONSE[4:])
    assert split_field_lines(lines) == headers
    assert encode_response(204, []) == b"204\0"
    assert split_field_lines(b"") == []


@pytest.mark.parametrize(
    "field",
    [(b"a", b"1\r\nb: 2"), (b"a", b"1\n"), (b"a", b"\r1"), (b"a b", b"1"), (b"a:", b"1"), (b"", b"1"), (b"a", b"\x7f")]
    + [(b"content-length", value) for value in (b"", b"abc", b"+2", b"-2", b" 2 ", b"0_2", b"2, 2", b"9" * 19)],
)
def test_what_is_no_field_cannot_go_out(field: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="a response cannot have the header field") as error:
        encode_response(200, [(b"x", b"y"), field])
    assert repr(field) in str(error.value)
    for status in (99, 103, 600, 1000, -200):
        with pytest.raises(ValueError, match=f"no status: {status}"):
            encode_response(status, [])


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"",
            b"20",
            b"2000",
            b"abc",
            b"-20\0",
            b"\xb2\xb2\xb2",
            b"200",
            b"099\0",
            b"103\0",
            b"600\0",
            b"200\0a",
            b"200\0a: b",
        ),
        *(
            b"200\0a: b\n",
            b"200\0a:b\r\n",
            b"200\0a: b\r\n\r\n",
            b"200\0a: b\r\nc",
            b"200\0 a: b\r\n",
            b"200\0a: \0\r\n",
        ),
    ],
)
def test_a_response_s_head_that_is_malformed_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        decode_response(data)
