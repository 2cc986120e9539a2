"""The catalog of a store's releases: what is read and how often, and what of it is believed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any
from zlib import crc32

import pytest

from static_host.object_store import release_catalog as module
from static_host.object_store.client import NotAStoreError
from static_host.object_store.release_catalog import Catalog
from static_host.origin.index import dump_index, parse_index
from static_host.origin.representation import Representation, Resource
from tests.support.clocks import ManualClock
from tests.support.scripted_stores import ScriptedStore

OWN = "own.0123456789ab.css"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    clock = ManualClock(1_000.0)
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def catalog(clock: ManualClock) -> Catalog:
    """The catalog of a server whose own tree has one file."""
    return Catalog("s3://a", parse_index(make_index(OWN)))


async def wait(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def make_resource(name: str, digest: str = "a" * 24, *, immutable: bool = True) -> Resource:
    return Resource("text/css", immutable, (Representation("identity", name, 5, digest),))


def make_index(*names: str, prefix: str = "/static/", digest: str = "a" * 24, **options: bool) -> bytes:
    return dump_index(prefix, {name: make_resource(name, digest, **options) for name in names})


def read(catalog: Catalog, store: ScriptedStore) -> list[str]:
    """Read the list, and return what the store was asked for."""
    store.asked.clear()
    asyncio.run(catalog.read(store, wait))
    return list(store.asked)


def test_the_list_is_fresh_for_three_seconds_from_the_beginning_of_its_reading(
    catalog: Catalog, clock: ManualClock
) -> None:
    store = ScriptedStore()
    store.put("releases/1.index", make_index("a.css"), lambda: setattr(clock, "now", 1_001.0))

    def is_fresh_at(now: float) -> bool:
        clock.now = now
        return catalog.is_fresh

    assert not is_fresh_at(1_000.0)
    read(catalog, store)
    assert [is_fresh_at(now) for now in (1_001.0, 1_002.9, 1_003.0)] == [True, True, False]


def test_each_index_is_read_once_until_it_changes(catalog: Catalog) -> None:
    store = ScriptedStore()
    store.put("releases/1.index", make_index("a.css"))
    assert catalog.changes == 0
    assert read(catalog, store) == ["releases/*", "releases/1.index"]
    assert (catalog.changes, catalog.find_resources("a.css")) == (1, [make_resource("a.css")])
    assert read(catalog, store) == ["releases/*"]
    assert catalog.changes == 1
    store.put("releases/2.index", make_index("b.css"), written=1)
    store.put("files/b.css", b"hello")
    store.put("releases/readme.txt", b"hello")
    assert read(catalog, store) == ["releases/*", "releases/2.index"]
    assert (catalog.changes, len(catalog.find_resources("b.css"))) == (2, 1)
    store.put("releases/1.index", make_index("a.css"), written=2)
    assert read(catalog, store) == ["releases/*", "releases/1.index"]
    store.put("releases/1.index", make_index("a.css", "c.css"), written=2)
    assert read(catalog, store) == ["releases/*", "releases/1.index"]
    assert catalog.changes == 4
    assert len(catalog.find_resources("c.css")) == 1
    del store.objects["releases/1.index"]
    assert read(catalog, store) == ["releases/*"]
    assert (catalog.changes, catalog.find_resources("a.css")) == (5, [])


def test_different_contents_of_a_name_are_found_the_newest_release_s_first(catalog: Catalog) -> None:
    store = ScriptedStore()
    for number, digest in enumerate("abac"):
        store.put(f"releases/{number}.index", make_index("x.css", digest=digest * 24), written=number)
    read(catalog, store)
    found = [resource.identity.digest[:1] for resource in catalog.find_resources("x.css")]
    assert found == ["c", "a", "b"]
    assert catalog.find_resources("y.css") == []


def make_releases_index(releases: tuple[Any, ...], own: object, *earlier: object) -> bytes:
    """Return the index of a release `own` whose file x.css has these numbers of releases."""
    releases_of = {"x.css": replace(make_resource("x.css"), releases=releases)}
    first, body = dump_index("/static/", releases_of).split(b"\n", 1)
    return (
        json.dumps({**json.loads(first), "release": own, "earlier": [[each] for each in earlier]}).encode()
        + b"\n"
        + body
    )


A, B, C = "a" * 16, "b" * 16, "0123456789abcdef"


@pytest.mark.parametrize(
    ("indexes", "release"),
    [
        ([((0,), A)], A),
        ([((0,), A), ((0,), B)], ""),
        ([((1,), B, A), ((0,), A)], A),
        ([((0, 1), B, A), ((0,), A)], ""),
        ([((2,), B, A, C)], C),
        ([((3,), B, A, C)], ""),
        ([(("x",), B)], ""),
        ([((0,), 5)], ""),
        ([((0,), "\ud800" * 16)], ""),
        ([((0,), "a" * 17)], ""),
        ([((0,), [A])], ""),
    ],
)
def test_a_file_is_that_of_one_release_if_no_other_in_the_store_has_it(
    catalog: Catalog, indexes: list[tuple[Any, ...]], release: str
) -> None:
    store = ScriptedStore()
    for number, facts in enumerate(indexes):
        store.put(f"releases/{number}.index", make_releases_index(*facts))
    read(catalog, store)
    assert len(catalog.find_resources("x.css")) == 1
    assert catalog.name_only_release("x.css") == release
    assert catalog.name_only_release("y.css") == ""


def test_the_server_s_own_files_are_not_looked_for_in_the_store(catalog: Catalog) -> None:
    store = ScriptedStore()
    store.put("releases/1.index", make_index(OWN, "a.css"))
    read(catalog, store)
    assert catalog.find_resources(OWN) == []
    assert len(catalog.find_resources("a.css")) == 1


def test_the_twenty_newest_releases_are_read(catalog: Catalog) -> None:
    store = ScriptedStore()
    for number in range(22):
        store.put(f"releases/{number}.index", make_index(f"{number}.css"), written=number)
    assert read(catalog, store) == ["releases/*", *(f"releases/{number}.index" for number in range(21, 1, -1))]
    assert [len(catalog.find_resources(f"{number}.css")) for number in (1, 2, 21)] == [0, 1, 1]


def test_an_index_that_is_too_long_is_skipped_and_named_once(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    store = ScriptedStore()
    for number in range(22):
        store.put(f"releases/{number}.index", make_index(f"{number}.css"), written=number)
    store.lengths = {"releases/21.index": (64 << 20) + 1, "releases/20.index": 64 << 20, "releases/0.index": 65 << 20}
    assert read(catalog, store) == ["releases/*", *(f"releases/{number}.index" for number in range(20, 0, -1))]
    read(catalog, store)
    assert caplog.record_tuples == [
        ("static_host.store", 40, "s3://a/releases/21.index cannot be used: it has 67,108,865 bytes")
    ]


def test_an_index_that_fails_is_named_once_and_read_again_each_time(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    store = ScriptedStore()
    store.put("releases/1.index", make_index("a.css"), written=1)
    store.put("releases/2.index", b"", OSError("reset by the store.\n\nDebug source: x"), written=2)
    store.put("releases/3.index", make_index("c.css"), written=3)
    for _ in range(2):
        assert "releases/2.index" in read(catalog, store)
        assert [len(catalog.find_resources(f"{name}.css")) for name in "abc"] == [1, 0, 1]
        assert catalog.is_fresh
    assert catalog.changes == 1
    assert caplog.messages == ["s3://a/releases/2.index cannot be used: reset by the store"]
    store.put("releases/2.index", make_index("b.css"), written=2)
    read(catalog, store)
    assert (catalog.changes, len(catalog.find_resources("b.css"))) == (2, 1)


def test_where_no_index_can_be_read_the_error_is_passed_on(catalog: Catalog) -> None:
    store = ScriptedStore()
    store.put("releases/1.index", make_index("a.css"), written=1)
    read(catalog, store)
    store.put("releases/1.index", OSError("reset"), written=2)
    with pytest.raises(OSError, match=r"^reset$"):
        read(catalog, store)
    assert catalog.find_resources("a.css") == []


def test_the_list_that_could_not_be_read_leaves_the_catalog_as_it_was(catalog: Catalog, clock: ManualClock) -> None:
    store = ScriptedStore()
    store.put("releases/1.index", make_index("a.css"))
    read(catalog, store)
    clock.now += 3
    store.listing_error = OSError("reset")
    with pytest.raises(OSError, match=r"^reset$"):
        read(catalog, store)
    assert not catalog.is_fresh
    assert len(catalog.find_resources("a.css")) == 1


def test_a_skipped_index_is_remembered_among_the_twenty_last_ones(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    store = ScriptedStore()
    store.put("releases/0.index", make_index("a.css"))
    for number in range(1, 40):
        store.put(f"releases/{number}.index", OSError("reset"), written=number)
        read(catalog, store)
        del store.objects[f"releases/{number}.index"]
    assert len(caplog.messages) == 39
    assert len(catalog._skipped) == 21


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<html>", "cannot be used: its first line is not an index header"),
        (
            make_index("a.css")[:-1],
            "cannot be used: its checksum does not match: it was cut short or changed after the build",
        ),
        (
            make_index("a.css", prefix="/s/"),
            "is skipped: its pages use the prefix /s/, this server's pages use /static/",
        ),
    ],
)
def test_an_index_that_is_none_or_has_another_prefix_is_skipped_and_not_read_again(
    catalog: Catalog, caplog: pytest.LogCaptureFixture, data: bytes, message: str
) -> None:
    store = ScriptedStore()
    store.put("releases/1.index", data, written=1)
    store.put("releases/2.index", make_index("b.css"), written=2)
    assert len(read(catalog, store)) == 3
    assert read(catalog, store) == ["releases/*"]
    assert (catalog.find_resources("a.css"), len(catalog.find_resources("b.css"))) == ([], 1)
    assert caplog.messages == [f"s3://a/releases/1.index {message}"]
    assert {record.name for record in caplog.records} == {"static_host.store"}


@pytest.mark.parametrize(
    "row",
    [
        '["text/css",false,[["identity",5,"aaaaaaaaaaaaaaaaaaaaaaaa",null]]]',
        '["text/css",1,[["identity",5,"aaaaaaaaaaaaaaaaaaaaaaaa",null]]]',
        '["text/css",true,[["identity",5,"aaaaaaaaaaaaaaaaaaaaaaaa","../a.css"]]]',
        '["text/css",true,[["identity",5]]]',
        '["text/css",true]',
        '["text/css",true,5]',
        '["text/css",true,[],5]',
        "{",
    ],
)
def test_a_resource_that_no_build_could_have_made_is_skipped(catalog: Catalog, row: str) -> None:
    line = b'a.css\t["text/css",true,[["identity",5,"aaaaaaaaaaaaaaaaaaaaaaaa",null]]]\n'
    store = ScriptedStore()
    store.put("releases/1.index", make_index("b.css"), written=1)
    good, bad = make_index("a.css"), f"a.css\t{row}\n".encode()
    assert good.endswith(line)
    store.put("releases/2.index", _with_body(good, bad), written=2)
    read(catalog, store)
    assert catalog.find_resources("a.css") == []
    assert len(catalog.find_resources("b.css")) == 1


def _with_body(index: bytes, body: bytes) -> bytes:
    """Return the index with these lines instead, and their checksum."""
    head, _, old = index.partition(b"\n")
    return head.replace(f"{crc32(old):08x}".encode(), f"{crc32(body):08x}".encode()) + b"\n" + body


def test_a_store_without_releases_is_asked_once_whether_it_is_one(catalog: Catalog) -> None:
    store = ScriptedStore()
    assert read(catalog, store) == ["releases/*", "releases/none"]
    assert catalog.is_fresh
    assert read(catalog, store) == ["releases/*"]
    assert catalog.changes == 0


def test_a_store_that_had_releases_is_not_asked(catalog: Catalog) -> None:
    store = ScriptedStore()
    store.put("releases/1.index", make_index("a.css"))
    read(catalog, store)
    store.objects.clear()
    assert read(catalog, store) == ["releases/*"]
    assert catalog.find_resources("a.css") == []


def test_what_returns_anything_is_no_store(catalog: Catalog) -> None:
    store = ScriptedStore()
    store.put("releases/none", b"<html>")
    for _ in range(2):
        with pytest.raises(NotAStoreError, match="it returns an object that cannot exist"):
            read(catalog, store)
        assert store.asked == ["releases/*", "releases/none"]
        assert not catalog.is_fresh


def test_each_call_and_each_chunk_is_waited_for_with_the_same_limit(catalog: Catalog) -> None:
    waited: list[str] = []

    async def watch(awaitable: Awaitable[Any]) -> Any:
        waited.append(type(awaitable).__name__)
        return await awaitable

    store = ScriptedStore()
    asyncio.run(catalog.read(store, watch))
    assert waited == ["coroutine", "coroutine"]
    waited.clear()
    index = make_index("a.css")
    store.put("releases/1.index", index[:9], index[9:])
    asyncio.run(catalog.read(store, watch))
    assert waited == ["coroutine"] * 2 + ["async_generator_asend"] * 3
    assert len(catalog.find_resources("a.css")) == 1
