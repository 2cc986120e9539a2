"""Writing the files of a new tree: what is linked to the release before, and that nothing is written into a link."""

from __future__ import annotations

import filecmp
import io
import os
import stat
from pathlib import Path

import pytest

from static_host_django import tree_writer
from static_host_django.tree_writer import TreeWriter

MODE = 0o644


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """The tree of the release before, with one file of eight bytes and one of twenty."""
    directory = tmp_path / "previous"
    (directory / "css").mkdir(parents=True)
    for name, body in {"css/short.css": b"a {b: c}", "long.txt": b"0123456789" * 2}.items():
        (directory / name).write_bytes(body)
        (directory / name).chmod(0o644)
    return directory


@pytest.fixture
def new(tmp_path: Path) -> Path:
    (tmp_path / "new").mkdir()
    return tmp_path / "new"


@pytest.fixture
def writer(new: Path, previous: Path) -> TreeWriter:
    return TreeWriter(new, previous, MODE)


@pytest.fixture
def short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources of ten bytes and more are compared piece by piece."""
    assert tree_writer._MAX_IN_MEMORY_BYTES == 4 << 20
    monkeypatch.setattr(tree_writer, "_MAX_IN_MEMORY_BYTES", 10)


class Source(io.BytesIO):
    """A file that notes how many bytes it is asked for."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.sizes: list[int | None] = []

    def read(self, size: int | None = -1, /) -> bytes:
        self.sizes.append(size)
        return super().read(size)


def names_in(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if not path.is_dir())


def test_without_a_release_before_each_file_is_written_in_its_folder(new: Path) -> None:
    writer = TreeWriter(new, None, MODE)
    assert writer.mode == MODE
    writer.write("a.txt", b"one")
    writer.write("b/c/d/e.txt", b"two")
    writer.write("b/c/d/f.txt", b"")
    writer.copy("b/g.txt", io.BytesIO(b"three"))
    assert {name: (new / name).read_bytes() for name in names_in(new)} == {
        "a.txt": b"one",
        "b/c/d/e.txt": b"two",
        "b/c/d/f.txt": b"",
        "b/g.txt": b"three",
    }


def test_a_folder_may_be_there_already(new: Path) -> None:
    (new / "b/c").mkdir(parents=True)
    TreeWriter(new, None, MODE).write("b/c/d.txt", b"one")
    TreeWriter(new, None, MODE).write("b/c/e.txt", b"two")
    assert names_in(new) == ["b/c/d.txt", "b/c/e.txt"]


def test_the_same_bytes_under_the_same_name_are_the_same_file(writer: TreeWriter, new: Path, previous: Path) -> None:
    writer.write("css/short.css", b"a {b: c}")
    assert (new / "css/short.css").samefile(previous / "css/short.css")
    writer.copy("long.txt", io.BytesIO(b"0123456789" * 2))
    assert (new / "long.txt").samefile(previous / "long.txt")


@pytest.mark.usefixtures("short_memory")
def test_so_are_those_of_a_long_file(writer: TreeWriter, new: Path, previous: Path) -> None:
    source = Source(b"before" + b"0123456789" * 2)
    source.seek(6)
    writer.copy("long.txt", source)
    assert (new / "long.txt").samefile(previous / "long.txt")
    assert names_in(new) == ["long.txt"]
    assert set(source.sizes) == {10}, "it is never in memory as a whole"


def test_a_file_that_is_there_makes_room_for_the_link(writer: TreeWriter, new: Path, previous: Path) -> None:
    (new / "css").mkdir()
    (new / "css/short.css").write_bytes(b"a {b: c}")
    writer.write("css/short.css", b"a {b: c}")
    assert (new / "css/short.css").samefile(previous / "css/short.css")


@pytest.mark.usefixtures("short_memory")
@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("css/short.css", b"a {b: d}"),
        ("css/short.css", b"a {b: c"),
        ("long.txt", b"0123456789" + b"0123456780"),
        ("long.txt", b"0123456789" * 3),
        ("other.css", b"a {b: c}"),
        ("other.txt", b"0123456789" * 2),
    ],
)
def test_other_bytes_or_another_name_are_a_new_file_and_the_old_one_stays_as_it_is(
    writer: TreeWriter, new: Path, previous: Path, name: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filecmp, "_sig", lambda facts: (stat.S_IFREG, facts.st_size, 0))  # their times are equal
    filecmp.clear_cache()
    before = {each: (previous / each).read_bytes() for each in names_in(previous)}
    writer.copy(name, io.BytesIO(body))
    assert (new / name).read_bytes() == body
    assert (new / name).stat().st_nlink == 1
    assert names_in(new) == [name]
    assert {each: (previous / each).read_bytes() for each in names_in(previous)} == before


@pytest.mark.usefixtures("short_memory")
@pytest.mark.parametrize("body", [b"another", b"another, and longer"])
def test_a_link_is_replaced_and_never_written_into(writer: TreeWriter, new: Path, previous: Path, body: bytes) -> None:
    writer.write("long.txt", b"0123456789" * 2)
    writer.copy("long.txt", io.BytesIO(body))
    assert (new / "long.txt").read_bytes() == body
    assert (previous / "long.txt").read_bytes() == b"0123456789" * 2
    writer.write("long.txt", b"the last one")
    assert (new / "long.txt").read_bytes() == b"the last one"


@pytest.mark.usefixtures("short_memory")
@pytest.mark.parametrize("name", ["css/short.css", "long.txt"])
def test_a_file_with_another_mode_and_a_link_are_not_linked(
    writer: TreeWriter, new: Path, previous: Path, name: str
) -> None:
    body = (previous / name).read_bytes()
    (previous / name).chmod(0o640)
    writer.copy(name, io.BytesIO(body))
    assert (new / name).stat().st_nlink == 1
    (previous / name).rename(previous / "elsewhere")
    (previous / "elsewhere").chmod(0o644)
    (previous / name).symlink_to(previous / "elsewhere")
    writer.copy(name, io.BytesIO(body))
    assert not (new / name).is_symlink()
    assert ((new / name).read_bytes(), (new / name).stat().st_nlink) == (body, 1)


def test_a_second_name_is_the_same_file_whatever_was_there(writer: TreeWriter, new: Path) -> None:
    writer.write("a.txt", b"one")
    writer.link("b/c/d.txt", "a.txt")
    assert (new / "b/c/d.txt").samefile(new / "a.txt")
    writer.write("e.txt", b"two")
    writer.link("b/c/d.txt", "e.txt")
    assert (new / "b/c/d.txt").samefile(new / "e.txt")
    assert (new / "a.txt").read_bytes() == b"one"


@pytest.mark.usefixtures("short_memory")
def test_where_there_are_no_hard_links_files_are_written_and_copied(
    writer: TreeWriter, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    writer.write("css/short.css", b"a {b: c}")
    writer.copy("long.txt", io.BytesIO(b"0123456789" * 2))
    writer.link("second.txt", "long.txt")
    assert {name: (new / name).read_bytes() for name in names_in(new)} == {
        "css/short.css": b"a {b: c}",
        "long.txt": b"0123456789" * 2,
        "second.txt": b"0123456789" * 2,
    }
    assert {(new / name).stat().st_nlink for name in names_in(new)} == {1}


def test_the_name_itself_is_linked_and_not_what_it_leads_to(writer: TreeWriter, new: Path) -> None:
    writer.write("a.txt", b"one")
    (new / "link.txt").symlink_to("a.txt")
    writer.link("b.txt", "link.txt")
    assert (new / "b.txt").readlink() == Path("a.txt")
