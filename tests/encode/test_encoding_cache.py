"""The cache of encoded bytes by itself: what is kept, what counts as none, and what goes first."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from static_host_build.encode import encoding_cache as module
from static_host_build.encode.encoding_cache import EncodingCache, choose_cache_directory

BOTH = {"br": b"as br\n", "gzip": b"\x00\xff\n"}


def entries_of(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob("*/*") if path.is_file())


def test_what_is_kept_is_had_again_by_the_same_bytes_and_the_same_recipe(tmp_path: Path) -> None:
    cache = EncodingCache(tmp_path / "made/here", "recipe")
    assert (cache.get(b"data"), cache.has(b"data")) == (None, False)
    cache.put(b"data", BOTH, 0.5)
    cache.put(b"other", {}, None)
    assert (cache.get(b"data"), cache.has(b"data")) == (BOTH, True)
    assert list(cache.get(b"data") or ()) == ["br", "gzip"]
    assert (cache.get(b"other"), cache.has(b"other")) == ({}, True)
    later = EncodingCache(tmp_path / "made/here", "recipe")
    assert (later.get(b"data"), later.get_encode_seconds(b"data")) == (BOTH, None)
    assert EncodingCache(tmp_path / "made/here", "another").get(b"data") is None
    assert [path.relative_to(cache.directory).as_posix() for path in entries_of(cache.directory)] == [
        "26/3386b752fa1f6c8dfa602d8514954f503e6be7f8df473235348fada6063be6",
        "f4/434852025092d02d11a6982474017cde9839a05f07ce858e20d6bf1c0ddcb2",
    ]


def test_this_build_knows_what_it_encoded_and_what_it_took(tmp_path: Path) -> None:
    cache = EncodingCache(tmp_path, "recipe")
    cache.put(b"encoded", BOTH, 0.5)
    cache.put(b"taken", BOTH, None)
    assert (cache.get_encode_seconds(b"encoded"), cache.is_reused(b"encoded")) == (0.5, False)
    assert (cache.get_encode_seconds(b"taken"), cache.is_reused(b"taken")) == (None, True)


@pytest.mark.parametrize("place", [0, 63, 65, -1])
def test_an_entry_with_one_wrong_byte_counts_as_none(tmp_path: Path, place: int) -> None:
    cache = EncodingCache(tmp_path, "recipe")
    cache.put(b"data", BOTH, 0.5)
    (entry,) = entries_of(tmp_path)
    data = bytearray(entry.read_bytes())
    data[place] ^= 1
    entry.write_bytes(data)
    assert cache.get(b"data") is None
    cache.put(b"data", BOTH, 0.5)
    assert cache.get(b"data") == BOTH
    entry.write_bytes(b"")
    assert cache.get(b"data") is None


def test_an_entry_that_is_used_is_as_young_as_one_that_is_made(tmp_path: Path) -> None:
    cache = EncodingCache(tmp_path, "recipe")
    cache.put(b"data", BOTH, 0.5)
    (entry,) = entries_of(tmp_path)
    os.utime(entry, (1, 1))
    cache.get(b"data")
    assert entry.stat().st_mtime > 1_000_000


def test_a_directory_that_cannot_be_written_keeps_nothing_and_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = EncodingCache(tmp_path / "file/cache", "recipe")
    cache.put(b"data", BOTH, 0.5)
    assert cache.get(b"data") is None
    assert cache.get_encode_seconds(b"data") == 0.5
    cache.prune()


def test_what_was_used_longest_ago_goes_first_and_no_more_than_has_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module.MAX_CACHE_BYTES == 1 << 30
    cache = EncodingCache(tmp_path, "recipe")
    bodies = [b"a", b"b", b"c", b"d", b"e"]
    for data in bodies:
        cache.put(data, {"br": b"1234567890"}, 0.5)
    size = entries_of(tmp_path)[0].stat().st_size
    oldest_first = sorted(bodies, key=lambda data: str(cache._locate_entry(data)), reverse=True)
    for place, data in enumerate(oldest_first):
        os.utime(cache._locate_entry(data), (place, place))

    def prune(max_bytes: int) -> list[bytes]:
        monkeypatch.setattr(module, "MAX_CACHE_BYTES", max_bytes)
        cache.prune()
        return [data for data in oldest_first if cache.has(data)]

    assert prune(5 * size) == oldest_first
    assert prune(5 * size - 1) == oldest_first[1:]
    assert prune(2 * size) == oldest_first[3:]
    assert prune(size) == oldest_first[4:]
    assert prune(0) == []
    assert entries_of(tmp_path) == []


def test_what_cannot_be_removed_harms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = EncodingCache(tmp_path, "recipe")
    cache.put(b"data", BOTH, 0.5)
    (tmp_path / "aa").mkdir()
    (tmp_path / "aa/gone").symlink_to("nowhere")
    monkeypatch.setattr(module, "MAX_CACHE_BYTES", 0)
    cache.prune()
    assert cache.has(b"data")


def test_the_directory_is_the_chosen_one_else_the_user_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert choose_cache_directory(tmp_path / "chosen/one", tmp_path) == tmp_path / "chosen/one"
    assert (tmp_path / "chosen/one").is_dir()
    assert choose_cache_directory(tmp_path / "chosen/one", tmp_path) == tmp_path / "chosen/one"
    assert choose_cache_directory(None, tmp_path) == tmp_path / "xdg/static-host"
    assert (tmp_path / "xdg/static-host").is_dir()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert choose_cache_directory(None, tmp_path) == tmp_path / "home/.cache/static-host"
    monkeypatch.chdir(tmp_path)
    assert choose_cache_directory(Path("relative"), tmp_path) == Path("relative")


def test_where_it_cannot_be_written_it_is_beside_the_releases_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "file").write_text("")
    assert choose_cache_directory(tmp_path / "file/cache", tmp_path) == tmp_path / "building-cache"
    assert choose_cache_directory(Path("/proc/self"), tmp_path) == tmp_path / "building-cache"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert choose_cache_directory(None, tmp_path) == tmp_path / "building-cache"
    assert caplog.messages == [
        f"encoded files are not kept for the next build: {place} cannot be written. "
        "Set DJANGO_STATIC_CACHE to a directory that can be written."
        for place in (tmp_path / "file/cache", "/proc/self", "relative/static-host")
    ]
