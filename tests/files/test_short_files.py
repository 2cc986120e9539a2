"""Short files, read in one step: without a wait where a thread has to wait."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from static_host.files.short_files import MAX_SHORT_BYTES, read_short_file


@pytest.mark.parametrize("may_wait", [True, False])
@pytest.mark.parametrize("length", [0, 1, MAX_SHORT_BYTES, MAX_SHORT_BYTES + 1])
def test_a_short_file_is_read_and_a_longer_one_is_not(tmp_path: Path, length: int, may_wait: bool) -> None:
    content = os.urandom(length)
    (tmp_path / "file").write_bytes(content)
    with (tmp_path / "file").open("rb") as file:
        got = read_short_file(file.fileno(), length, may_wait=may_wait)
        assert got == (content if length <= MAX_SHORT_BYTES else None)
        assert file.tell() == 0


def test_a_file_that_is_shorter_by_now_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    with (tmp_path / "file").open("rb") as file:
        with pytest.raises(BlockingIOError):
            read_short_file(file.fileno(), 4, may_wait=False)
        with pytest.raises(OSError, match="shorter than it was"):
            read_short_file(file.fileno(), 4, may_wait=True)


@pytest.mark.parametrize("got", [OSError(errno.EOPNOTSUPP, ""), OSError(errno.EINVAL, ""), BlockingIOError(), 2])
def test_what_is_not_all_in_the_page_cache_is_for_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, got: Any
) -> None:
    def preadv(*_: Any) -> int:
        if isinstance(got, OSError):
            raise got
        return int(got)

    (tmp_path / "file").write_bytes(b"abc")
    monkeypatch.setattr(os, "preadv", preadv)
    with (tmp_path / "file").open("rb") as file, pytest.raises(BlockingIOError):
        read_short_file(file.fileno(), 3, may_wait=False)
