"""Look-ups in a store, in one event loop: what is found, what is remembered, and how long a request waits.

test_fallback.py has the same with real servers and stores.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import pytest

from static_host.conf.settings import Settings
from static_host.object_store import fallback, release_catalog
from static_host.object_store.candidate_names import FingerprintMatcher
from static_host.object_store.client import StoreOpenError
from static_host.object_store.disk_cache import DiskCache
from static_host.object_store.fallback import ObjectStoreFallback
from static_host.object_store.fetched_tree import FetchedTree
from static_host.origin.body_cache import BodyCache
from static_host.origin.index import INDEX_FILE_NAME, dump_index
from static_host.origin.representation import Representation, Resource, shorten_digest
from static_host.origin.responder import Responder
from static_host.origin.response import Response, Slice
from static_host.origin.response_cache import ResponseCache
from static_host.origin.security import SecurityPolicy
from static_host.origin.tree import load_tree
from tests.support import instantly
from tests.support.clocks import ManualClock
from tests.support.scripted_stores import Part, ScriptedStore
from tests.support.trees import make_tree

T = TypeVar("T")
NAME, OTHER = "site.0123456789ab.css", "other.ba9876543210.css"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    clock = ManualClock(1_000.0)
    monkeypatch.setattr(release_catalog, "time", clock)
    monkeypatch.setattr(fallback, "time", clock)
    return clock


@pytest.fixture
def responder(tmp_path: Path) -> Responder:
    """A server's own tree, whose memory takes thirty bytes."""
    return Responder(load_tree(make_tree(tmp_path / "own", {"own.txt": b"own"}), 30), "/static/", 60)


@pytest.fixture
def store() -> ScriptedStore:
    """A store with one release of two files."""
    store = ScriptedStore()
    publish(store, 1, {NAME: b"hello", OTHER: b"other"})
    return store


class Host:
    """A fallback over a scripted store, with what it counts."""

    def __init__(self, responder: Responder, opener: Callable[[], Any], disk: DiskCache | None = None) -> None:
        self.outcomes = Counter[str]()
        self.tree = FetchedTree(disk, responder.tree.bodies)
        names = FingerprintMatcher()
        self.fallback = ObjectStoreFallback("s3://a", opener, responder, self.tree, names, 2.0, self.outcomes)

    async def get(self, name: str = NAME, method: str = "GET", **headers: str) -> bytes | None:
        """Return the body that is answered with 200; None for no response."""
        lines = [(key.replace("_", "-").encode(), value.encode()) for key, value in headers.items()]
        response = await self.fallback.respond(method, f"/static/{name}".encode(), lines)
        if response is None:
            return None
        assert response.status == 200
        return read_body(response)


def read_body(response: Response) -> bytes:
    parts = [
        part.file.read()[part.offset :][: part.length] if isinstance(part, Slice) else bytes(part)
        for part in response.body
    ]
    response.close()
    return b"".join(parts)


@pytest.fixture
def host(responder: Responder, store: ScriptedStore, clock: ManualClock) -> Host:
    return Host(responder, lambda: store)


def make_resource(name: str, body: bytes) -> Resource:
    digest = shorten_digest(sha256(body).digest())
    return Resource("text/css", True, (Representation("identity", name, len(body), digest),))


def publish(store: ScriptedStore, number: int, files: dict[str, bytes]) -> None:
    """Put a release there, which has these files."""
    resources = {name: make_resource(name, body) for name, body in files.items()}
    store.put(f"releases/{number}.index", dump_index("/static/", resources), written=number)
    for name, body in files.items():
        store.put(f"files/{name}", body)


def gets(host: Host, *names: str) -> list[bytes | None]:
    """Ask for these names, one after the other."""

    async def main() -> list[bytes | None]:
        return [await host.get(name) for name in names]

    return asyncio.run(main())


def ask(host: Host, store: ScriptedStore, *names: str) -> list[str]:
    """Ask for these names, and return what the store was asked for."""
    store.asked.clear()
    gets(host, *names)
    return list(store.asked)


def test_what_is_found_is_answered_as_from_the_own_tree_and_fetched_once(host: Host, store: ScriptedStore) -> None:
    async def main() -> list[Response | None]:
        return [await host.fallback.respond("GET", b"/static/" + NAME.encode(), []) for _ in range(3)]

    responses = asyncio.run(main())
    assert store.asked == ["releases/*", "releases/1.index", f"files/{NAME}"]
    for response in responses:
        assert response
        assert (response.status, read_body(response)) == (200, b"hello")
        headers = dict(response.headers)
        assert headers[b"content-type"] == b"text/css"
        assert headers[b"cache-control"] == b"public, max-age=31536000, immutable"
    assert host.outcomes == {"found": 3}


def test_request_fields_and_methods_count_as_in_the_own_tree(host: Host) -> None:
    async def main() -> list[tuple[int, bytes]]:
        path = b"/static/" + NAME.encode()
        requests = [("HEAD", []), ("POST", []), ("GET", [(b"range", b"bytes=1-2")]), ("GET", [(b"range", b"bytes=9-")])]
        responses = [await host.fallback.respond(method, path, iter(lines)) for method, lines in requests]
        return [(response.status, read_body(response)) for response in responses if response]

    assert asyncio.run(main()) == [
        (200, b""),
        (405, b"Method Not Allowed\n"),
        (206, b"el"),
        (416, b"Range Not Satisfiable\n"),
    ]


@pytest.mark.parametrize("path", [b"/static/site.css", b"/static/", b"/elsewhere/site.0123456789ab.css", b"/"])
def test_a_path_that_can_have_no_fingerprinted_file_asks_nothing(host: Host, store: ScriptedStore, path: bytes) -> None:
    assert asyncio.run(host.fallback.respond("GET", path, [])) is None
    assert store.asked == []
    assert host.outcomes == {}


def test_a_name_that_no_release_has_costs_one_list_in_three_seconds(
    host: Host, store: ScriptedStore, clock: ManualClock
) -> None:
    assert ask(host, store, "a.0123456789ab.css") == ["releases/*", "releases/1.index"]
    assert ask(host, store, "b.0123456789ab.css", "c.0123456789ab.css") == []
    clock.now += 2.9
    assert ask(host, store, "b.0123456789ab.css") == []
    publish(store, 2, {"b.0123456789ab.css": b"b"})
    clock.now += 0.1
    assert ask(host, store, "b.0123456789ab.css") == ["releases/*", "releases/2.index", "files/b.0123456789ab.css"]
    assert host.outcomes == {"absent": 4, "found": 1}
    assert list(host.fallback._served) == ["b.0123456789ab.css"], "names that do not exist are unbounded"


def test_a_missing_object_is_asked_for_again_after_three_seconds(
    host: Host, store: ScriptedStore, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    del store.objects[f"files/{NAME}"]
    assert ask(host, store, NAME) == ["releases/*", "releases/1.index", f"files/{NAME}"]
    clock.now += 2.9
    assert ask(host, store, NAME) == []
    clock.now += 0.1
    assert ask(host, store, NAME) == [f"files/{NAME}", "releases/*"]
    store.put(f"files/{NAME}", b"hello")
    clock.now += 3
    assert gets(host, NAME) == [b"hello"]
    assert host.outcomes == {"absent": 3, "found": 1}
    assert caplog.messages == []


def test_a_corrupt_object_is_named_and_asked_for_again_after_thirty_seconds(
    host: Host, store: ScriptedStore, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    store.put(f"files/{NAME}", b"hell0")
    assert ask(host, store, NAME) == ["releases/*", "releases/1.index", f"files/{NAME}"]
    clock.now += 29.9
    assert ask(host, store, NAME) == ["releases/*"]
    store.put(f"files/{NAME}", b"hello")
    clock.now += 0.1
    assert ask(host, store, NAME) == [f"files/{NAME}"]
    assert host.outcomes == {"absent": 2, "found": 1}
    message = f"s3://a/files/{NAME} has other bytes than its index says: it is not served"
    assert caplog.record_tuples == [("static_host.store", logging.ERROR, message)]


def test_what_has_no_room_anywhere_is_named_and_not_asked_for(
    host: Host, store: ScriptedStore, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    publish(store, 2, {"large.0123456789ab.css": bytes(1_031)})
    assert ask(host, store, "large.0123456789ab.css") == ["releases/*", "releases/2.index", "releases/1.index"]
    clock.now += 29.9
    ask(host, store, "large.0123456789ab.css")
    assert len(caplog.messages) == 1
    clock.now += 0.1
    ask(host, store, "large.0123456789ab.css")
    message = "s3://a/files/large.0123456789ab.css is not served: its 1,031 bytes do not fit into "
    message += "DJANGO_STATIC_STORE_DISK"
    assert caplog.record_tuples == [("static_host.store", logging.ERROR, message)] * 2
    assert host.outcomes == {"absent": 3}


def test_an_older_release_s_file_is_answered_where_the_newest_one_s_is_missing(
    host: Host, store: ScriptedStore
) -> None:
    publish(store, 2, {NAME: b"newer"})
    assert gets(host, NAME) == [b"newer"]
    publish(store, 3, {NAME: b"newest"})
    store.put(f"files/{NAME}", b"hello")
    store.asked.clear()
    other = Host(host.fallback._responder, lambda: store)
    other.tree.bodies = BodyCache(30)
    assert gets(other, NAME) == [b"hello"]
    assert store.asked == ["releases/*", *(f"releases/{number}.index" for number in (3, 2, 1)), *[f"files/{NAME}"] * 3]


def test_after_five_failures_the_store_is_left_alone_and_a_missing_file_is_none(
    host: Host, store: ScriptedStore, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    store.objects[f"files/{NAME}"] = OSError("reset by the store")
    assert gets(host, NAME, NAME, NAME, NAME) == [None] * 4
    del store.objects[f"files/{OTHER}"]
    gets(host, OTHER)
    assert gets(host, *[NAME] * 4) == [None] * 4
    assert host.fallback.breaker._failures == 4
    clock.now += 30
    store.put(f"files/{OTHER}", b"0ther")
    gets(host, OTHER)
    assert gets(host, *[NAME] * 4) == [None] * 4
    assert host.fallback.breaker._failures == 4
    assert gets(host, NAME) == [None]
    assert host.fallback.breaker.is_open
    assert ask(host, store, NAME) == []
    assert host.outcomes == {"failed": 13, "absent": 2, "circuit_open": 1}
    assert "the store s3://a: reset by the store" in caplog.messages


def test_a_success_counts_as_one(host: Host, store: ScriptedStore) -> None:
    error = OSError("reset")
    for _ in range(2):
        store.objects[f"files/{NAME}"] = error
        gets(host, *[NAME] * 4)
        store.put(f"files/{NAME}", b"hello")
        host.tree.bodies = host.fallback._fetched_tree.bodies = BodyCache(30)
        assert gets(host, NAME) == [b"hello"]
        host.tree.bodies = host.fallback._fetched_tree.bodies = BodyCache(30)
    assert not host.fallback.breaker.is_open
    assert host.fallback.breaker._failures == 0


def test_an_error_of_ours_is_logged_and_answered_as_if_there_were_no_store(
    host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(fallback, "load_from_disk_cache", fail)
    assert gets(host, NAME) == [None]
    assert host.outcomes == {"failed": 1}
    (record,) = caplog.records
    assert (record.name, record.levelno, record.message) == (
        "static_host.store",
        logging.ERROR,
        "a look-up in the store failed",
    )
    assert record.exc_info
    assert record.exc_info[0] is ZeroDivisionError


def test_what_is_cached_is_answered_without_waiting_for_anything(host: Host) -> None:
    gets(host, NAME)
    with pytest.raises(StopIteration) as ended:  # outside of any event loop
        host.fallback.respond("GET", b"/static/" + NAME.encode(), []).send(None)
    assert read_body(ended.value.value) == b"hello"


def test_a_list_that_takes_long_is_read_twice_at_most(
    host: Host, store: ScriptedStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list is out of date when it was read, if that took three seconds."""
    monkeypatch.setattr(release_catalog, "time", ManualClock(*range(0, 1_000, 5)))
    assert gets(host, "a.0123456789ab.css") == [None]
    assert store.asked.count("releases/*") == 2


def test_a_machine_that_has_just_started_finds_its_files(host: Host, clock: ManualClock) -> None:
    clock.now = 0.5
    assert gets(host, NAME) == [b"hello"]


def test_an_index_that_is_skipped_is_named_with_its_store(
    host: Host, store: ScriptedStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.put("releases/2.index", b"<html>", written=2)
    assert gets(host, NAME) == [b"hello"]
    assert caplog.messages == ["s3://a/releases/2.index cannot be used: its first line is not an index header"]


def test_nothing_has_to_be_counted(responder: Responder, store: ScriptedStore) -> None:
    host = Host(responder, lambda: store)
    host.fallback._outcomes = None
    assert gets(host, NAME) == [b"hello"]


def test_many_requests_for_one_file_share_one_look_up(host: Host, store: ScriptedStore) -> None:
    async def main() -> list[bytes | None]:
        return await asyncio.gather(*(host.get(name) for name in [NAME] * 5 + [OTHER] * 5))

    assert asyncio.run(main()) == [b"hello"] * 5 + [b"other"] * 5
    assert sorted(store.asked) == [f"files/{OTHER}", f"files/{NAME}", "releases/*", "releases/1.index"]
    assert host.fallback._pending_lookups == {}


def test_eight_bodies_are_fetched_at_a_time(host: Host, store: ScriptedStore) -> None:
    names = [f"{number:012}.css" for number in range(10)]
    publish(store, 2, {name: name[:12].encode() for name in names})

    async def main() -> None:
        await host.get()
        store.asked.clear()
        store.gate.clear()
        requests = [asyncio.create_task(host.get(name)) for name in names]
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(store.asked) == 8
        store.gate.set()
        assert await asyncio.gather(*requests) == [name[:12].encode() for name in names]

    asyncio.run(main())
    assert len(store.asked) == 10


def pause(seconds: float) -> Callable[[], Awaitable[None]]:
    return lambda: asyncio.sleep(seconds)


def when_the_list_is_read(host: Host, main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine without waiting for timers, after the list, whose reading uses a thread."""
    gets(host, "a.0123456789ab.css")
    host.outcomes.clear()
    return instantly.run(main, is_still=True)


def test_a_request_waits_two_seconds_and_the_next_one_finds_what_it_started(host: Host, store: ScriptedStore) -> None:
    store.put(f"files/{NAME}", pause(1.5), b"hel", pause(1.5), b"lo")

    async def main() -> None:
        assert await host.get() is None
        assert asyncio.get_running_loop().time() == 2.0
        assert await host.get() == b"hello"
        assert asyncio.get_running_loop().time() == 3.0

    when_the_list_is_read(host, main())
    assert host.outcomes == {"late": 1, "found": 1}
    assert store.asked.count(f"files/{NAME}") == 1
    assert host.fallback.breaker._failures == 0


def test_a_store_that_is_silent_for_two_seconds_has_failed(
    host: Host, store: ScriptedStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.put(f"files/{NAME}", pause(2.5), b"hello")

    async def main() -> None:
        for _ in range(2):
            assert await host.get() is None
            await asyncio.wait(host.fallback._pending_lookups.values())

    when_the_list_is_read(host, main())
    gc.collect()  # asyncio speaks then of errors that nobody has seen
    assert host.fallback.breaker._failures == 2
    assert caplog.messages == ["the store s3://a: no answer in time"]
    assert host.outcomes["late"] + host.outcomes["failed"] == 2


def test_a_look_up_ends_after_a_minute_whether_or_not_a_request_waits_for_it(
    host: Host, store: ScriptedStore, caplog: pytest.LogCaptureFixture
) -> None:
    parts: list[Part] = [pause(1.5), b""]
    store.put(f"files/{NAME}", *parts * 44, b"hello")

    async def main() -> None:
        assert await host.get() is None
        (lookup,) = host.fallback._pending_lookups.values()
        await asyncio.wait([lookup])
        assert asyncio.get_running_loop().time() == 60.0

    when_the_list_is_read(host, main())
    assert caplog.messages == ["the store s3://a: no answer in time"]
    assert host.outcomes == {"late": 1}
    assert host.fallback._pending_lookups == {}


def test_closing_ends_all_look_ups_and_gives_obstore_a_moment(
    host: Host, store: ScriptedStore, caplog: pytest.LogCaptureFixture
) -> None:
    started = asyncio.Event()
    store.put(f"files/{NAME}", started.set, pause(1.5), b"", pause(1.5), b"hello")

    async def main() -> None:
        await host.fallback.close()
        assert asyncio.get_running_loop().time() == 0.0
        request = asyncio.create_task(host.get())
        await started.wait()
        (lookup,) = host.fallback._pending_lookups.values()
        await host.fallback.close()
        assert asyncio.get_running_loop().time() == 0.1
        assert lookup.cancelled()
        with pytest.raises(asyncio.CancelledError):
            await request

    when_the_list_is_read(host, main())
    assert host.fallback._pending_lookups == {}
    assert caplog.messages == ["the store s3://a: no answer in time"]


def test_a_store_that_cannot_be_opened_yet_is_opened_by_a_later_look_up(
    responder: Responder, store: ScriptedStore, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[Any] = [StoreOpenError("cannot be opened: no key"), store]
    opened: list[Any] = []

    def open_store() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        opened.append(answer)
        return answer

    host = Host(responder, open_store)
    assert gets(host, NAME) == [None]
    assert (host.outcomes, caplog.messages) == ({"failed": 1}, ["the store s3://a: cannot be opened: no key"])
    assert gets(host, NAME, OTHER) == [b"hello", b"other"]
    assert opened == [store]
    other = Host(responder, lambda: store)
    other.fallback.open()
    assert other.fallback._store is store


def test_a_long_file_that_the_disk_has_lost_again_is_fetched_once_more(
    responder: Responder, store: ScriptedStore, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b"0123456789" * 4
    publish(store, 2, {"long.0123456789ab.css": body})
    host = Host(responder, lambda: store, DiskCache(tmp_path / "disk", 100))
    remember = host.tree.remember_file
    lost: list[str] = []

    def lose(representation: Representation, facts: Any) -> None:
        """Remember a file that another one has driven out."""
        remember(representation, facts)
        if len(lost) < losses:
            (tmp_path / "disk" / representation.digest).unlink()
            lost.append(representation.file)

    monkeypatch.setattr(host.tree, "remember_file", lose)
    losses = 1
    assert gets(host, "long.0123456789ab.css") == [body]
    assert store.asked.count("files/long.0123456789ab.css") == 2
    (tmp_path / "disk" / make_resource("x", body).identity.digest).unlink()
    lost.clear()
    losses = 9
    assert gets(host, "long.0123456789ab.css") == [None]
    assert store.asked.count("files/long.0123456789ab.css") == 4
    assert host.outcomes == {"found": 1, "absent": 1}


def test_what_is_on_the_disk_is_not_fetched(
    responder: Responder, store: ScriptedStore, clock: ManualClock, tmp_path: Path
) -> None:
    host = Host(responder, lambda: store, DiskCache(tmp_path / "disk", 100))
    (tmp_path / "disk" / make_resource(NAME, b"hello").identity.digest).write_bytes(b"hello")
    assert ask(host, store, NAME) == ["releases/*", "releases/1.index"]
    assert host.outcomes == {"found": 1}


def test_what_is_remembered_is_bounded(host: Host, store: ScriptedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (fallback.MAX_CACHED_ABSENT, fallback.MAX_SERVED_RESOURCES) == (1_024, 16_384)
    monkeypatch.setattr(fallback, "MAX_CACHED_ABSENT", 3)
    monkeypatch.setattr(fallback, "MAX_SERVED_RESOURCES", 3)
    names = [f"{number:012}.css" for number in range(8)]
    publish(store, 2, {name: name.encode() for name in names})
    for name in names:
        del store.objects[f"files/{name}"]
    sizes = []
    for name in names:
        gets(host, name)
        sizes.append((len(host.fallback._absent), len(host.fallback._served)))
    assert [absent for absent, _ in sizes] == [1, 2, 3, 1, 2, 3, 1, 2]
    assert [served for _, served in sizes] == [1, 2, 1, 2, 1, 2, 1, 2], "with three it begins anew"


def test_the_headers_of_a_resource_are_prepared_once_until_the_releases_change(
    host: Host, store: ScriptedStore, clock: ManualClock
) -> None:
    gets(host, NAME)
    (first,) = host.fallback._served[NAME]
    gets(host, NAME)
    assert host.fallback._served[NAME][0] is first
    publish(store, 2, {"b.0123456789ab.css": b"b"})
    clock.now += 3
    gets(host, "b.0123456789ab.css")
    assert list(host.fallback._served) == ["b.0123456789ab.css"]


def test_a_resource_is_answered_with_the_max_age_of_the_server(host: Host) -> None:
    served = host.fallback._serve(replace(make_resource(NAME, b"hello"), immutable=False))
    host.tree.keep_in_memory(served.resource.identity, b"hello")
    response = host.fallback._responder.answer("GET", served, [])
    assert dict(response.headers)[b"cache-control"] == b"max-age=60, must-revalidate"
    assert served.tree is host.tree


@pytest.fixture
def variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Read the settings of a server whose store is a directory, with these variables."""

    def read(**more: str) -> Settings:
        own = {
            "DJANGO_STATIC_STORE": (tmp_path / "store").as_uri(),
            "DJANGO_STATIC_STORE_DIRECTORY": str(tmp_path / "disk"),
        }
        for name, value in {**own, **more}.items():
            monkeypatch.setenv(name, value)
        return Settings.read()

    (tmp_path / "store").mkdir()
    return read


def test_what_is_known_without_a_look_up_is_answered_on_the_fast_path(
    host: Host, responder: Responder, store: ScriptedStore, clock: ManualClock
) -> None:
    responder.is_fallback_candidate, responder.recall = host.fallback.is_candidate, host.fallback.recall
    cache = ResponseCache(responder)

    def find(name: str) -> tuple[int, str, Any] | None:
        head = b"GET /static/%s HTTP/1.1\r\nHost: a\r\n\r\n" % name.encode()
        assert cache.find(head) is None
        found = cache.respond(head)
        if found is None:
            return None
        return found.status, found.handler, cache.get_body(found.digest) if found.digest else found.body

    missing = "gone.0123456789ab.css"
    assert [find(NAME), find(missing)] == [None, None]
    assert gets(host, NAME, missing) == [b"hello", None]
    store.asked.clear()
    assert find(NAME) == (200, "store", b"hello")
    assert find(missing) == (404, "fast", b"Not Found\n")
    assert find(OTHER) is None, "its body is in the store alone"
    assert host.outcomes == {"found": 2, "absent": 2}
    clock.now += release_catalog.FRESH_SECONDS
    assert find(missing) is None, "a newer release may have it"
    assert find(NAME) == (200, "store", b"hello")
    assert gets(host, OTHER) == [b"other"]


def test_the_settings_choose_store_names_disk_and_time(
    responder: Responder, variables: Callable[..., Settings], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = variables(
        DJANGO_STATIC_STORE_TIMEOUT="0.5",
        DJANGO_STATIC_STORE_DISK="1000",
        DJANGO_STATIC_IMMUTABLE_PATTERN="^special",
    )
    outcomes = Counter[str]()
    made = ObjectStoreFallback.from_settings(settings, responder, outcomes)
    assert (made._url, made._timeout) == ((tmp_path / "store").as_uri(), 0.5)
    assert made._store is not None
    assert made._outcomes is outcomes
    assert made._fetched_tree.bodies is responder.tree.bodies
    disk = made._fetched_tree.disk_cache
    assert disk
    assert (disk.directory, disk.budget) == (tmp_path / "disk", 1000)
    assert (responder.is_fallback_candidate, responder.recall) == (made.is_candidate, made.recall)
    assert [made.is_candidate(name) for name in (NAME, "site.css", "special.css")] == [True, False, True]
    assert caplog.messages == []


def test_a_server_starts_without_its_store_and_says_so(
    responder: Responder, variables: Callable[..., Settings], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "store").rmdir()
    made = ObjectStoreFallback.from_settings(variables(), responder)
    assert made._store is None
    assert made._outcomes is None
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("static_host.store", logging.WARNING)
    assert record.message.startswith(f"{(tmp_path / 'store').as_uri()} cannot be opened: ")


def test_a_store_has_these_time_limits(
    responder: Responder, variables: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[str, Any]] = []
    monkeypatch.setattr(fallback, "open_store", lambda url, timeouts: opened.append((url, timeouts)))
    settings = variables(DJANGO_STATIC_STORE_TIMEOUT="0.5")
    ObjectStoreFallback.from_settings(settings, responder)
    ((url, timeouts),) = opened
    assert url == settings.static_store
    assert (timeouts.connect_seconds, timeouts.request_seconds, timeouts.retries) == (0.5, 60.0, 1)


@pytest.mark.parametrize(("disk", "memory"), [("0", 30), ("1000", 0), ("0", 0)])
def test_a_server_that_can_keep_nothing_says_that_nothing_can_be_served(
    tmp_path: Path,
    variables: Callable[..., Settings],
    caplog: pytest.LogCaptureFixture,
    disk: str,
    memory: int,
) -> None:
    responder = Responder(load_tree(make_tree(tmp_path / "own", {"own.txt": b"own"}), memory), "/static/", 60)
    settings = variables(DJANGO_STATIC_STORE_DISK=disk)
    ObjectStoreFallback.from_settings(settings, responder)
    message = "DJANGO_STATIC_MEMORY is 0 and nothing is kept on the disk: no file of "
    message += f"{settings.static_store} can be served"
    expected = [] if disk != "0" or memory else [("static_host.store", logging.WARNING, message)]
    assert caplog.record_tuples == expected


def test_where_the_disk_cannot_be_used_files_are_kept_in_memory_and_that_is_said(
    variables: Callable[..., Settings], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "disk").write_text("")
    assert DiskCache.from_settings(variables()) is None
    message = f"files of DJANGO_STATIC_STORE are kept in memory only: {tmp_path / 'disk'}: File exists"
    assert caplog.record_tuples == [("static_host.store", logging.WARNING, message)]
    assert DiskCache.from_settings(variables(DJANGO_STATIC_STORE_DISK="0")) is None
    assert len(caplog.messages) == 1


def test_the_directory_is_the_user_s_own_among_the_temporary_ones(
    variables: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: tmp_path.stat().st_uid)
    disk = DiskCache.from_settings(variables(DJANGO_STATIC_STORE_DIRECTORY=""))
    assert disk
    assert disk.directory == tmp_path / f"static-host-store-{tmp_path.stat().st_uid}"
    assert disk.budget == 256_000_000


@pytest.mark.parametrize(
    ("name", "is_candidate"),
    [
        ("site.0123456789ab.css", True),
        ("css/site-DJ3kd8aQ.css", True),
        ("0123456789ab/site.css", False),
        ("site.stylesheet.css", False),
        ("site.ABCDEFGH.css", True),
        ("site.abcdefg1.css", True),
        ("site.abcdef1.css", False),
        ("XXXX.css", False),
        ("", False),
        ("a" * 1_011 + "0123456789abc", True),
        ("a" * 1_012 + "0123456789abc", False),
    ],
)
def test_a_hash_has_eight_characters_and_is_no_word(name: str, is_candidate: bool) -> None:
    assert FingerprintMatcher()(name) is is_candidate


def test_a_project_s_own_pattern_is_for_the_whole_name() -> None:
    matches = FingerprintMatcher("^v1/")
    assert [matches(name) for name in ("v1/site.css", "site/v1/a.css", "v2/a.0123456789ab.css")] == [True, False, True]


def test_the_next_tree_s_own_files_are_not_looked_for_and_what_was_absent_is(
    host: Host, responder: Responder, store: ScriptedStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    del store.objects[f"files/{OTHER}"]
    assert gets(host, NAME, OTHER) == [b"hello", None]
    next_tree = tmp_path / "next"
    next_tree.mkdir()
    (next_tree / NAME).write_bytes(b"hello")
    (next_tree / INDEX_FILE_NAME).write_bytes(dump_index("/static/", {NAME: make_resource(NAME, b"hello")}))
    responder.replace(Responder(load_tree(next_tree, 30), "/static/", 60))
    store.put(f"files/{OTHER}", b"other")
    assert gets(host, NAME, OTHER) == [None, b"other"]
    store.put("releases/2.index", dump_index("/assets/", {"a.css": make_resource("a.css", b"a")}), written=2)
    responder.replace(Responder(load_tree(next_tree, 30), "/static/", 60))
    assert gets(host, OTHER) == [b"other"]
    assert caplog.messages == [
        "s3://a/releases/2.index is skipped: its pages use the prefix /assets/, this server's pages use /static/"
    ]


def test_files_of_the_store_have_the_project_s_security_fields(
    host: Host, responder: Responder, store: ScriptedStore
) -> None:
    facts = {"hsts": "max-age=1", "referrer_policy": "origin", "opener_policy": "", "proxy_header": ["x-tls", "on"]}
    more = {"redirects": False, "redirect_host": "", "redirect_exempt": [], "allowed_hosts": []}
    responder.security = SecurityPolicy.from_facts({**facts, **more, "uses_forwarded_host": False})
    responder.is_fallback_candidate, responder.recall = host.fallback.is_candidate, host.fallback.recall
    cache = ResponseCache(responder)
    assert gets(host, NAME) == [b"hello"]
    for line, has_hsts in ((b"X-TLS: on\r\n", True), (b"", False)):
        found = cache.respond(b"GET /static/%s HTTP/1.1\r\nHost: a\r\n%s\r\n" % (NAME.encode(), line))
        assert found is not None
        assert found.handler == "store"
        assert (b"\r\nreferrer-policy: origin\r\n" in found.block, b"max-age=1\r\n" in found.block) == (True, has_hsts)
