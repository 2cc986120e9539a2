"""The note that a build leaves for the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from static_host_build.output.build_stamp import BuildStamp, read, write
from static_host_build.references.missing_references import MissingReference

STAMP = BuildStamp("in", "carried", "1" * 16, (), ("a warning", "another"))


def test_a_note_is_read_as_it_was_written_and_the_last_one_counts(tmp_path: Path) -> None:
    assert read(tmp_path) is None
    write(tmp_path, STAMP)
    assert read(tmp_path) == STAMP
    other = BuildStamp("x", "y", "2" * 16, (), ())
    write(tmp_path, other)
    assert read(tmp_path) == other
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "1", '{"inputs": 1}', "[" * 100_000])
def test_what_cannot_be_read_is_no_note(tmp_path: Path, text: str) -> None:
    (tmp_path / "record.json").write_text(text)
    assert read(tmp_path) is None


def test_where_nothing_can_be_written_there_is_no_note(tmp_path: Path) -> None:
    write(tmp_path / "gone", STAMP)
    assert read(tmp_path / "gone") is None


def test_a_note_has_the_references_that_lead_nowhere(tmp_path: Path) -> None:
    fields = dict.fromkeys(MissingReference.__dataclass_fields__, "x")
    stamp = BuildStamp("in", "carried", "1" * 16, (MissingReference(**fields),), ())  # type: ignore[arg-type]
    write(tmp_path, stamp)
    assert read(tmp_path) == stamp
