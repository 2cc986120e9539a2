"""A body on its way from the store, or from the disk, into the cache: what is compared, and what is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from static_host.object_store import body_fetch, minimum_transfer_rate
from static_host.object_store.body_fetch import (
    ObjectCorruptError,
    ObjectNotFoundError,
    fetch_into_cache,
    load_from_disk_cache,
)
from static_host.object_store.disk_cache import DiskCache
from static_host.object_store.fetched_tree import BodyNotFetchedError, FetchedTree
from static_host.object_store.minimum_transfer_rate import read_at_min_rate
from static_host.origin.body_cache import BodyCache
from static_host.origin.representation import Representation
from tests.support.clocks import ManualClock
from tests.support.scripted_stores import ScriptedStore

SHORT = Representation("br", "css/site.css.br", 5, "LPJNul-wow4m6DsqxbninhsW")
"""What `hello` is, which the memory takes."""
LONG = Representation("identity", "large.bin", 30, "J2-t_J7cSfX5r5bZdjZzHe91")
"""What three times `0123456789` is, which the memory does not take."""
SHORT_BODY, LONG_BODY = b"hello", b"0123456789" * 3


def make_tree(directory: Path | None, *, memory: int = 10, disk: int = 100) -> FetchedTree:
    return FetchedTree(DiskCache(directory, disk) if directory else None, BodyCache(memory))


@pytest.fixture
def tree(tmp_path: Path) -> FetchedTree:
    """A tree whose memory takes ten bytes, and its disk a hundred."""
    return make_tree(tmp_path / "disk")


async def wait(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def fetch(tree: FetchedTree, representation: Representation, *script: bytes | BaseException) -> ScriptedStore:
    """Fetch a body that comes in these chunks."""

    async def main() -> ScriptedStore:
        store = ScriptedStore()
        store.put(f"files/{representation.file}", *script)
        store.lengths[f"files/{representation.file}"] = representation.length
        await fetch_into_cache(tree, store, representation, wait)
        return store

    return asyncio.run(main())


def load(tree: FetchedTree, representation: Representation) -> bool:
    return asyncio.run(load_from_disk_cache(tree, representation))


def files_of(tree: FetchedTree) -> dict[str, bytes]:
    assert tree.disk_cache
    return {path.name: path.read_bytes() for path in tree.disk_cache.directory.iterdir()}


def is_cached(tree: FetchedTree, representation: Representation) -> bool:
    try:
        if not tree.is_kept_in_memory(representation):
            tree.open(representation).close()
        return tree.read_body(representation) is not None or not tree.is_kept_in_memory(representation)
    except BodyNotFetchedError:
        return False


def find_open_files(tree: FetchedTree) -> list[str]:
    """Return where the descriptors of this process lead to, in the disk's directory."""
    assert tree.disk_cache
    directory = str(tree.disk_cache.directory.resolve())
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one of this loop
            found.append(str(descriptor.readlink()))
    return [path for path in found if path.startswith(f"{directory}/")]


def test_the_digests_of_these_tests_are_those_of_the_bodies() -> None:
    assert sha256(SHORT_BODY).hexdigest()[:36] == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b16"
    assert sha256(LONG_BODY).hexdigest()[:36] == "276fadfc9edc49f5f9af96d97636731def75"


def test_a_short_body_goes_to_the_memory_and_to_the_disk(tree: FetchedTree) -> None:
    store = fetch(tree, SHORT, b"he", b"l", b"lo")
    assert store.asked == ["files/css/site.css.br"]
    assert bytes(tree.read_body(SHORT) or b"") == SHORT_BODY
    assert files_of(tree) == {SHORT.digest: SHORT_BODY}


def test_without_a_disk_it_goes_to_the_memory(caplog: pytest.LogCaptureFixture) -> None:
    tree = make_tree(None)
    fetch(tree, SHORT, SHORT_BODY)
    assert bytes(tree.read_body(SHORT) or b"") == SHORT_BODY
    assert caplog.messages == []
    fetch(tree, LONG, LONG_BODY)
    assert not is_cached(tree, LONG)
    assert not load(tree, SHORT)


def test_a_long_body_goes_to_the_disk_alone_and_no_descriptor_is_left(tree: FetchedTree) -> None:
    fetch(tree, LONG, LONG_BODY[:11], LONG_BODY[11:12], LONG_BODY[12:])
    assert files_of(tree) == {LONG.digest: LONG_BODY}
    assert tree.read_body(LONG) is None
    with tree.open(LONG) as file:
        assert file.read() == LONG_BODY
    assert find_open_files(tree) == []


def test_an_object_that_the_store_lacks_is_not_found(tree: FetchedTree) -> None:
    with pytest.raises(ObjectNotFoundError):
        asyncio.run(fetch_into_cache(tree, ScriptedStore(), SHORT, wait))


@pytest.mark.parametrize(
    ("wanted", "script", "stated", "message"),
    [
        (SHORT, [SHORT_BODY], 4, "has 4 bytes, its index says 5"),
        (SHORT, [b"hell"], 5, "has another length than its index says"),
        (SHORT, [b"hello", b"!"], 5, "has another length than its index says"),
        (SHORT, [b"hell0"], 5, "has other bytes than its index says"),
        (LONG, [LONG_BODY + b"!"], 31, "has 31 bytes, its index says 30"),
        (LONG, [LONG_BODY[:29]], 30, "has another length than its index says"),
        (LONG, [LONG_BODY, b"!"], 30, "has another length than its index says"),
        (LONG, [LONG_BODY[:29] + b"!"], 30, "has other bytes than its index says"),
    ],
)
def test_what_differs_from_its_index_is_not_kept_and_the_difference_is_named(
    tree: FetchedTree, wanted: Representation, script: list[bytes], stated: int, message: str
) -> None:
    async def main() -> None:
        store = ScriptedStore()
        store.put(f"files/{wanted.file}", *script)
        store.lengths[f"files/{wanted.file}"] = stated
        await fetch_into_cache(tree, store, wanted, wait)

    with pytest.raises(ObjectCorruptError) as failed:
        asyncio.run(main())
    assert str(failed.value) == message
    assert files_of(tree) == {}
    assert not is_cached(tree, wanted)
    assert find_open_files(tree) == []


@pytest.mark.parametrize("wanted", [SHORT, LONG])
def test_an_object_without_end_is_not_read_further_than_its_length(tree: FetchedTree, wanted: Representation) -> None:
    with pytest.raises(ObjectCorruptError, match=r"^has another length than its index says$"):
        fetch(tree, wanted, *[b"0123456789"] * 4, AssertionError("more was read"))


@pytest.mark.parametrize("wanted", [SHORT, LONG])
def test_an_error_of_the_network_is_passed_on_and_nothing_is_left(
    tree: FetchedTree, wanted: Representation, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(OSError, match=r"^reset$"):
        fetch(tree, wanted, b"0", OSError("reset"))
    assert files_of(tree) == {}
    assert find_open_files(tree) == []
    assert caplog.messages == []


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more byte can be written."""

    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("static_host.object_store.disk_cache.os.write", fail)


@pytest.mark.usefixtures("full_disk")
def test_where_the_disk_fails_short_bodies_are_kept_in_memory_and_long_ones_not_at_all(
    tree: FetchedTree, caplog: pytest.LogCaptureFixture
) -> None:
    fetch(tree, SHORT, SHORT_BODY)
    assert is_cached(tree, SHORT)
    with pytest.raises(ObjectNotFoundError):
        fetch(tree, LONG, LONG_BODY)
    assert not is_cached(tree, LONG)
    assert files_of(tree) == {}
    assert find_open_files(tree) == []
    assert tree.disk_cache
    message = f"{tree.disk_cache.directory}: a file of the store cannot be written there: "
    message += "[Errno 28] No space left on device"
    assert caplog.record_tuples == [("static_host.store", 30, message)] * 2


def test_so_it_is_where_the_budget_has_no_room_and_nothing_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tree = make_tree(tmp_path / "disk", disk=4)
    fetch(tree, SHORT, SHORT_BODY)
    assert is_cached(tree, SHORT)
    with pytest.raises(ObjectNotFoundError):
        fetch(tree, LONG, LONG_BODY)
    assert files_of(tree) == {}
    assert caplog.messages == []


def test_a_long_body_waits_for_another_one_to_give_up_its_room(
    tree: FetchedTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tree.disk_cache
    other = tree.disk_cache.open_pending(71)
    polls: list[float] = []

    async def sleep(seconds: float) -> None:
        polls.append(seconds)
        if len(polls) == 3:
            other.abandon()

    monkeypatch.setattr(body_fetch, "time", ManualClock(100.0, 100.5, 101.0, 102.0))
    monkeypatch.setattr(asyncio, "sleep", sleep)
    fetch(tree, LONG, LONG_BODY)
    assert polls == [0.02] * 3
    assert files_of(tree) == {LONG.digest: LONG_BODY}


def test_it_waits_for_two_seconds_and_is_not_found_then(tree: FetchedTree, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tree.disk_cache
    other = tree.disk_cache.open_pending(71)
    polls: list[float] = []

    async def sleep(seconds: float) -> None:
        polls.append(seconds)

    monkeypatch.setattr(body_fetch, "time", ManualClock(100.0, 102.0, 102.1))
    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(ObjectNotFoundError):
        fetch(tree, LONG, LONG_BODY)
    assert len(polls) == 1
    other.abandon()
    assert files_of(tree) == {}


@pytest.mark.parametrize(("wanted", "body"), [(SHORT, SHORT_BODY), (LONG, LONG_BODY)])
def test_what_another_process_put_on_the_disk_is_compared_and_used(
    tree: FetchedTree, wanted: Representation, body: bytes
) -> None:
    assert tree.disk_cache
    assert not load(tree, wanted)
    path = tree.disk_cache.directory / wanted.digest
    for wrong in (body[:-1], body + b"!", body[:-1] + b"!", b""):
        path.write_bytes(wrong)
        assert not load(tree, wanted)
        assert not is_cached(tree, wanted)
        assert files_of(tree) == {}
    path.write_bytes(body)
    assert load(tree, wanted)
    assert files_of(tree) == {wanted.digest: body}
    if wanted == SHORT:
        path.unlink()
    assert is_cached(tree, wanted)
    path.unlink(missing_ok=True)
    assert is_cached(tree, wanted) == (wanted == SHORT), "a short one is in memory"
    assert find_open_files(tree) == []


def test_a_body_on_the_disk_is_read_beside_the_event_loop(tree: FetchedTree, monkeypatch: pytest.MonkeyPatch) -> None:
    functions: list[str] = []
    to_thread = asyncio.to_thread

    async def watch(function: Callable[..., Any], *arguments: Any) -> Any:
        functions.append(function.__name__)
        return await to_thread(function, *arguments)

    monkeypatch.setattr(asyncio, "to_thread", watch)
    fetch(tree, SHORT, SHORT_BODY)
    fetch(tree, LONG, LONG_BODY[:20], LONG_BODY[20:])
    load(tree, LONG)
    assert functions == ["_store_on_disk", "open_pending", "write", "write", "_read_from_disk"]


def read(length: int, *script: bytes | BaseException) -> list[bytes]:
    async def main() -> list[bytes]:
        store = ScriptedStore()
        store.put("a", *script)
        return [chunk async for chunk in read_at_min_rate(await store.get_async("a"), length, wait)]

    return asyncio.run(main())


def test_chunks_come_as_they_are_until_the_length_is_exceeded() -> None:
    assert read(10, b"abc", b"defgh", b"") == [b"abc", b"defgh", b""]
    assert {type(chunk) for chunk in read(10, b"abc")} == {bytes}
    assert read(3, b"abc", b"d", AssertionError("more was read")) == [b"abc", b"d"]
    assert read(3) == []


def test_a_transfer_may_lag_two_seconds_behind_ten_thousand_bytes_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    chunk = bytes(5_000)
    monkeypatch.setattr(minimum_transfer_rate, "time", ManualClock(1_000.0, 1_000.0, 1_003.0, 1_003.5, 1_004.1))
    with pytest.raises(TimeoutError, match=r"^fewer than 10,000 bytes a second arrived$"):
        read(100_000, *[chunk] * 4)
    monkeypatch.setattr(minimum_transfer_rate, "time", ManualClock(1_000.0, 1_000.0, 1_003.0, 1_003.5, 1_004.0))
    assert read(100_000, *[chunk] * 4) == [chunk] * 4


def test_each_chunk_is_waited_for_as_long_as_any_call() -> None:
    async def give_up(awaitable: Awaitable[Any]) -> Any:
        await awaitable
        raise TimeoutError

    async def main() -> None:
        store = ScriptedStore()
        store.put("files/css/site.css.br", SHORT_BODY)
        async for _ in read_at_min_rate(await store.get_async("files/css/site.css.br"), 5, give_up):
            pass

    with pytest.raises(TimeoutError):
        asyncio.run(main())
