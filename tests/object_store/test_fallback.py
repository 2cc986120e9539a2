"""New pages, old container: a server that finds the files of other releases in the store."""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from static_host.object_store.candidate_names import FingerprintMatcher
from static_host.object_store.circuit_breaker import MAX_FAILURES, PAUSE_SECONDS
from static_host.object_store.disk_cache import CacheUnusableError, DiskCache, NoSpaceError
from static_host.object_store.release_catalog import FRESH_SECONDS
from static_host.origin.index import INDEX_FILE_NAME
from tests.origin.test_cases import by_socket
from tests.support.cases import CASES, CSS, CSS_BR, DIGITS, Case
from tests.support.clocks import Clock
from tests.support.processes import Running, run, run_server
from tests.support.projects import SETTINGS
from tests.support.releases import read_index
from tests.support.store_servers import build_another_release, fetch, is_404, serve_with_store
from tests.support.stores import Bucket, make_credentials, run_bucket, run_portal
from tests.support.waiting import wait_until

STYLE, NUMBERS = CSS.removeprefix("/static/"), DIGITS.removeprefix("/static/")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The project "plain" in another release, whose tree has none of the fingerprinted files of "plain"."""
    return build_another_release(tmp_path_factory.mktemp("old"), cache)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, plain: Path) -> Path:
    """A store, as a directory, with the release "plain". Tests do not change it."""
    place = tmp_path_factory.mktemp("store")
    result = run("static-host", "publish", cwd=plain, DJANGO_STATIC_STORE=f"file://{place}", **SETTINGS)
    assert result.returncode == 0, result.stderr
    return place


@pytest.fixture
def store(published: Path, tmp_path: Path) -> Iterator[Bucket]:
    """The same, to be changed, behind S3's protocol."""
    shutil.copytree(published, tmp_path / "bucket")
    with run_bucket(tmp_path / "bucket") as running:
        yield running


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path, "static_host.object_store.release_catalog", "static_host.object_store.circuit_breaker")


@contextmanager
def looking_into(store: Bucket, project: Path, tmp_path: Path, **variables: str) -> Iterator[Running]:
    with serve_with_store(project, "s3://bucket", tmp_path, **{**store.variables, **variables}) as running:
        yield running


@pytest.fixture(scope="module")
def other(old: Path, published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serve_with_store(old, f"file://{published}", tmp_path_factory.mktemp("disk")) as running:
        yield running


FOUND = [case for case in CASES if case.by_socket and re.search(r"\.[0-9a-f]{12}\.", case.path)]


@pytest.mark.parametrize("case", FOUND, ids=[case.name for case in FOUND])
@pytest.mark.parametrize("time_", ["the first time", "the second time"])
def test_what_is_found_is_answered_as_if_it_had_been_built_in(
    server: Running, other: Running, case: Case, time_: str
) -> None:
    assert by_socket(other, case) == by_socket(server, case)


def test_every_published_file_is_found_in_every_coding(plain: Path, server: Running, other: Running) -> None:
    index = read_index(plain / "staticfiles")
    names = [name for name, resource in index.items() if resource.immutable]
    assert len(names) > 5
    for name in names:
        requests = [(("accept-encoding", coding),) for coding in ("identity", "gzip", "br", "zstd", "*;q=0")]
        requests += [(("range", "bytes=1-3"),), (("range", "bytes=0-1,3-4"),), (("if-none-match", "*"),)]
        for request in requests:
            for method in ("GET", "HEAD", "POST", "OPTIONS"):
                case = Case("", f"/static/{name.replace(' ', '%20')}", 0, request=request, method=method)
                assert by_socket(other, case) == by_socket(server, case), (case.path, request, method)


def test_names_without_a_fingerprint_are_not_found(other: Running, server: Running) -> None:
    for path in ("/static/digits.txt", "/static/site.css", f"/static/{INDEX_FILE_NAME}", "/static/staticfiles.json"):
        assert is_404(fetch(other, path))
    assert not is_404(fetch(server, "/static/digits.txt"))


def test_a_page_is_not_taken_for_an_empty_store(old: Path, tmp_path: Path) -> None:
    with (
        run_portal(b"<html><body>Log in</body></html>") as address,
        serve_with_store(old, "s3://bucket", tmp_path, **make_credentials(address)) as running,
    ):
        assert is_404(fetch(running, CSS))
        running.wait_for(
            "the store s3://bucket: the server there is not an object store: it returns an object that cannot"
        )


def test_the_handler_and_the_outcome_are_recorded(plain: Path, old: Path, store: Bucket, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with looking_into(store, old, tmp_path, METRICS_PORT=str(port)) as running:
        assert fetch(running, CSS)[0] == fetch(running, CSS)[0] == 200  # by ASGI, then from memory
        assert is_404(fetch(running, "/static/none.0123456789ab.js"))
        store.fault = lambda key, body: 500
        assert is_404(fetch(running, DIGITS))
        lines = httpx.get(f"http://127.0.0.1:{port}/").text.splitlines()
        running.wait_for("/static/digits")
    assert f"GET {CSS} HTTP/1.1 200" in running.output
    assert " br store " in running.output
    assert "files that the tree has not are looked for in s3://bucket\n" in running.output
    assert 'static_host_requests_total{handler="store",status="200"} 2.0' in lines
    for handler in ("fast", "static"):  # a name is missed without a look-up while the list of releases is fresh
        assert f'static_host_requests_total{{handler="{handler}",status="404"}} 1.0' in lines
    for outcome, count in (("found", 2), ("absent", 1), ("failed", 1)):
        assert f'static_host_store_lookups_total{{outcome="{outcome}"}} {count}.0' in lines
    assert "static_host_store_circuit_open 0.0" in lines
    found, own = (read_index(each / "staticfiles").releases[0].digest for each in (plain, old))
    assert f'static_host_release_requests_total{{release="{found}"}} 2.0' in lines
    assert f'static_host_release_requests_total{{release="{own}"}} 0.0' in lines
    assert re.search(r"static-host: the store s3://bucket: .*500 Internal Server Error", running.output)


def test_requests_for_one_name_wait_for_one_look_up(old: Path, store: Bucket, tmp_path: Path) -> None:
    def slow(key: str, body: bytes) -> bytes:
        time.sleep(0.3)
        return body

    store.fault = slow
    with looking_into(store, old, tmp_path) as running, ThreadPoolExecutor(20) as threads:
        answers = set(threads.map(lambda _: fetch(running, CSS), range(20)))
    assert len(answers) == 1
    assert answers.pop()[0] == 200
    (index,) = (path.name for path in (store.directory / "releases").iterdir())
    assert store.requested_keys == ["?releases/", f"releases/{index}", f"files/{STYLE}.br"]


def test_what_is_not_there_costs_one_question_in_a_few_seconds_however_many_ask(
    old: Path, store: Bucket, tmp_path: Path, clock: Clock
) -> None:
    hidden = store.directory / "hidden"
    hidden.mkdir()
    for path in (store.directory / "releases").iterdir():
        path.rename(hidden / path.name)
    with looking_into(store, old, tmp_path, **clock.variables) as running:
        for turn in range(3):
            clock.set(turn * FRESH_SECONDS)
            with httpx.Client(base_url=running.url) as client:
                for number in range(100):
                    assert client.get(f"/static/scan.{number:012x}.js").status_code == 404
            asked = ["?releases/", "releases/none", *["?releases/"] * turn]  # is it a store at all?
            assert store.requested_keys == asked
        for path in hidden.iterdir():
            path.rename(store.directory / "releases" / path.name)
        clock.set(3 * FRESH_SECONDS - 0.001)
        assert is_404(fetch(running, CSS))
        clock.set(3 * FRESH_SECONDS)
        assert fetch(running, CSS)[0] == 200


def test_the_fast_path_remembers_no_miss_that_may_be_found_later(
    old: Path, store: Bucket, tmp_path: Path, clock: Clock
) -> None:
    index = next((store.directory / "releases").iterdir())
    away = index.rename(store.directory / index.name)
    variables = {**store.variables, **clock.variables}
    with (
        serve_with_store(old, "s3://bucket", tmp_path, **variables) as running,
        httpx.Client(base_url=running.url) as client,
    ):
        assert [client.get(DIGITS).status_code for _ in range(3)] == [404] * 3
        away.rename(index)
        clock.set(FRESH_SECONDS)
        assert client.get(DIGITS).status_code == 200
        assert client.get("/static/none.js").status_code == 404
        running.wait_for("/static/none.js")
    assert "/static/none.js HTTP/1.1 404 10 - fast" in running.output


def test_a_release_that_is_published_while_a_server_runs_is_found(
    old: Path, plain: Path, tmp_path: Path, published: Path, clock: Clock
) -> None:
    place = tmp_path / "later"
    with serve_with_store(old, f"file://{place}", tmp_path, **clock.variables) as running:
        assert is_404(fetch(running, CSS))  # the directory is not there yet: the server has started all the same
        assert f"file://{place} cannot be opened" in running.output
        shutil.copytree(published, place)
        clock.set(FRESH_SECONDS)
        assert fetch(running, CSS)[0] == 200


@contextmanager
def silent(store: Bucket) -> Iterator[None]:
    store.fault = lambda key, body: None
    yield
    store.is_over.set()


def test_a_store_that_says_nothing_costs_a_404_within_the_bound_and_holds_up_nobody(
    old: Path, store: Bucket, tmp_path: Path
) -> None:
    with (
        looking_into(store, old, tmp_path, DJANGO_STATIC_STORE_TIMEOUT="0.5") as running,
        silent(store),
        ThreadPoolExecutor(8) as threads,
    ):
        waiting = [threads.submit(fetch, running, f"/static/site.{number:012x}.css") for number in range(8)]
        for _ in range(200):
            assert fetch(running, "/static/old.txt")[0] == 200
        assert all(is_404(each.result(10)) for each in waiting)
        wait_until(
            lambda: is_404(fetch(running, CSS)) and "no request is sent to it for 10 s" in running.output,
            lambda: running.output,
        )
        asked = len(store.requested_keys)
        for number in range(20):
            assert is_404(fetch(running, f"/static/later.{number:012x}.css"))
        assert len(store.requested_keys) == asked
    assert running.output.count("no request is sent to it for 10 s") == 1
    assert running.output.count("no answer in time") == 1


def test_a_look_up_under_way_does_not_keep_a_server_from_ending(old: Path, store: Bucket, tmp_path: Path) -> None:
    with (
        looking_into(store, old, tmp_path, DJANGO_STATIC_STORE_TIMEOUT="60", DJANGO_GRACE_SECONDS="0.5") as running,
        silent(store),
        ThreadPoolExecutor(1) as threads,
    ):
        waiting = threads.submit(httpx.get, running.url + CSS, timeout=30)
        wait_until(lambda: store.requested_keys, "the store is not asked")
        assert running.stop() == 0
        assert waiting.result(10).status_code == 503  # as every request that takes longer than the grace time
    assert "panicked" not in running.output


def test_a_spared_store_is_asked_again_after_a_while(old: Path, store: Bucket, tmp_path: Path, clock: Clock) -> None:
    store.fault = lambda key, body: 503
    with looking_into(store, old, tmp_path, **clock.variables) as running:
        for _ in range(MAX_FAILURES):
            assert is_404(fetch(running, CSS))
        running.wait_for("no request is sent to it for 10 s, then one on trial")
        store.fault = lambda key, body: body
        asked = len(store.requested_keys)
        assert is_404(fetch(running, CSS))
        assert len(store.requested_keys) == asked
        clock.set(PAUSE_SECONDS)
        assert fetch(running, CSS)[0] == 200
        running.wait_for("the store s3://bucket answers again")


def flipped(body: bytes) -> bytes:
    return bytes([body[0] ^ 1]) + body[1:]


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (lambda key, body: flipped(body) if key.startswith("files/") else body, "has other bytes than its index says"),
        (lambda key, body: body[:-1] if key.startswith("files/") else body, "bytes, its index says"),
        (lambda key, body: body + b"!" if key.startswith("files/") else body, "bytes, its index says"),
        (lambda key, body: b"" if key.startswith("files/") else body, "has 0 bytes, its index says"),
        (lambda key, body: os.urandom(999) if key.startswith("releases/") else body, "is not an index header"),
        (lambda key, body: body[:-9] if key.startswith("releases/") else body, "its checksum does not match"),
        (lambda key, body: os.urandom(999) if key.startswith("?") else body, "the store s3://bucket: "),
        (lambda key, body: 404 if key.startswith("files/") else body, ""),
        (lambda key, body: 403 if key.startswith("files/") else body, "403 Forbidden"),
    ],
)
@pytest.mark.parametrize("path", [CSS, "large"])
def test_no_lie_of_the_store_is_passed_on(
    old: Path, plain: Path, store: Bucket, tmp_path: Path, lie: object, said: str, path: str
) -> None:
    names = read_index(plain / "staticfiles")
    if path == "large":
        path = next(f"/static/{name}" for name in names if re.match(r"large\.[0-9a-f]{12}\.bin", name))
    store.fault = lie  # type: ignore[assignment]
    with looking_into(store, old, tmp_path) as running:
        for _ in range(3):
            assert is_404(fetch(running, path))
        running.wait_for(said)
        assert "Traceback" not in running.output
        assert fetch(running, "/static/old.txt")[0] == 200
    assert [each for each in (tmp_path / "shelf").iterdir() if each.name.startswith(".draft")] == []


def evil(row: str) -> str:
    return f"evil.0123456789ab.js\t{row}"


@pytest.mark.parametrize(
    "row",
    [
        '["text/plain\\r\\nset-cookie: a=b",true,[["identity",3,"ungWv48Bz-pBQUDeXa4iI7AD",null]]]',
        '["text/plain",true,[["identity",3,"../../../../../etc/passwd",null]]]',
        '["text/plain",true,[["identity",3,"ungWv48Bz-pBQUDeXa4iI7AD","../secret"]]]',
        '["text/plain",true,[["identity",-3,"ungWv48Bz-pBQUDeXa4iI7AD",null]]]',
        '["text/plain",true,[["gzip",3,"ungWv48Bz-pBQUDeXa4iI7AD",null]]]',
        '["text/plain",true,[["evil",3,"ungWv48Bz-pBQUDeXa4iI7AD",null]]]',
        '["text/plain",false,[["identity",3,"ungWv48Bz-pBQUDeXa4iI7AD",null]]]',
        '["text/plain",1,[["identity",3,"ungWv48Bz-pBQUDeXa4iI7AD",null]]]',
        '["text/plain",true,7]',
        "{",
    ],
)
def test_a_line_of_an_index_that_no_build_writes_is_left_out(
    old: Path, store: Bucket, tmp_path: Path, row: str
) -> None:
    import json
    from zlib import crc32

    index = next((store.directory / "releases").iterdir())
    head, _, body = index.read_bytes().partition(b"\n")
    facts = json.loads(head)
    lines = f"{evil(row)}\n".encode() + body
    facts |= {"resources": facts["resources"] + 1, "crc32": f"{crc32(lines):08x}"}
    index.write_bytes(json.dumps(facts).encode() + b"\n" + lines)
    (store.directory / "files/evil.0123456789ab.js").write_bytes(b"abc")
    with looking_into(store, old, tmp_path) as running:
        assert is_404(fetch(running, "/static/evil.0123456789ab.js"))
        assert fetch(running, CSS)[0] == 200
    assert "Traceback" not in running.output
    assert "files/evil.0123456789ab.js" not in store.requested_keys


@pytest.mark.parametrize("answer", [403, 404, None], ids=["refused", "removed meanwhile", "never read to its end"])
def test_an_index_that_cannot_be_had_takes_no_other_release_with_it(
    old: Path, store: Bucket, tmp_path: Path, answer: int | None
) -> None:
    (store.directory / "releases/newest.index").write_text("whatever")
    store.fault = lambda key, body: answer if key == "releases/newest.index" else body
    with looking_into(store, old, tmp_path, DJANGO_STATIC_STORE_TIMEOUT="0.5") as running:
        wait_until(lambda: fetch(running, CSS)[0] == 200, lambda: running.output)
        assert is_404(fetch(running, "/static/app.0123456789ab.js"))
        assert running.output.count("s3://bucket/releases/newest.index cannot be used: ") == 1


def test_what_was_found_is_served_while_the_store_is_away_and_by_other_processes_too(
    old: Path, store: Bucket, tmp_path: Path, plain: Path
) -> None:
    large = next(f"/static/{n}" for n in read_index(plain / "staticfiles") if re.match(r"large\.[0-9a-f]{12}\.bin", n))
    with looking_into(store, old, tmp_path) as running:
        before = [fetch(running, path) for path in (CSS, large)]
        assert [status for status, *_ in before] == [200, 200]
        store.fault = lambda key, body: 500
        assert [fetch(running, path) for path in (CSS, large)] == before
    store.fault = lambda key, body: 500 if key.startswith("files/") else body
    with looking_into(store, old, tmp_path) as running:  # what the disk has is not fetched again
        assert [fetch(running, path) for path in (CSS, large)] == before


def test_wrong_bytes_on_the_disk_are_fetched_anew(old: Path, plain: Path, store: Bucket, tmp_path: Path) -> None:
    large = next(f"/static/{n}" for n in read_index(plain / "staticfiles") if re.match(r"large\.[0-9a-f]{12}\.bin", n))
    with looking_into(store, old, tmp_path) as running:
        before = [fetch(running, path) for path in (CSS, large)]
        for path in (tmp_path / "shelf").iterdir():
            path.write_bytes(flipped(path.read_bytes()))
        assert [fetch(running, path) for path in (CSS, large)] == before
    for path in (tmp_path / "shelf").iterdir():
        path.write_bytes(flipped(path.read_bytes()))
    with looking_into(store, old, tmp_path) as running:
        assert [fetch(running, path) for path in (CSS, large)] == before


def test_the_disk_is_kept_within_its_budget(old: Path, plain: Path, store: Bucket, tmp_path: Path) -> None:
    """With no memory to speak of, all that is found lies on the disk, where two files of this release have no room."""
    budget = 3_000_100
    large = next(f"/static/{n}" for n in read_index(plain / "staticfiles") if re.match(r"large\.[0-9a-f]{12}\.bin", n))
    variables = {"DJANGO_STATIC_STORE_DISK": str(budget), "DJANGO_STATIC_MEMORY": "0"}
    with looking_into(store, old, tmp_path, **variables) as running:
        before = {path: fetch(running, path) for path in (CSS, large, CSS, large)}
        for path in (CSS, large, CSS, large):
            assert fetch(running, path) == before[path]
            assert sum(each.stat().st_size for each in (tmp_path / "shelf").iterdir()) <= budget
    assert store.requested_keys.count(f"files/{large.removeprefix('/static/')}") == 4


def test_without_a_disk_small_files_are_kept_in_memory_and_large_ones_not_found(
    old: Path, plain: Path, store: Bucket, tmp_path: Path
) -> None:
    large = next(f"/static/{n}" for n in read_index(plain / "staticfiles") if re.match(r"large\.[0-9a-f]{12}\.bin", n))
    with looking_into(store, old, tmp_path, DJANGO_STATIC_STORE_DISK="0") as running:
        assert [fetch(running, CSS)[0] for _ in range(3)] == [200] * 3
        assert is_404(fetch(running, large))
    assert not (tmp_path / "shelf").exists()
    assert store.requested_keys.count(f"files/{STYLE}.br") == 1
    assert f"files/{large.removeprefix('/static/')}" not in store.requested_keys


def parts(old: Path, tmp_path: Path, number: int, length: int) -> list[str]:
    """Publish so many files of random bytes to the directory `parts`, and return their names."""
    names = []
    (tmp_path / "tree").mkdir()
    for seed in range(number):
        body = random.Random(seed).randbytes(length)
        names.append(f"part{seed}.{sha256(body).hexdigest()[:12]}.bin")
        (tmp_path / "tree" / names[-1]).write_bytes(body)
    place = f"file://{tmp_path}/parts"
    pattern = {"DJANGO_STATIC_IMMUTABLE_PATTERN": r"\.[0-9a-f]{12}\.", "DJANGO_STATIC_STORE": place, **SETTINGS}
    for command in ("index", "publish"):
        result = run("static-host", command, str(tmp_path / "tree"), cwd=old, **pattern)
        assert result.returncode == 0, result.stderr
    return names


def test_what_takes_longer_than_a_request_waits_goes_on_arriving_for_those_after_it(old: Path, tmp_path: Path) -> None:
    (name,) = parts(old, tmp_path, 1, 400_000)
    with run_bucket(tmp_path / "parts") as slow:
        with looking_into(slow, old, tmp_path, DJANGO_STATIC_STORE_TIMEOUT="0.5") as running:
            assert is_404(fetch(running, f"/static/{name[:-4]}.0123456789ab.bin"))  # reads what there is
            slow.bytes_per_second = 200_000
            assert is_404(fetch(running, f"/static/{name}"))
            wait_until(lambda: fetch(running, f"/static/{name}", "identity")[0] == 200, lambda: running.output)
            body = fetch(running, f"/static/{name}", "identity")[2]
        assert sha256(body).hexdigest()[:12] == name.split(".")[1]
        assert slow.requested_keys.count(f"files/{name}") == 1


def test_so_does_an_index(old: Path, tmp_path: Path) -> None:
    (name,) = parts(old, tmp_path, 1, 300)
    (index,) = (tmp_path / "parts/releases").iterdir()
    with run_bucket(tmp_path / "parts") as slow:
        slow.bytes_per_second = index.stat().st_size  # a second
        with looking_into(slow, old, tmp_path, DJANGO_STATIC_STORE_TIMEOUT="0.5") as running:
            assert is_404(fetch(running, f"/static/{name}"))
            wait_until(lambda: fetch(running, f"/static/{name}")[0] == 200, lambda: running.output)
        assert slow.requested_keys.count(f"releases/{index.name}") == 1


def test_what_trickles_is_given_up(old: Path, tmp_path: Path) -> None:
    (name,) = parts(old, tmp_path, 1, 400_000)
    with (
        run_bucket(tmp_path / "parts") as slow,
        looking_into(slow, old, tmp_path, DJANGO_STATIC_STORE_TIMEOUT="0.5") as running,
    ):
        assert is_404(fetch(running, "/static/other.0123456789ab.bin"))
        slow.bytes_per_second = 1_000
        assert is_404(fetch(running, f"/static/{name}"))
        running.wait_for("the store s3://bucket: fewer than 10,000 bytes a second arrived")


def test_what_no_room_can_be_made_for_is_told(old: Path, tmp_path: Path) -> None:
    (name,) = parts(old, tmp_path, 1, 1_200_000)
    with (
        run_bucket(tmp_path / "parts") as store,
        looking_into(store, old, tmp_path, DJANGO_STATIC_STORE_DISK="1MB") as running,
    ):
        assert is_404(fetch(running, f"/static/{name}"))
        assert is_404(fetch(running, f"/static/{name}"))
        told = f"s3://bucket/files/{name} is not served: its 1,200,000 bytes do not fit into DJANGO_STATIC_STORE_DISK"
        assert running.output.count(told) == 1
    assert f"files/{name}" not in store.requested_keys


def test_what_comes_at_a_time_to_a_disk_that_has_room_for_one_waits_for_its_turn(old: Path, tmp_path: Path) -> None:
    names = parts(old, tmp_path, 4, 1_200_000)
    small = {"DJANGO_STATIC_STORE_DISK": "1500kB", "DJANGO_STATIC_STORE_TIMEOUT": "10"}
    with (
        run_bucket(tmp_path / "parts") as store,
        looking_into(store, old, tmp_path, **small) as running,
        ThreadPoolExecutor(4) as threads,
    ):
        store.bytes_per_second = 6_000_000
        waiting = [threads.submit(fetch, running, f"/static/{name}", "identity") for name in names]
        answers = [each.result(20) for each in waiting]
    assert [answer[0] for answer in answers] == [200] * len(names)


def test_what_many_wait_for_reaches_them_though_memory_holds_one_file_at_a_time(old: Path, tmp_path: Path) -> None:
    names = parts(old, tmp_path, 8, 400_000)
    place = f"file://{tmp_path}/parts"
    small = {"DJANGO_STATIC_MEMORY": "500kB", "DJANGO_STATIC_STORE_DISK": "0"}
    with serve_with_store(old, place, tmp_path, **small) as running, ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda name: fetch(running, f"/static/{name}", "identity"), names * 12))
    assert [answer[0] for answer in answers] == [200] * len(answers)
    assert [sha256(body).hexdigest()[:12] for *_, body in answers] == [name.split(".")[1] for name in names * 12]


def test_a_server_that_can_keep_nothing_says_so(old: Path, published: Path, tmp_path: Path) -> None:
    nowhere = {"DJANGO_STATIC_MEMORY": "0", "DJANGO_STATIC_STORE_DISK": "0"}
    with serve_with_store(old, f"file://{published}", tmp_path, **nowhere) as running:
        assert f"nothing is kept on the disk: no file of file://{published} can be served" in running.output
        assert is_404(fetch(running, CSS))
    with serve_with_store(old, f"file://{published}", tmp_path, DJANGO_STATIC_MEMORY="0") as running:
        assert "nothing is kept" not in running.output
        assert fetch(running, CSS)[0] == 200


def test_workers_share_the_disk(old: Path, store: Bucket, tmp_path: Path) -> None:
    with looking_into(store, old, tmp_path, WEB_CONCURRENCY="2") as running:
        for _ in range(20):
            assert fetch(running, CSS)[0] == 200
    assert store.requested_keys.count(f"files/{STYLE}.br") == 1


def test_a_file_that_was_published_anew_with_other_encoded_bytes_is_found(
    old: Path, store: Bucket, tmp_path: Path, clock: Clock
) -> None:
    """Another version of a compressor: the newest index is right, and the older one must not be believed."""
    with looking_into(store, old, tmp_path, **clock.variables) as running:
        assert fetch(running, DIGITS)[0] == 200
        index = next((store.directory / "releases").iterdir())
        data = index.read_bytes()
        body = b"other bytes of the same text"
        (store.directory / f"files/{STYLE}.br").write_bytes(body)
        from static_host.origin.index import dump_index, parse_index
        from static_host.origin.representation import compute_digest

        releases = parse_index(data)
        length = next(r.length for r in releases[STYLE].representations if r.coding == "br")
        changed = data.replace(f'["br",{length},"{CSS_BR.strip(chr(34))}"'.encode(), b"")
        assert changed != data
        from dataclasses import replace

        style = releases[STYLE]
        rows = tuple(
            replace(r, length=len(body), digest=compute_digest(body)) if r.coding == "br" else r
            for r in style.representations
        )
        rewritten = dump_index(releases.prefix, {**releases, STYLE: replace(style, representations=rows)})
        (store.directory / "releases/ffffffffffffffff.index").write_bytes(rewritten)
        clock.set(FRESH_SECONDS)
        assert fetch(running, CSS) == (200, "public, max-age=31536000, immutable", body)


def test_without_the_setting_nothing_of_it_is_loaded(plain: Path) -> None:
    with run_server(cwd=plain, PYTHONPROFILEIMPORTTIME="1", **SETTINGS) as running:
        assert is_404(fetch(running, "/static/none.0123456789ab.js"))
        assert " static_host.origin.responder\n" in running.output
        assert "obstore" not in running.output
        assert "static_host.object_store" not in running.output
    with run_server(
        cwd=plain,
        PYTHONPROFILEIMPORTTIME="1",
        DJANGO_STATIC_STORE=f"file://{plain}",
        DJANGO_STATIC_STORE_DISK="0",
        **SETTINGS,
    ) as running:
        assert " static_host.object_store.fallback\n" in running.output
        assert "obstore" in running.output


def test_the_setting_without_the_extra_stops_the_start(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nreal = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'obstore' else real(name, *a)\n"
    )
    variables = {"DJANGO_STATIC_STORE": "s3://bucket/a", "PYTHONPATH": str(tmp_path), **SETTINGS}
    for command in ("serve", "publish"):
        result = run("static-host", command, cwd=plain, **variables)
        assert result.returncode == 2
        assert result.stderr == (
            "static-host: s3://bucket/a needs obstore, which is not installed: pip install "
            "'django-static-host[store]'.\n"
        )


@pytest.mark.parametrize(
    ("name", "can_be"),
    [
        ("site.e8e374d844cc.css", True),
        ("CACHE/css/output.0a1b2c3d4e5f.css", True),
        ("assets/index-BxY3k_9a.js", True),
        ("8f3b2c1d9e.png", True),
        ("js/chunk-vendors.JQHXW2TN.js", True),
        ("site.css", False),
        ("admin/js/core.js", False),
        ("8f3b2c1d9e/site.css", False),
        ("jquery.min.js", False),
        ("bootstrap.bundle.js", False),
        ("a" * 2000 + ".0123456789ab.js", False),
        ("", False),
    ],
)
def test_a_name_that_is_worth_a_question_has_a_hash(name: str, can_be: bool) -> None:
    assert FingerprintMatcher()(name) is can_be
    assert FingerprintMatcher("^bundles/")(f"bundles/{name}") is (len(name) < 1024)


def test_a_directory_of_others_is_not_used(tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    with pytest.raises(CacheUnusableError, match="can be written by others"):
        DiskCache(open_to_all, 100)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(CacheUnusableError):
        DiskCache(tmp_path / "link", 100)
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheUnusableError):
        DiskCache(tmp_path / "file", 100)


def test_a_shelf_touches_no_file_of_others_and_makes_room_for_what_comes(tmp_path: Path) -> None:
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf/mine.txt").write_text("x" * 1000)
    shelf = DiskCache(tmp_path / "shelf", 100)
    for number in range(5):
        draft = shelf.open_pending(40)
        draft.write(b"." * 40)
        draft.finish(f"{number:024d}")
    waiting = [shelf.open_pending(40), shelf.open_pending(40)]
    with pytest.raises(NoSpaceError):
        shelf.open_pending(40)
    for draft in waiting:
        draft.abandon()
    assert [path.name for path in (tmp_path / "shelf").iterdir()] == ["mine.txt"]
    with pytest.raises(NoSpaceError):
        shelf.open_pending(101)
