"""The index: names that are found in it, and names that are not."""

from __future__ import annotations

import pytest

from static_host.origin.index import InvalidIndexError, dump_index, parse_index
from static_host.origin.representation import Representation, Resource

NAMES = ("a", "a b", "a-b.css", "a.css", "a/b.css", "css/é.css", "css/\U0001f600.svg", "z\r.txt")


def resource(name: str) -> Resource:
    return Resource("text/plain", False, (Representation("identity", name, 1, "0123456789abcdefghijklmn"),))


@pytest.fixture
def data() -> bytes:
    return dump_index("/static/", {name: resource(name) for name in reversed(NAMES)})


def test_every_name_is_found_and_has_its_own_resource(data: bytes) -> None:
    index = parse_index(data)
    assert (tuple(index), len(index)) == (NAMES, 8)
    assert [index[name] for name in NAMES] == list(index.iter_resources()) == [resource(name) for name in NAMES]


@pytest.mark.parametrize(
    "name", ["", " ", "a.", "A", "a.css\t", "a.css\n", 'a\t["text/plain"', "b", "zz", "\udcff", "css/\udcc3\udca9.css"]
)
def test_no_other_name_is_found(data: bytes, name: str) -> None:
    index = parse_index(data)
    assert name not in index
    with pytest.raises(KeyError):
        index[name]


def test_an_index_whose_lines_are_not_as_many_as_it_says(data: bytes) -> None:
    with pytest.raises(InvalidIndexError, match="it lists 8 resources, its header says 7"):
        parse_index(data.replace(b'"resources": 8', b'"resources": 7'))
    with pytest.raises(InvalidIndexError, match="it lists 0 resources, its header says 0"):
        parse_index(dump_index("/static/", {}))
