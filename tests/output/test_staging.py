"""Releases on disk, step by step: where a build works, what is replaced, what is removed, and what never is."""

from __future__ import annotations

import ctypes
import fcntl
import logging
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from static_host.origin.index import dump_index
from static_host_build.build_errors import BuildError
from static_host_build.output import release_swap
from static_host_build.output.current_tree import (
    find_changed_immutables,
    find_current_tree,
    find_free_name,
    is_complete,
    is_ours,
)
from static_host_build.output.release_swap import swap
from static_host_build.output.staging_directory import open_staging_directory
from static_host_build.permissions import Modes
from tests.support.descriptors import count_descriptors
from tests.support.trees import Files, make_resource, make_tree

MODES = Modes(0o644, 0o751)
FILES: Files = {"a.txt": b"a", "css/site.css": {"br": b"()", "identity": b"body {}"}}


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def put_in(root: Path, files: Files = FILES, *, keep: Callable[[Path], None] = lambda _: None) -> Path:
    """Swap a tree of these files in at `root`, and return its directory."""
    staging = make_tree(root.parent / f".{root.name}.releases/building-1", files)
    swap(staging, root, lambda _: True, keep)
    return Path(os.path.realpath(root))


def test_a_build_has_a_directory_for_itself_while_it_runs(tmp_path: Path) -> None:
    root = tmp_path / "made/here/root"
    with open_staging_directory(root, MODES) as directory:
        assert directory.parent == tmp_path / "made/here/.root.releases"
        assert directory.name.startswith("building-")
        assert mode_of(directory) == 0o700
        assert [mode_of(folder) for folder in list(directory.parents)[:3]] == [0o751] * 3
        assert names_in(directory.parent) == [directory.name, "lock"]
        (directory / "a.txt").write_text("a")
    assert names_in(tmp_path / "made/here/.root.releases") == ["lock"]
    with suppress(ZeroDivisionError), open_staging_directory(root, MODES) as directory:
        1 / 0  # noqa: B018 - a build that fails
    assert names_in(tmp_path / "made/here/.root.releases") == ["lock"]


def test_what_the_build_has_moved_away_stays(tmp_path: Path) -> None:
    with open_staging_directory(tmp_path / "root", MODES) as directory:
        directory.rename(directory.with_name("release"))
    assert names_in(tmp_path / ".root.releases") == ["lock", "release"]


def test_a_killed_build_is_cleaned_up_and_nothing_else_is(tmp_path: Path) -> None:
    home = tmp_path / ".root.releases"
    for name in ("building-1", "building-2", "3f9a", "rebuilding-1"):
        (home / name / "css").mkdir(parents=True)
        (home / name / "css/a.css").write_text("a")
    with open_staging_directory(tmp_path / "root", MODES) as directory:
        assert names_in(home) == sorted(["3f9a", "lock", "rebuilding-1", directory.name])


def test_one_build_at_a_time_holds_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    flock = fcntl.flock
    operations: list[int] = []

    def watch(descriptor: int, operation: int) -> None:
        operations.append(operation)
        with suppress(OSError):
            os.close(other)  # the other build ends before ours waits
        if operation & fcntl.LOCK_NB:
            monkeypatch.setattr(fcntl, "flock", flock)
            raise BlockingIOError
        flock(descriptor, operation)

    with open_staging_directory(tmp_path / "root", MODES) as directory:
        other = os.open(directory.with_name("lock"), os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert caplog.messages == []
    flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    monkeypatch.setattr(fcntl, "flock", watch)
    with open_staging_directory(tmp_path / "root", MODES) as directory:
        third = os.open(directory.with_name("lock"), os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(third)
    assert operations == [fcntl.LOCK_EX | fcntl.LOCK_NB]
    assert caplog.record_tuples == [
        (
            "static_host.build",
            logging.INFO,
            f"another build of {tmp_path / 'root'} is running; waiting for it",
        )
    ]


def test_a_root_that_is_a_file_or_a_mount_point_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    root.write_text("mine")
    with pytest.raises(BuildError) as refused, open_staging_directory(root, MODES):
        pass
    assert str(refused.value) == (
        f"the static root {root} is a file. Remove it, or set DJANGO_STATIC_ROOT to another directory. "
        "Nothing was changed."
    )
    root.unlink()
    root.mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: path == root)
    with pytest.raises(BuildError) as refused, open_staging_directory(root, MODES):
        pass
    assert str(refused.value) == (
        f"the static root {root} is a mount point: set DJANGO_STATIC_ROOT to a directory inside it."
    )
    assert names_in(tmp_path) == ["root"]


def test_the_current_tree_is_where_the_root_leads_if_it_has_an_index(tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert find_current_tree(root) is None
    root.mkdir()
    assert find_current_tree(root) is None
    root.rmdir()
    root.symlink_to("root")
    assert find_current_tree(root) is None
    root.unlink()
    release = put_in(root)
    assert find_current_tree(root) == release == (tmp_path / ".root.releases" / release.name).resolve()
    shutil.copytree(release, tmp_path / "copy")
    assert find_current_tree(tmp_path / "copy") == (tmp_path / "copy").resolve()


def test_a_name_that_is_immutable_in_both_trees_must_have_the_same_bytes(tmp_path: Path) -> None:
    def resources(body: bytes, **immutable: bool) -> dict[str, object]:
        return {name: make_resource(name, {"identity": body}, immutable=flag) for name, flag in immutable.items()}

    before = {
        **resources(b"old", c=True, b=True, only_now=False, only_before=True, gone=True),
        **resources(b"same", a=True),
    }
    now = {
        **resources(b"new", c=True, b=True, only_now=True, only_before=False, added=True),
        **resources(b"same", a=True),
    }
    (tmp_path / "static-host.index").write_bytes(dump_index("/static/", before))  # type: ignore[arg-type]
    assert find_changed_immutables(tmp_path, now) == ["b", "c"]  # type: ignore[arg-type]
    assert find_changed_immutables(None, now) == []  # type: ignore[arg-type]
    assert find_changed_immutables(tmp_path / "gone", now) == []  # type: ignore[arg-type]


def test_the_link_is_relative_so_that_the_directory_around_it_can_move(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    release = put_in(tmp_path / "here/root")
    assert (tmp_path / "here/root").readlink() == Path(".root.releases", release.name)
    assert names_in(release.parent) == [release.name]


def test_the_old_tree_is_still_there_when_it_is_to_be_kept_and_gone_afterwards(tmp_path: Path) -> None:
    root = tmp_path / "root"
    first = put_in(root)
    seen: list[tuple[Path, list[str], str]] = []

    def keep(before: Path) -> None:
        seen.append((before, names_in(before), root.resolve().name))

    second = put_in(root, {"b.txt": b"b"}, keep=keep)
    assert seen == [(first, ["a.txt", "css", "static-host.index"], second.name)]
    assert names_in(root.parent / ".root.releases") == [second.name]
    assert names_in(root) == ["b.txt", "static-host.index"]


def test_a_release_that_a_server_has_locked_is_not_removed_and_files_are_not_either(tmp_path: Path) -> None:
    root = tmp_path / "root"
    first = put_in(root)
    (first.parent / "record.json").write_text("{}")
    (first.parent / "next").write_text("of a build that was killed")
    server = os.open(first, os.O_RDONLY)
    fcntl.flock(server, fcntl.LOCK_SH)
    before = count_descriptors()
    second = put_in(root, {"b.txt": b"b"})
    assert names_in(first.parent) == sorted([first.name, "record.json", second.name])
    assert names_in(first) == ["a.txt", "css", "static-host.index"]
    os.close(server)
    third = put_in(root, {"c.txt": b"c"})
    assert names_in(first.parent) == sorted(["record.json", third.name])
    assert count_descriptors() == before - 1


def test_an_old_release_that_cannot_be_opened_is_named_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "root"
    first = put_in(root)
    open_ = os.open

    def refuse(path: Path, flags: int, *mode: int, **options: int) -> int:
        if path == first:
            raise OSError(13, "Permission denied")
        return open_(path, flags, *mode, **options)

    monkeypatch.setattr(os, "open", refuse)
    second = put_in(root, {"b.txt": b"b"})
    assert names_in(first.parent) == sorted([first.name, second.name])
    assert caplog.record_tuples == [
        ("static_host.build", logging.WARNING, f"an old release cannot be removed: Permission denied: {first}")
    ]


def test_no_build_removes_what_a_server_is_about_to_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "root"
    first = put_in(root)
    rmtree = shutil.rmtree
    locked: list[Path] = []

    def watch(path: Path, *, ignore_errors: bool) -> None:
        server = os.open(path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(server, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.close(server)
        locked.append(path)
        rmtree(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", watch)
    put_in(root, {"b.txt": b"b"})
    assert locked == [first]


def test_a_copied_tree_is_replaced_and_a_directory_of_other_tools_is_kept_beside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "root"
    make_tree(root, FILES)
    release = put_in(root, {"b.txt": b"b"})
    assert names_in(tmp_path) == [".root.releases", "root"]
    assert names_in(release.parent) == [release.name]
    assert caplog.messages == []
    root.unlink()
    for name, aside in (("mine.txt", "root.before"), ("other.txt", "root.before-2")):
        root.mkdir()
        (root / name).write_text("the only copy")
        release = put_in(root, {name: b"new"})
        assert names_in(tmp_path / aside) == [name]
        assert caplog.record_tuples == [
            (
                "static_host.build",
                logging.WARNING,
                f"{root} was a directory with files of other tools: it is kept as {tmp_path / aside}",
            )
        ]
        caplog.clear()
        root.unlink()
    assert names_in(release.parent) == [release.name]


def test_the_free_name_is_the_first_that_nothing_has_not_even_a_broken_link(tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert find_free_name(root) == tmp_path / "root.before"
    (tmp_path / "root.before").symlink_to("nowhere")
    assert find_free_name(root) == tmp_path / "root.before-2"
    (tmp_path / "root.before-2").mkdir()
    assert find_free_name(root) == tmp_path / "root.before-3"


def test_a_tree_is_complete_if_no_file_is_missing_or_has_another_length(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", FILES)
    before = count_descriptors()
    assert is_complete(tree)
    resources = {"a.txt": make_resource("a.txt", {"identity": b"a"})}
    data = dump_index("/static/", resources, None, {"robots.txt": b"x", "b/other.txt": b"y"})
    (tree / "static-host.index").write_bytes(data)
    assert not is_complete(tree)
    (tree / "robots.txt").write_bytes(b"x")
    assert not is_complete(tree)
    (tree / "b").mkdir()
    (tree / "b/other.txt").write_bytes(b"y")
    assert is_complete(tree)
    (tree / "a.txt").write_bytes(b"")
    assert not is_complete(tree)
    assert not is_complete(tmp_path / "gone")
    assert count_descriptors() == before


def test_ours_are_a_release_a_copy_of_one_and_what_is_empty(tmp_path: Path) -> None:
    root = tmp_path / "root"
    release = put_in(root)
    assert is_ours(root)
    assert is_ours(release)
    (release / "mine.txt").write_text("the only copy")
    assert is_ours(root), "what is linked there was built"
    assert not is_ours(release)
    (tmp_path / "elsewhere").symlink_to(release)
    assert not is_ours(tmp_path / "elsewhere"), "the releases of another root"
    (tmp_path / "empty").mkdir()
    assert is_ours(tmp_path / "empty")
    (tmp_path / "empty/static-host.index").write_text("damaged")
    assert is_ours(tmp_path / "empty")
    (tmp_path / "empty/mine.txt").write_text("the only copy")
    assert not is_ours(tmp_path / "empty")
    (tmp_path / "empty/static-host.index").unlink()
    assert not is_ours(tmp_path / "empty")


def test_a_copy_has_each_file_of_its_index_and_its_manifest_and_no_other(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", FILES)
    resources = {"a.txt": make_resource("a.txt", {"identity": b"a"})}
    assert not any((tree / name).exists() for name in ("manifest.json", "robots.txt"))
    for name in ("css/site.css", "css/site.css.br"):
        (tree / name).unlink()
    (tree / "robots.txt").write_bytes(b"x")
    index = tree / "static-host.index"
    index.write_bytes(dump_index("/static/", resources))
    assert not is_ours(tree)
    index.write_bytes(dump_index("/static/", resources, None, {"robots.txt": b"x"}))
    assert is_ours(tree), "an empty folder is no file"
    (tree / "css/manifest.json").write_text("{}")
    assert not is_ours(tree)
    index.write_bytes(dump_index("/static/", resources, ("css/manifest.json", b"{}"), {"robots.txt": b"x"}))
    assert is_ours(tree)
    (tree / "a3a6bf43").write_text("the only copy")  # the name is the manifest's checksum
    assert not is_ours(tree)
    (tree / "a3a6bf43").unlink()
    index.write_bytes(
        dump_index("/static/", resources, ("css/manifest.json", b"{}"), {"robots.txt": b"x"}, adopted=True)
    )
    assert not is_ours(tree), "other tools made it"


def test_a_release_that_is_there_under_its_name_already_gets_a_neighbour(tmp_path: Path) -> None:
    root = tmp_path / "root"
    first = put_in(root)
    server = os.open(first, os.O_RDONLY)
    fcntl.flock(server, fcntl.LOCK_SH)
    put_in(root, {"b.txt": b"b"})
    again = put_in(root)
    assert again.name.startswith(f"{first.name}-")
    assert names_in(first.parent) == [first.name, again.name]
    assert names_in(again) == ["a.txt", "css", "static-host.index"]
    os.close(server)
    assert put_in(root) == again, "an equal tree stays, whatever its name ends with"


def test_a_release_that_has_lost_its_index_is_not_taken_for_the_same_tree(tmp_path: Path) -> None:
    root = tmp_path / "root"
    first = put_in(root)
    (first / "static-host.index").unlink()
    assert put_in(root) != first
    assert names_in(root) == ["a.txt", "css", "static-host.index"]


def test_of_a_release_that_cannot_be_removed_as_much_is_removed_as_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    put_in(root)
    unlink = os.unlink
    refused: list[str] = []

    def refuse(path: str, *, dir_fd: int | None = None) -> None:
        if dir_fd is None:
            unlink(path)
            return
        refused.append(Path(path).name)
        raise PermissionError(1, "Operation not permitted", path)

    monkeypatch.setattr(os, "unlink", refuse)
    second = put_in(root, {"b.txt": b"b"})
    assert sorted(refused) == ["a.txt", "site.css", "site.css.br", "static-host.index"]
    assert names_in(second) == ["b.txt", "static-host.index"]


def test_a_system_without_syncfs_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert release_swap._sync_file_system(0) == -1


def test_the_new_tree_stands_where_the_directory_around_it_cannot_be_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(release_swap, "_sync_file_system", lambda _: 0)
    monkeypatch.setattr(os, "fsync", fail)
    assert names_in(put_in(tmp_path / "root")) == ["a.txt", "css", "static-host.index"]


def test_a_flush_leaves_no_descriptor_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = count_descriptors()
    put_in(tmp_path / "root")
    monkeypatch.setattr(release_swap, "_sync_file_system", lambda _: -1)
    put_in(tmp_path / "root", {"b.txt": b"b"})
    assert count_descriptors() == before
