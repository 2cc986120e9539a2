"""Two workers' memory for bodies: what one has read, the other has too, once, and within one budget."""

from __future__ import annotations

import http.client
import os
import random
import re
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from static_host.origin.body_cache import BodyCache
from static_host.origin.representation import compute_digest
from static_host.origin.slabs import Sealed
from static_host.server.shared_cache import Member, Pool
from tests.support.processes import Running, run_server
from tests.support.projects import SETTINGS, build_plain_with
from tests.support.waiting import wait_until

TWO = {**SETTINGS, "WEB_CONCURRENCY": "2", "ACCESS_LOG": "false"}
FILES = {f"{number}.bin": random.Random(number).randbytes(20_000 + 4_000 * number) for number in range(10)}
"""Some are sent by sendfile(2), some are not."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The project "plain" with files whose bytes cannot be compressed."""
    return build_plain_with(FILES, tmp_path_factory.mktemp("pool"), cache)


@pytest.fixture
def disk(built: Path, tmp_path: Path) -> Path:
    """A copy of its tree that a test may take away."""
    shutil.copytree(built / "staticfiles", tmp_path / "disk")
    return tmp_path / "disk"


@pytest.fixture
def running(built: Path, disk: Path) -> Iterator[Running]:
    with run_server(cwd=built, **TWO, DJANGO_STATIC_ROOT=str(disk)) as running:
        yield running


def pid_of(connection: http.client.HTTPConnection, running: Running) -> int:
    """Return the worker that serves a connection: the process that has its other end (proc_pid_fd(5))."""
    port = connection.sock.getsockname()[1]
    ends = rf":{running.port:04X} 0100007F:{port:04X} 01(?: +\S+){{5}} +(\d+)"

    def accepting() -> Iterator[int]:
        found = re.search(ends, Path("/proc/net/tcp").read_text())
        for pid in running.workers if found and found[1] != "0" else ():
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(FileNotFoundError):
                    if found and str(entry.readlink()) == f"socket:[{found[1]}]":
                        yield pid

    pids: list[int] = []

    def is_accepted() -> bool:
        pids.extend(accepting())
        return bool(pids)

    wait_until(is_accepted, "the connection is not accepted")
    return pids[0]


@contextmanager
def connected(running: Running) -> Iterator[dict[int, http.client.HTTPConnection]]:
    """Give a connection to each worker, by its process."""
    found: dict[int, http.client.HTTPConnection] = {}
    with ExitStack() as stack:
        while len(found) < 2:
            connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
            stack.callback(connection.close)
            connection.connect()
            found.setdefault(pid_of(connection, running), connection)
        yield found


def get(connection: http.client.HTTPConnection, name: str) -> tuple[int, bytes]:
    connection.request("GET", f"/static/{name}")
    response = connection.getresponse()
    return response.status, response.read()


def has_all(connection: http.client.HTTPConnection) -> bool:
    return all(get(connection, name) == (200, body) for name, body in FILES.items())


def mapped(pid: int) -> tuple[int, int]:
    """Return RSS and PSS of the slabs that a process has mapped, in bytes (proc_pid_smaps(5))."""
    smaps = Path(f"/proc/{pid}/smaps").read_text()
    found = re.findall(r"/memfd:static-host.*\n(?:\w+:.*\n)*?Rss: +(\d+) kB\nPss: +(\d+) kB", smaps)
    return sum(int(rss) for rss, _ in found) * 1024, sum(int(pss) for _, pss in found) * 1024


def slabs(*pids: int) -> dict[int, tuple[Path, int]]:
    """Return the slabs that processes have open: path and bytes in memory, by inode."""
    found = {}
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                if str(entry.readlink()).startswith("/memfd:static-host"):
                    facts = entry.stat()
                    found[facts.st_ino] = entry, facts.st_blocks * 512
    return found


def anonymous(pid: int) -> int:
    """Return the bytes of slabs that a process has for itself alone."""
    smaps = Path(f"/proc/{pid}/smaps").read_text()
    return sum(int(rss) for rss in re.findall(r"/dev/zero.*\n(?:\w+:.*\n)*?Rss: +(\d+) kB", smaps)) * 1024


def keep_to(budget: int, members: list[BodyCache]) -> bool:
    for bodies in members:
        bodies.meet()
    return sum(bodies.stored_bytes for bodies in members) <= budget


def comes_true(what: Callable[[], bool]) -> None:
    wait_until(what, "it does not come true")


def test_what_one_worker_has_read_the_other_serves_when_the_disk_is_gone(running: Running, disk: Path) -> None:
    with connected(running) as workers:
        (pid, one), (other_pid, other) = workers.items()
        assert has_all(one)
        comes_true(lambda: slabs(other_pid).keys() == slabs(pid).keys())
        shutil.rmtree(disk)
        assert has_all(other)
        assert get(other, "robots.txt")[0] == 503  # no process has read it


def test_it_takes_memory_once(running: Running) -> None:
    total = sum(map(len, FILES.values()))
    with connected(running) as workers:
        assert all(map(has_all, workers.values()))
        (rss, pss), (other_rss, other_pss) = map(mapped, workers)
        assert min(rss, other_rss) > total
        assert total < pss + other_pss < 1.3 * total


def test_the_budget_is_that_of_all_workers_together(built: Path) -> None:
    with run_server(cwd=built, **TWO, DJANGO_STATIC_MEMORY="200kB") as running, connected(running) as workers:
        for _ in range(3):
            assert all(map(has_all, workers.values()))
        comes_true(lambda: sum(size for _, size in slabs(running.process.pid, *workers).values()) < 260_000)


def test_the_slabs_of_a_worker_that_dies_go_with_it_and_its_successor_has_the_others(
    running: Running, disk: Path
) -> None:
    with connected(running) as workers:
        (dying, one), (living, other) = workers.items()
        assert get(one, "1.bin") == (200, FILES["1.bin"])
        comes_true(lambda: slabs(living).keys() == slabs(dying).keys())
        assert get(other, "1.bin") == (200, FILES["1.bin"])
        assert get(other, "2.bin") == (200, FILES["2.bin"])
    os.kill(dying, signal.SIGKILL)
    running.wait_for("another one takes its place")
    comes_true(lambda: len(slabs(running.process.pid, living)) == 1)
    comes_true(lambda: len(running.workers) == 2 and dying not in running.workers)
    with connected(running) as workers:
        shutil.rmtree(disk)
        (successor,) = (connection for pid, connection in workers.items() if pid != living)
        assert get(successor, "2.bin") == (200, FILES["2.bin"])
        assert get(successor, "1.bin")[0] == 503


def test_a_worker_that_is_stopped_delays_no_other(running: Running) -> None:
    with connected(running) as workers:
        (stopped, one), (_, other) = workers.items()
        assert get(one, "1.bin")[0] == 200
        os.kill(stopped, signal.SIGSTOP)
        assert has_all(other)
        os.kill(stopped, signal.SIGCONT)
        assert has_all(one)


def test_a_worker_that_has_nothing_to_do_is_not_left_behind(built: Path, disk: Path) -> None:
    variables = {**TWO, "DJANGO_STATIC_MEMORY": "200kB", "DJANGO_STATIC_ROOT": str(disk)}
    with run_server(cwd=built, **variables) as running, connected(running) as workers:
        (pid, one), (idle, other) = workers.items()
        os.kill(idle, signal.SIGSTOP)
        for _ in range(50):
            assert has_all(one)
        os.kill(idle, signal.SIGCONT)
        comes_true(lambda: slabs(pid).keys() == slabs(idle).keys() == slabs(running.process.pid).keys())
        shutil.rmtree(disk)
        assert get(other, "9.bin") == (200, FILES["9.bin"])


@pytest.mark.parametrize("few", ["del os.memfd_create", "resource.setrlimit(resource.RLIMIT_NOFILE, (90, 90))"])
def test_where_there_are_no_files_in_memory_each_worker_has_its_part(built: Path, tmp_path: Path, few: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import os, resource\n{few}\n")
    few_files = {**TWO, "DJANGO_STATIC_MEMORY": "200kB", "PYTHONPATH": str(tmp_path)}
    with run_server(cwd=built, **few_files) as running, connected(running) as workers, ExitStack() as stack:
        for _ in range(40):  # leaves no descriptors for slabs, but some for what else there is
            connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
            stack.callback(connection.close)
            assert get(connection, "robots.txt")[0] == 200
        for _ in range(3):
            assert all(map(has_all, workers.values()))
        comes_true(lambda: sum(map(anonymous, workers)) + sum(s for _, s in slabs(*workers).values()) < 260_000)
        assert any(map(anonymous, workers))
        assert "Error" not in running.output


def test_what_another_worker_has_is_compared_with_its_digest(running: Running) -> None:
    with connected(running) as workers:
        (pid, one), (_, other) = workers.items()
        assert has_all(one)
        for path, _ in slabs(pid).values():
            data = path.read_bytes()
            for body in FILES.values():
                data = data.replace(body[-100:], b"x" * 100)
            with path.open("r+b") as file:
                file.write(data)
        assert has_all(other)


def test_what_is_asked_for_stays_when_much_is_not() -> None:
    bodies = BodyCache(1_000_000)
    hot = [random.Random(f"hot {number}").randbytes(length) for number, length in enumerate((10_000, 50_000, 300_000))]
    for body in hot:
        bodies.keep(compute_digest(body), body)
    for number in range(500):
        cold = random.Random(number).randbytes(20_000)
        assert bodies.keep(compute_digest(cold), cold) == cold
        assert bodies.stored_bytes <= 1_000_000
        assert [bytes(bodies.get(compute_digest(body)) or b"") for body in hot] == hot
    assert isinstance(bodies.get(compute_digest(hot[2])), Sealed)


def test_a_body_that_is_being_sent_outlives_its_place() -> None:
    bodies = BodyCache(100_000)
    for length in (1_000, 60_000):
        sent = bodies.keep(compute_digest(b"a" * length), b"a" * length)
        for number in range(20):
            bodies.keep(str(number) * 24, bytes(60_000))
        assert bodies.get(compute_digest(b"a" * length)) is None
        assert bytes(sent) == b"a" * length


def test_the_slabs_of_a_worker_that_dies_are_dropped_though_a_process_that_it_started_lives_on() -> None:
    pool = Pool()
    end, other_end = pool.joined(), pool.joined()
    assert end
    assert other_end
    one, other = BodyCache(100_000), BodyCache(100_000)
    one.share(Member(end, one), 2)
    other.share(Member(other_end, other), 2)
    one.keep(compute_digest(b"a" * 60_000), b"a" * 60_000)
    comes_true(lambda: other.find(compute_digest(b"a" * 60_000)) is not None)
    with socket.socket(fileno=os.dup(end.fileno())):
        end.close()
        pool.left(end)
        comes_true(lambda: keep_to(100_000, [other]) and other.get(compute_digest(b"a" * 60_000)) is None)
    other_end.close()


@pytest.mark.slow
def test_whatever_members_do_and_whichever_dies_bytes_are_right_and_the_budget_is_kept() -> None:
    lengths = [1, 100, 3_000, 3_200, 6_000, 33_000, 60_000, 100_000, *range(7_000, 40_000, 1_000)]
    files = {compute_digest(body): body for body in map(os.urandom, lengths)}
    for seed in range(6):
        chance, pool = random.Random(seed), Pool()
        members: list[tuple[socket.socket, BodyCache]] = []
        for _ in range(600):
            if len(members) < 3:
                connection, bodies = pool.joined(), BodyCache(100_000)
                assert connection
                bodies.share(Member(connection, bodies), 3)
                members.append((connection, bodies))
            place = chance.randrange(3) if len(members) == 3 else 0
            connection, bodies = members[place]
            name = chance.choice(list(files))
            body = bodies.find(name) or bodies.keep(name, files[name])
            assert bytes(body) == files[name], (seed, name)
            if chance.random() < 0.01:
                connection.close()
                del members[place]
        comes_true(partial(keep_to, 100_000, [bodies for _, bodies in members]))
        for connection, _ in members:
            connection.close()
