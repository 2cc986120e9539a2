"""The store's cache on the disk: for this user alone, whole files alone, and within its budget."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from static_host.object_store.disk_cache import (
    ABANDONED_SECONDS,
    CacheFullError,
    CacheUnusableError,
    DiskCache,
    NoSpaceError,
)
from tests.support.descriptors import count_descriptors


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
def disk_cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "cache", 100)


def mode_of(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def keep(disk_cache: DiskCache, name: str, data: bytes) -> os.stat_result:
    pending = disk_cache.open_pending(len(data))
    pending.write(data)
    return pending.finish(name * 24)


def names_in(disk_cache: DiskCache) -> list[str]:
    return sorted(path.name[:1] for path in disk_cache.directory.iterdir())


def set_times(disk_cache: DiskCache, name: str, used: float, changed: float) -> None:
    os.utime(disk_cache.directory / (name * 24), (used, changed))


@pytest.mark.usefixtures("umask")
def test_the_directory_and_its_files_are_for_this_user_alone_whatever_the_umask_is(tmp_path: Path) -> None:
    disk_cache = DiskCache(tmp_path / "made/cache", 100)
    assert mode_of(disk_cache.directory) == "0o700"
    pending = disk_cache.open_pending(3)
    (path,) = disk_cache.directory.iterdir()
    assert mode_of(path) == "0o600"
    pending.write(b"abc")
    pending.finish("a" * 24)
    assert mode_of(disk_cache.directory / ("a" * 24)) == "0o600"


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o730, 0o777, 0o770])
def test_a_directory_that_others_can_write_is_not_used(tmp_path: Path, mode: int) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    before = count_descriptors()
    with pytest.raises(CacheUnusableError, match="cache can be written by others"):
        DiskCache(tmp_path / "cache", 100)
    assert count_descriptors() == before
    assert mode_of(tmp_path / "cache") == oct(mode)


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o1700, 0o2750])
def test_a_directory_that_others_can_read_at_most_is_used_as_it_is(tmp_path: Path, mode: int) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    keep(DiskCache(tmp_path / "cache", 100), "a", b"abc")
    assert mode_of(tmp_path / "cache") == oct(mode)


def test_a_directory_of_another_user_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: (tmp_path / "cache").stat().st_uid + 1)
    with pytest.raises(CacheUnusableError, match="cache can be written by others"):
        DiskCache(tmp_path / "cache", 100)


def test_a_directory_that_cannot_be_written_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Path, int]] = []

    def refuse(path: Path, mode: int) -> bool:
        asked.append((path, mode))
        return False

    monkeypatch.setattr(os, "access", refuse)
    before = count_descriptors()
    with pytest.raises(CacheUnusableError, match="cache cannot be written"):
        DiskCache(tmp_path / "cache", 100)
    assert asked == [(tmp_path / "cache", os.W_OK | os.X_OK)]
    assert count_descriptors() == before


def test_a_link_and_a_file_are_no_directory(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheUnusableError, match=r"link: Not a directory|link: Too many levels"):
        DiskCache(tmp_path / "link", 100)
    with pytest.raises(CacheUnusableError, match="file: File exists"):
        DiskCache(tmp_path / "file", 100)


def test_a_file_has_its_name_when_it_is_whole(disk_cache: DiskCache) -> None:
    pending = disk_cache.open_pending(6)
    pending.write(b"abc")
    (path,) = disk_cache.directory.iterdir()
    assert path.name.startswith(".draft-")
    assert path.stat().st_size == 6, "it counts at its full length from the start"
    assert disk_cache.open_file("a" * 24) is None
    pending.write(b"def")
    facts = pending.finish("a" * 24)
    assert [path.name for path in disk_cache.directory.iterdir()] == ["a" * 24]
    assert (disk_cache.directory / ("a" * 24)).read_bytes() == b"abcdef"
    assert (facts.st_ino, facts.st_size) == ((disk_cache.directory / ("a" * 24)).stat().st_ino, 6)
    pending.abandon()
    assert names_in(disk_cache) == ["a"], "what is in its place stays"


def test_what_is_given_up_is_removed_and_its_descriptor_closed(disk_cache: DiskCache) -> None:
    before = count_descriptors()
    pending = disk_cache.open_pending(6)
    pending.abandon()
    pending.abandon()
    assert names_in(disk_cache) == []
    keep(disk_cache, "a", b"abc")
    assert count_descriptors() == before


def test_a_file_that_is_opened_counts_as_the_last_that_came_and_is_the_same(disk_cache: DiskCache) -> None:
    for place, name in enumerate("abc"):
        keep(disk_cache, name, b"." * 30)
        set_times(disk_cache, name, 1_000 + place, 500)
    descriptor = disk_cache.open_file("a" * 24)
    assert descriptor is not None
    assert os.read(descriptor, 100) == b"." * 30
    assert os.fstat(descriptor).st_mtime_ns == 500 * 10**9
    os.close(descriptor)
    keep(disk_cache, "d", b"." * 30)
    assert names_in(disk_cache) == ["a", "c", "d"]


def test_as_much_is_removed_as_has_to_be(disk_cache: DiskCache) -> None:
    for place, name in enumerate("abc"):
        keep(disk_cache, name, b"." * 30)
        set_times(disk_cache, name, 1_000 + place, 500)
    keep(disk_cache, "d", b"." * 10)
    assert names_in(disk_cache) == ["a", "b", "c", "d"]
    keep(disk_cache, "e", b".")
    assert names_in(disk_cache) == ["b", "c", "d", "e"]
    keep(disk_cache, "f", b"." * 100)
    assert names_in(disk_cache) == ["f"]


def test_what_is_longer_than_the_budget_finds_no_room(disk_cache: DiskCache) -> None:
    keep(disk_cache, "a", b"." * 100)
    with pytest.raises(NoSpaceError) as refused:
        disk_cache.open_pending(101)
    assert refused.type is NoSpaceError
    assert names_in(disk_cache) == ["a"]


def test_files_that_are_being_written_keep_their_room_until_they_are_abandoned(disk_cache: DiskCache) -> None:
    keep(disk_cache, "a", b"." * 40)
    pending = disk_cache.open_pending(60)
    with pytest.raises(CacheFullError):
        disk_cache.open_pending(41)
    assert names_in(disk_cache) == ["."], "what is whole goes first"
    (path,) = disk_cache.directory.iterdir()
    left = path.stat().st_mtime - ABANDONED_SECONDS - 1
    os.utime(path, (left, left))
    disk_cache.open_pending(100).abandon()
    assert names_in(disk_cache) == []
    pending.abandon()


def test_a_link_in_it_is_not_followed_and_what_is_no_file_of_ours_is_left_alone(disk_cache: DiskCache) -> None:
    (disk_cache.directory.parent / "secret").write_text("secret")
    (disk_cache.directory / ("a" * 24)).symlink_to("../secret")
    assert disk_cache.open_file("a" * 24) is None
    for name in ("mine.txt", "a" * 23, "a" * 25, ".draft-" + "0" * 15, ".draft-" + "g" * 16):
        (disk_cache.directory / name).write_bytes(b"." * 1000)
    keep(disk_cache, "b", b"." * 100)
    assert len(list(disk_cache.directory.iterdir())) == 6
    disk_cache.remove("b" * 24)
    disk_cache.remove("b" * 24)
    assert len(list(disk_cache.directory.iterdir())) == 5


def test_a_file_is_never_written_into_one_that_is_there(disk_cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda size: "0" * 2 * size)
    (disk_cache.directory.parent / "secret").write_text("secret")
    (disk_cache.directory / (".draft-" + "0" * 16)).symlink_to("../secret")
    with pytest.raises(FileExistsError):
        disk_cache.open_pending(3)
    assert (disk_cache.directory.parent / "secret").read_text() == "secret"


def test_a_link_has_its_own_length_and_not_that_of_what_it_leads_to(disk_cache: DiskCache) -> None:
    (disk_cache.directory.parent / "secret").write_bytes(b"." * 1000)
    (disk_cache.directory / ("a" * 24)).symlink_to("../secret")
    keep(disk_cache, "b", b"." * 90)
    assert names_in(disk_cache) == ["a", "b"]
    keep(disk_cache, "c", b"." * 2)
    assert len(names_in(disk_cache)) == 2


def test_a_file_that_another_process_removes_meanwhile_takes_no_room(
    disk_cache: DiskCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(disk_cache, "a", b"." * 60)
    keep(disk_cache, "b", b"." * 30)
    scandir = os.scandir

    @contextmanager
    def look_too_late(descriptor: int) -> Iterator[list[os.DirEntry[str]]]:
        with scandir(descriptor) as entries:
            found = list(entries)
        disk_cache.remove("a" * 24)
        yield found

    monkeypatch.setattr(os, "scandir", look_too_late)
    keep(disk_cache, "c", b"." * 70)
    assert names_in(disk_cache) == ["b", "c"]


def test_where_times_cannot_be_set_a_file_is_opened_all_the_same(
    disk_cache: DiskCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    keep(disk_cache, "a", b"abc")
    monkeypatch.setattr(os, "utime", refuse)
    descriptor = disk_cache.open_file("a" * 24)
    assert descriptor is not None
    assert os.read(descriptor, 9) == b"abc"
    os.close(descriptor)


@pytest.mark.parametrize(("seconds", "names"), [(599.5, ["."]), (600.0, ["b"])])
def test_a_file_counts_as_abandoned_after_ten_minutes_without_a_write(
    disk_cache: DiskCache, monkeypatch: pytest.MonkeyPatch, seconds: float, names: list[str]
) -> None:
    pending = disk_cache.open_pending(60)
    (path,) = disk_cache.directory.iterdir()
    os.utime(path, (1_000_000, 1_000_000))
    monkeypatch.setattr(time, "time", lambda: 1_000_000 + seconds)
    with suppress(CacheFullError):
        keep(disk_cache, "b", b"." * 60)
    assert names_in(disk_cache) == names
    pending.abandon()


def test_several_processes_take_turns(disk_cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(fcntl, "flock", lambda _, operation: taken.append(operation))
    disk_cache.open_pending(1).abandon()
    assert taken == [fcntl.LOCK_EX]
