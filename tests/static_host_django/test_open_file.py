"""What counts as an open file, whose bytes the front may read by itself; and the frames of a response with one."""

# ruff: noqa: SIM115 - each case's file is closed by the test

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import socket
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.db.models import FileField
from django.db.models.fields.files import FieldFile

from static_host_django.open_file import OpenFile, encode_file_response, find_length, find_open_file

CONTENT = b"0123456789"


class OwnReader(io.FileIO):
    """What decrypts, for example."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size).swapcase()


class OwnFile(File):  # type: ignore[type-arg]
    """The same, as a storage of Django's has it."""

    def read(self, size: int = -1) -> bytes:
        return CONTENT[:size][::-1]


class PlainFile(File):  # type: ignore[type-arg]
    """A file with a method of its own that does not matter."""

    def describe(self) -> str:
        return "plain"


class OwnBuffer(io.BufferedReader):
    """A class that may do anything."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class LocalStorage(FileSystemStorage):
    """Django's, without its settings."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory

    def path(self, name: str) -> str:
        return str(self.directory / name)


def make_field_file(path: Path) -> FieldFile:
    field: Any = FileField(storage=LocalStorage(path.parent))
    field.attname = field.name = "upload"
    return FieldFile(SimpleNamespace(), field, path.name)  # type: ignore[arg-type]


def write_unflushed(path: Path) -> Any:
    file = path.open("r+b")
    file.read(5)
    file.seek(0)  # within the buffer: nothing of this reaches the disk
    file.write(b"abc")
    file.seek(2)
    assert path.read_bytes() == CONTENT
    return file


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def lengthen(path: Path, length: int) -> Path:
    os.truncate(path, length)
    return path


def replace_read(file: Any) -> Any:
    file.read = lambda _size=-1: b"something else"
    return file


def fill(file: Any) -> Any:
    file.write(CONTENT)
    file.seek(0)
    return file


def move(file: Any, offset: int) -> Any:
    file.seek(offset)
    return file


OPEN: dict[str, tuple[Callable[[Path], Any], int, bytes]] = {
    "open": (lambda path: path.open("rb"), 0, CONTENT),
    "open, unbuffered": (lambda path: path.open("rb", buffering=0), 0, CONTENT),
    "open to read and write": (lambda path: path.open("r+b"), 0, CONTENT),
    "open to read and write, unbuffered": (lambda path: path.open("r+b", buffering=0), 0, CONTENT),
    "written to and not flushed": (write_unflushed, 2, b"c3456789"),
    "in its middle": (lambda path: move(path.open("rb"), 4), 4, b"456789"),
    "at its last byte": (lambda path: move(path.open("rb"), 9), 9, b"9"),
    "Django's File": (lambda path: File(path.open("rb")), 0, CONTENT),
    "a File of a File": (lambda path: File(File(path.open("rb"))), 0, CONTENT),
    "a subclass of File": (lambda path: PlainFile(path.open("rb")), 0, CONTENT),
    "a FieldFile": (make_field_file, 0, CONTENT),
    "a storage's file": (lambda path: LocalStorage(path.parent).open(path.name), 0, CONTENT),
    "NamedTemporaryFile": (lambda _: fill(tempfile.NamedTemporaryFile()), 0, CONTENT),
    "NamedTemporaryFile that is kept": (
        lambda path: fill(tempfile.NamedTemporaryFile(dir=path.parent, delete=False)),
        0,
        CONTENT,
    ),
    "TemporaryFile": (lambda _: fill(tempfile.TemporaryFile()), 0, CONTENT),
    "SpooledTemporaryFile on the disk": (lambda _: fill(tempfile.SpooledTemporaryFile(max_size=1)), 0, CONTENT),
    "a File of a NamedTemporaryFile": (lambda _: File(fill(tempfile.NamedTemporaryFile())), 0, CONTENT),
    "a sparse file": (
        lambda path: move(lengthen(path, 1 << 40).open("rb"), (1 << 40) - 3),
        (1 << 40) - 3,
        bytes(3),
    ),
}


@pytest.mark.parametrize("name", OPEN)
def test_it_is_an_open_file(name: str, path: Path, stack: ExitStack) -> None:
    make, offset, content = OPEN[name]
    file = make(path)
    stack.callback(file.close)
    found = find_open_file(file)
    assert found is not None
    assert found == OpenFile(file.fileno(), offset, len(content))
    assert os.pread(found.descriptor, found.length, found.offset) == content == file.read()


def make_zip(path: Path, stack: ExitStack) -> Any:
    archive = path.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a", CONTENT)
    return stack.enter_context(zipfile.ZipFile(archive)).open("a")


def make_tar(path: Path, stack: ExitStack) -> Any:
    archive = path.with_suffix(".tar")
    with tarfile.open(archive, "w") as file:
        file.add(path, "a")
    return stack.enter_context(tarfile.open(archive)).extractfile("a")


def make_pipe() -> Any:
    reader, writer = os.pipe()
    os.write(writer, CONTENT)
    os.close(writer)
    return os.fdopen(reader, "rb")


def make_socket_file(stack: ExitStack) -> Any:
    ours, theirs = socket.socketpair()
    stack.callback(ours.close)
    stack.callback(theirs.close)
    return ours.makefile("rb")


def close(file: Any) -> Any:
    file.close()
    return file


def nest(file: Any, times: int) -> Any:
    for _ in range(times):
        file = File(file)
    return file


class Endless:
    """A wrapper that says it holds itself."""

    read = File.read

    @property
    def file(self) -> Any:
        return self


STREAMS: dict[str, Callable[[Path, ExitStack], Any]] = {
    "gzip": lambda path, _: gzip.open(write(path, gzip.compress(CONTENT))),
    "bz2": lambda path, _: bz2.open(write(path, bz2.compress(CONTENT))),
    "lzma": lambda path, _: lzma.open(write(path, lzma.compress(CONTENT))),
    "File of gzip": lambda path, _: nest(gzip.open(write(path, gzip.compress(CONTENT))), 1),
    "a member of a zip file": make_zip,
    "a member of a tar file": make_tar,
    "BytesIO": lambda _, __: io.BytesIO(CONTENT),
    "ContentFile": lambda _, __: ContentFile(CONTENT),
    "an upload in memory": lambda _, __: InMemoryUploadedFile(io.BytesIO(CONTENT), None, "a", None, 10, None),
    "SpooledTemporaryFile in memory": lambda _, __: fill(tempfile.SpooledTemporaryFile(max_size=100)),
    "text": lambda path, _: path.open(),
    "text of a SpooledTemporaryFile": lambda _, __: tempfile.SpooledTemporaryFile(1, "w+"),
    "a pipe": lambda _, __: make_pipe(),
    "a socket": lambda _, stack: make_socket_file(stack),
    "a directory": lambda path, stack: make_directory(path, stack),
    "a device": lambda _, __: Path("/dev/zero").open("rb"),
    "a file of /proc": lambda _, __: Path("/proc/self/status").open("rb"),
    "an empty file": lambda path, _: write(path, b"").open("rb"),
    "a reader of its own": lambda path, _: OwnReader(path),
    "a buffer over it": lambda path, _: io.BufferedReader(OwnReader(path)),
    "a buffer of its own": lambda path, _: OwnBuffer(io.FileIO(path)),
    "a File of its own": lambda path, _: OwnFile(path.open("rb")),
    "a File of a File of its own": lambda path, _: File(OwnFile(path.open("rb"))),
    "a buffered file whose read is replaced": lambda path, _: replace_read(path.open("rb")),
    "a file whose read is replaced": lambda path, _: replace_read(io.FileIO(path)),
    "closed": lambda path, _: close(path.open("rb")),
    "closed, unbuffered": lambda path, _: close(path.open("rb", buffering=0)),
    "a File that is closed": lambda path, _: close(File(path.open("rb"))),
    "at its end": lambda path, _: move(path.open("rb"), 10),
    "past its end": lambda path, _: move(path.open("rb"), 11),
    "open to write": lambda path, _: path.open("wb"),
    "open to write, unbuffered": lambda path, _: move(fill(path.open("wb", buffering=0)), 3),
    "open to append, unbuffered": lambda path, _: move(path.open("ab", buffering=0), 3),
    "too many wrappers": lambda path, _: nest(path.open("rb"), 20),
    "a wrapper of itself": lambda _, __: Endless(),
    "no file": lambda _, __: object(),
    "an iterator": lambda _, __: iter([CONTENT]),
}


def make_directory(path: Path, stack: ExitStack) -> Any:
    """Return a directory as a file, as C code could."""
    descriptor = os.open(path.parent, os.O_RDONLY)
    stack.callback(os.close, descriptor)

    class Directory(io.RawIOBase):
        def fileno(self) -> int:
            return descriptor

    return Directory()


@pytest.mark.parametrize("name", STREAMS)
def test_it_is_read_as_a_stream(name: str, path: Path, stack: ExitStack) -> None:
    file = STREAMS[name](path, stack)
    if hasattr(file, "close"):
        stack.callback(file.close)
    assert find_open_file(file) is None


@pytest.mark.parametrize(("stated", "length"), [(None, 7), (0, 0), (1, 1), (7, 7), (8, None), (1 << 62, None)])
def test_a_content_length_that_is_less_counts_and_one_that_is_more_is_for_the_client_to_see(
    path: Path, stated: int | None, length: int | None
) -> None:
    with path.open("rb") as file:
        file.seek(3)
        found = find_open_file(file, stated)
        assert found == (None if length is None else OpenFile(file.fileno(), 3, length))


def test_the_first_content_length_counts() -> None:
    assert find_length([(b"a", b"1"), (b"content-length", b"2"), (b"content-length", b"3")]) == 2
    assert find_length([(b"a", b"1")]) is None


HEAD = b"\x01\x04\x00\x00\x00\x00\x00\x0a200\0a: b\r\n"


@pytest.mark.parametrize(
    ("options", "frame", "sends"),
    [
        ({"is_head": True}, b"\x01\x0d\x01\x00\x00\x00\x00\x11L" + bytes(8) + b"\0\0\0\0\0\0\0\x06", False),
        ({"is_head": True, "max_inline_bytes": 9},
         b"\x01\x0d\x01\x00\x00\x00\x00\x11L" + bytes(8) + b"\0\0\0\0\0\0\0\x06", False),
        ({"is_head": False, "max_inline_bytes": 6},
         b"\x01\x0d\x01\x00\x00\x00\x00\x17C" + bytes(8) + b"\0\0\0\0\0\0\0\x06456789", False),
        ({"is_head": False, "max_inline_bytes": 5},
         b"\x01\x0d\x01\x00\x00\x00\x00\x11D\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x06", True),
        ({"is_head": False}, b"\x01\x0d\x01\x00\x00\x00\x00\x11D\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x06", True),
    ],
)  # fmt: skip
def test_the_frames_of_a_response_with_it(path: Path, options: Any, frame: bytes, sends: bool) -> None:
    sent: list[int] = []
    with path.open("rb") as file:
        found = OpenFile(file.fileno(), 4, 6)
        assert encode_file_response(found, 200, [(b"a", b"b")], sent.append, **options) == frame + HEAD
        assert sent == [file.fileno()] * sends


def test_a_short_file_that_was_truncated_meanwhile_goes_as_a_descriptor(path: Path) -> None:
    sent: list[int] = []
    with path.open("rb") as file:
        found = find_open_file(file)
        assert found is not None
        os.truncate(path, 4)
        data = encode_file_response(found, 200, [], sent.append, is_head=False, max_inline_bytes=100)
    assert data.startswith(b"\x01\x0d\x01\x00\x00\x00\x00\x11D")
    assert sent == [found.descriptor]


@pytest.mark.parametrize("value", [b"-1", b"1_0", b"\xb2"])
def test_a_header_field_that_cannot_go_out_sends_no_descriptor(path: Path, value: bytes) -> None:
    sent: list[int] = []
    with path.open("rb") as file, pytest.raises(ValueError, match="a response cannot have the header field"):
        encode_file_response(
            OpenFile(file.fileno(), 0, 1), 200, [(b"content-length", value)], sent.append, is_head=False
        )
    assert sent == []
