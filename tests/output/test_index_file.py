"""The index file of a tree: what counts as none, and which names have no place in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from static_host_build.build_errors import BuildError
from static_host_build.output.index_file import dump_index, read_index
from tests.support.trees import make_resource, make_tree

RESOURCES = {"a.txt": make_resource("a.txt", {"identity": b"a"})}


def test_an_index_that_is_missing_or_damaged_is_none(tmp_path: Path) -> None:
    assert read_index(tmp_path) is None
    (tmp_path / "static-host.index").write_bytes(b"{}")
    assert read_index(tmp_path) is None
    index = read_index(make_tree(tmp_path, {"a.txt": b"a"}))
    assert index
    assert (list(index), index["a.txt"]) == (["a.txt"], RESOURCES["a.txt"])


def test_an_index_has_the_facts_that_are_given(tmp_path: Path) -> None:
    data = dump_index("/s/", RESOURCES, ("m.json", b"{}"), other_files={"robots.txt": b"x"}, time=5)
    (tmp_path / "static-host.index").write_bytes(data)
    index = read_index(tmp_path)
    assert index
    assert (index.prefix, list(index)) == ("/s/", ["a.txt"])
    assert tuple(index.manifest or ()) == ("m.json", "a3a6bf43")
    assert (index.other_files, index.releases[0].time) == (("robots.txt",), 5)


@pytest.mark.parametrize("name", ["a\tb.txt", "a\nb.txt", "a\udc80.txt"])
def test_a_name_that_no_line_can_hold_is_named(name: str) -> None:
    with pytest.raises(BuildError) as refused:
        dump_index("/static/", {name: RESOURCES["a.txt"]}, None)
    assert str(refused.value) == (
        f"a static file has a name that cannot be served: {name!r} has a tab or a line feed, or is not Unicode. "
        "Rename it."
    )
