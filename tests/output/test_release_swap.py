"""The swap step by step: what is on the disk before a name is given, and what is taken for the same tree."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from static_host_build.output import release_swap
from static_host_build.output.release_swap import swap
from tests.support.trees import Files, make_tree

FILES: Files = {"a.txt": b"a", "css/site.css": {"br": b"()", "identity": b"body {}"}}


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    """A finished tree, where a build leaves it."""
    return make_tree(tmp_path / ".root.releases/building-1", FILES)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is done to the disk, in order: flushed file systems and files, and renamed paths, each by its name."""
    done: list[tuple[str, str]] = []
    rename, fsync = Path.rename, os.fsync

    def watch_rename(self: Path, target: Path) -> Path:
        done.append(("rename", self.name))
        return rename(self, target)

    def watch_fsync(descriptor: int) -> None:
        done.append(("fsync", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        fsync(descriptor)

    def watch_syncfs(descriptor: int) -> int:
        done.append(("syncfs", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        return 0

    monkeypatch.setattr(Path, "rename", watch_rename)
    monkeypatch.setattr(os, "fsync", watch_fsync)
    monkeypatch.setattr(release_swap, "_sync_file_system", watch_syncfs)
    return done


def swap_in(staging: Path, root: Path, *, is_intact: Callable[[Path], bool] = lambda _: True) -> bool:
    return swap(staging, root, is_intact, lambda _: None)


def test_a_tree_is_on_the_disk_before_it_gets_its_name_and_its_name_before_the_build_ends(
    staging: Path, tmp_path: Path, steps: list[tuple[str, str]]
) -> None:
    assert swap_in(staging, tmp_path / "root")
    assert steps == [
        ("syncfs", "building-1"),
        ("rename", "building-1"),
        ("rename", "next"),
        ("fsync", tmp_path.name),
    ]


def test_without_syncfs_each_file_and_each_directory_is_flushed_before(
    staging: Path, tmp_path: Path, steps: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release_swap, "_sync_file_system", lambda _: -1)
    assert swap_in(staging, tmp_path / "root")
    first = steps.index(("rename", "building-1"))
    flushed = {"building-1", "static-host.index", "a.txt", "css", "site.css", "site.css.br"}
    assert sorted(steps[:first]) == sorted(("fsync", name) for name in flushed)
    assert steps[first:] == [("rename", "building-1"), ("rename", "next"), ("fsync", tmp_path.name)]


def test_the_file_system_is_flushed_by_syncfs_where_there_is_one(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    assert release_swap._sync_file_system(descriptor) == 0
    os.close(descriptor)
    assert release_swap._sync_file_system(descriptor) == -1


def test_a_tree_that_cannot_be_flushed_is_not_swapped_in(
    staging: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(release_swap, "_sync_file_system", lambda _: -1)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        swap_in(staging, tmp_path / "root")
    assert not (tmp_path / "root").exists()
    assert staging.is_dir()


def test_the_same_tree_stays_and_another_one_or_a_damaged_one_is_replaced(staging: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert swap_in(staging, root)
    first = root.resolve()
    assert first.parent == tmp_path / ".root.releases"
    assert len(first.name) == 16
    again = make_tree(first.with_name("building-2"), FILES)
    assert not swap_in(again, root)
    assert (root.resolve(), again.is_dir()) == (first, True)
    asked: list[Path] = []

    def is_damaged(tree: Path) -> bool:
        asked.append(tree)
        return False

    assert swap_in(again, root, is_intact=is_damaged)
    assert asked == [first]
    second = root.resolve()
    assert second.name.startswith(f"{first.name}-")
    assert [path.name for path in (tmp_path / ".root.releases").iterdir()] == [second.name]
    other = make_tree(first.with_name("building-3"), {**FILES, "b.txt": b"b"})
    assert swap_in(other, root)
    assert (root / "b.txt").read_bytes() == b"b"
    assert [path.name for path in (tmp_path / ".root.releases").iterdir()] == [root.resolve().name]
