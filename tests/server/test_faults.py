"""What goes wrong with the machine while the server runs: its disk vanishes, its clock jumps."""

from __future__ import annotations

import http.client
import json
import re
import select
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from tests.support.cases import CSS
from tests.support.clocks import Clock
from tests.support.processes import SCRIPTS, Running, find_free_port, run, run_server
from tests.support.projects import LARGE_BODY, SETTINGS
from tests.support.required import required
from tests.support.waiting import wait_until

# --- The disk ---


@pytest.fixture
def disk(tmp_path: Path, plain: Path) -> Path:
    """A directory with a copy of the tree of "plain", as it may come from a volume."""
    shutil.copytree(plain / "staticfiles", tmp_path / "disk/tree")
    return tmp_path / "disk"


@pytest.fixture
def tree_clock(tmp_path: Path) -> Clock:
    """The time at which the tree is looked for again: once a second, while a file of it cannot be opened."""
    return Clock(tmp_path, "static_host.origin.tree")


@pytest.fixture
def served(project: Path, disk: Path, tree_clock: Clock) -> Iterator[Running]:
    variables = {"DJANGO_STATIC_ROOT": str(disk / "tree"), "ACCESS_LOG": "false"}
    with run_server(cwd=project, **SETTINGS, **variables, **tree_clock.variables) as running:
        assert httpx.get(running.url + CSS).status_code == 200
        assert httpx.get(f"{running.url}/static/large.bin").content == LARGE_BODY
        yield running


def lives_on(running: Running) -> None:
    """Check what is answered without a disk: what has been read, nothing that was not, and all that is no file."""
    css = httpx.get(running.url + CSS)
    assert (css.status_code, css.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    for name in ("large.bin", "robots.txt"):
        answer = httpx.get(f"{running.url}/static/{name}")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.headers["cache-control"] == "private, no-store, max-age=0"
    assert httpx.get(f"{running.url}/static/none.css").status_code == 404
    assert httpx.get(f"{running.url}/echo/").text == "GET /echo/ 0"
    assert httpx.get(f"{running.url}/readyz").status_code == 200


def recovers(running: Running) -> None:
    assert httpx.get(f"{running.url}/static/large.bin").content == LARGE_BODY, running.output
    assert httpx.get(f"{running.url}/static/robots.txt").status_code == 200


def test_without_its_tree_it_serves_what_it_has_and_recovers_when_the_tree_is_back(
    served: Running, disk: Path, plain: Path, tree_clock: Clock
) -> None:
    shutil.rmtree(disk / "tree")
    lives_on(served)
    shutil.copytree(plain / "staticfiles", disk / "tree")
    lives_on(served)
    tree_clock.set(1)
    recovers(served)
    assert f"the static tree at {disk / 'tree'} is back" in served.output
    assert served.stop() == 0


def test_another_tree_in_the_place_of_its_own_is_not_served(
    served: Running, disk: Path, plain: Path, tree_clock: Clock
) -> None:
    shutil.rmtree(disk / "tree")
    shutil.copytree(plain / "staticfiles", disk / "tree")
    (disk / "tree/digits.txt").write_text("9876543210")
    (disk / "tree/static-host.index").unlink()
    assert run("static-host", "index", str(disk / "tree"), cwd=plain).returncode == 0
    lives_on(served)
    for seconds in (1, 2):
        tree_clock.set(seconds)
        lives_on(served)
    assert "is back" not in served.output


def test_a_file_system_that_is_taken_away_and_mounted_again(plain: Path, tmp_path: Path) -> None:
    image, place = tmp_path / "image", tmp_path / "place"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(32 << 20)
    required("" if shutil.which("mkfs.ext4") else "there is no mkfs.ext4")
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, place], check=False).returncode:
        required("mounting a file system needs a privilege")
    try:
        shutil.copytree(plain / "staticfiles", place / "tree")
        with run_server(cwd=plain, DJANGO_STATIC_ROOT=str(place / "tree"), ACCESS_LOG="false", **SETTINGS) as running:
            assert httpx.get(running.url + CSS).status_code == 200
            subprocess.run(["umount", "--lazy", place], check=True)  # the server's own descriptor is left to it
            assert httpx.get(f"{running.url}/static/large.bin").content == LARGE_BODY
            assert httpx.get(f"{running.url}/static/robots.txt").status_code == 200
            subprocess.run(["mount", "-o", "loop", image, place], check=True)
            assert httpx.get(f"{running.url}/static/digits.txt").text == "0123456789"
            assert running.stop() == 0
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


# --- The clock ---


LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
SHIFTS = {"+5h": timedelta(hours=5), "-3h": timedelta(hours=-3), "+400d": timedelta(days=400), "+0": timedelta()}


@pytest.fixture
def clock(tmp_path: Path) -> Callable[[str], None]:
    """Sets the clock of processes that were started with `under`: how far it is from the machine's."""
    required("" if LIBRARY else "libfaketime is not installed (Debian's package faketime has it)")

    def set_clock(shift: str) -> None:
        (tmp_path / "shift.new").write_text(shift)
        (tmp_path / "shift.new").rename(tmp_path / "shift")

    set_clock("+0")
    return set_clock


def under(directory: Path) -> dict[str, str]:
    """Return the variables of a process whose clock is set there; the time since its start runs as ever."""
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(directory / "shift"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def dated(connection: http.client.HTTPConnection, path: str) -> datetime:
    connection.request("GET", path)
    answer = connection.getresponse()
    assert (answer.status, bool(answer.read())) == (200, True)
    return parsedate_to_datetime(answer.headers["date"])


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_clock_that_jumps_changes_dates_and_nothing_else(
    plain: Path, tmp_path: Path, clock: Callable[[str], None], workers: str
) -> None:
    port = find_free_port()
    variables = {"WEB_CONCURRENCY": workers, "METRICS_PORT": str(port), "LOG_FORMAT": "json"}
    with run_server(cwd=plain, DJANGO_KEEP_ALIVE_SECONDS="8", **under(tmp_path), **variables, **SETTINGS) as running:
        begun = socket.create_connection(("127.0.0.1", running.port))
        begun.sendall(b"GET /static/digits.txt HTTP/1.1\r\nHost: local")
        with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)) as connection:
            connection.connect()
            kept = connection.sock
            for jump, shift in SHIFTS.items():
                clock(jump)
                for path in (CSS, "/echo/", "/readyz"):
                    follows(connection, path, shift)
                assert connection.sock is kept, "the connection was closed"
        begun.sendall(b"host\r\n\r\n")
        answer = http.client.HTTPResponse(begun)
        answer.begin()
        assert (answer.status, answer.read()) == (200, b"0123456789"), "a head has its ten seconds by another clock"
        clock("+9h")
        with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)) as connection:
            for _ in range(int(workers) * 2):  # each worker has looked at its clock
                follows(connection, "/readyz", timedelta(hours=9))
                connection.close()
        assert not select.select([begun], [], [], 0)[0], "idle, but not for as long as the clock says"
        begun.close()
        lags = re.findall(
            r"^static_host_event_loop_lag_seconds (\S+)", httpx.get(f"http://127.0.0.1:{port}").text, re.MULTILINE
        )
        assert 0 <= float(lags[0]) < 60
        assert running.stop() == 0
    lines = [json.loads(line) for line in running.lines if line[0] == "{"]
    requests = [line for line in lines if "duration_ms" in line]
    assert {datetime.fromisoformat(line["time"]).date() for line in lines} > {datetime.now(UTC).date()}
    assert requests
    assert all(0 <= line["duration_ms"] < 60_000 for line in requests)


def follows(connection: http.client.HTTPConnection, path: str, shift: timedelta) -> None:
    """Ask until the answer's Date, which is written once a second, is that of the clock."""
    wait_until(
        lambda: abs(dated(connection, path) - datetime.now(UTC) - shift) < timedelta(minutes=10), "it does not follow"
    )


def test_requests_beyond_the_descriptors_get_503_and_all_is_well_afterwards(plain: Path) -> None:
    command = ("/bin/sh", "-c", f"ulimit -n 120; exec {SCRIPTS}/static-host serve")
    with run_server(*command, cwd=plain, **SETTINGS) as running, ExitStack() as held:
        for _ in range(91):
            held.enter_context(socket.create_connection(("127.0.0.1", running.port), 10))
        assert httpx.get(f"{running.url}/echo/").status_code == 503
        held.close()
        wait_until(lambda: httpx.get(f"{running.url}/echo/").status_code == 200, lambda: running.output)
        assert "Traceback" not in running.output
