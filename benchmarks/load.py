"""Runs a server on one core and its load on another: real processes, wrk, and the CPU time of a request.

Rule: the figure is CPU time per request, user and system, of the server's whole process tree. Other programs on the
machine disturb it less than requests per second. Servers that are compared take turns. Access logs go to files. After
each load, a log must have a line for each response, or the benchmark ends.
"""

from __future__ import annotations

import http.client
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from benchmarks.measure import HERE, make_environment

START_TIMEOUT_SECONDS = 60.0
LOG_TIMEOUT_SECONDS = 5.0
"""Time in which a server writes its last lines after a load."""
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """A row: the command that listens on a port, its variables, and the text that it prints when it is ready.

    A server without such a text is ready when it listens. `logs` are its access logs, each with a line for every
    response: names in the work directory, with `{port}` for the port.
    """

    title: str
    command: Callable[[int], tuple[str, ...]]
    variables: Mapping[str, str] = field(default_factory=dict)
    ready: str = ""
    logs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """The request that a client repeats; `status` is the expected one."""

    path: str
    fields: tuple[str, ...] = ()
    status: int = 200


@dataclass(frozen=True, slots=True)
class ServerResponse:
    """One response; `size` is the body's, in bytes."""

    status: int
    fields: Mapping[str, str]
    size: int


@dataclass(frozen=True, slots=True)
class Load:
    """The clients' figures, and the server's CPU time; times are in seconds, `size` is in bytes received."""

    seconds: float
    requests: float
    size: float
    p50: float
    p99: float
    cpu: float = 0.0

    @property
    def cost(self) -> float:
        """CPU time for one request."""
        return self.cpu / self.requests if self.requests else math.inf

    @property
    def cost_of_a_gigabyte(self) -> float:
        """CPU time for 10⁹ bytes."""
        return self.cpu / self.size * 1e9

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    @property
    def throughput(self) -> float:
        """Bytes per second."""
        return self.size / self.seconds


@dataclass(frozen=True, slots=True)
class Running:
    """A server that accepts requests."""

    port: int
    pid: int
    logs: tuple[Path, ...] = ()

    def ask(self, request: Request) -> ServerResponse:
        """Send one request, on a new connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest("GET", request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in (each.split(": ", 1) for each in (request.fields or ("Host: 127.0.0.1",))):
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            size = 0
            while chunk := response.read(1 << 20):
                size += len(chunk)
            return ServerResponse(response.status, {name.lower(): value for name, value in response.getheaders()}, size)
        finally:
            connection.close()

    def load(self, request: Request, seconds: int, connections: int, core: int) -> Load:
        """Run wrk on the core; every response must have the expected status, and its line in every access log."""
        for log in self.logs:
            os.truncate(log, 0)  # the server appends; the disk holds one load's lines at a time
        before = measure_tree_cpu(self.pid)
        load = run_wrk(f"http://127.0.0.1:{self.port}{request.path}", request, seconds, connections, core)
        load = replace(load, cpu=measure_tree_cpu(self.pid) - before)
        for log in self.logs:
            check_access_log(log, round(load.requests), connections)
        return load


def select_cores() -> tuple[int, int]:
    """Return the server's core and its clients' core."""
    first, second = sorted(os.sched_getaffinity(0))[:2]
    return first, second


@contextmanager
def spawn_server(server: Server, port: int, work: Path, affinity: set[int]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server on these cores, with a clean environment and its own variables; end it afterwards."""
    output_path = get_output_path(port, work)
    output_path.unlink(missing_ok=True)
    with output_path.open("ab") as output:  # as a shell's >>
        process = subprocess.Popen(
            server.command(port),
            cwd=work,
            env=make_environment(**server.variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, affinity),
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def run_server(server: Server, work: Path, affinity: set[int]) -> Iterator[Running]:
    """Start a server; yield it when it listens."""
    port = find_free_port()
    with spawn_server(server, port, work, affinity) as process:
        wait_for(server, port, process, get_output_path(port, work))
        yield Running(port, process.pid, tuple(work / log.format(port=port) for log in server.logs))


def get_output_path(port: int, work: Path) -> Path:
    """Return the file with a server's output."""
    return work / f"output-{port}"


def check_access_log(log: Path, responses: int, connections: int) -> None:
    """Exit unless the log has a line for each response that wrk counted, and else only lines of requests under way.

    At the end of a load each connection has a request under way; so it may have at the end of the load before.
    """
    deadline = time.monotonic() + LOG_TIMEOUT_SECONDS
    while (lines := count_lines(log)) < responses and time.monotonic() < deadline:
        time.sleep(0.05)
    if not responses <= lines <= responses + 2 * connections:
        raise SystemExit(f"{log}: {lines:,} lines, but wrk counted {responses:,} responses")


def count_lines(path: Path) -> int:
    """Return the number of lines that a file has."""
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def run_wrk(url: str, request: Request, seconds: int, connections: int, core: int) -> Load:
    """Run wrk with one thread on this core; return its figures. Exits if a response has another status."""
    process = start_wrk(url, request, seconds, connections, core)
    return parse_wrk_output(url, request, process.communicate()[0])


def start_wrk(url: str, request: Request, seconds: int, connections: int, core: int) -> subprocess.Popen[str]:
    """Start wrk on its core."""
    command = ["wrk", "--threads=1", f"--connections={connections}", f"--duration={seconds}s", "--timeout=30s"]
    return subprocess.Popen(
        [*command, f"--script={HERE / 'load.lua'}", url, "--", *request.fields],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )


def parse_wrk_output(url: str, request: Request, output: str) -> Load:
    """Return the figures that wrk printed. Exits if a response had another status."""
    try:
        figures: dict[str, float] = json.loads(output.strip().rpartition("\n")[2])
    except ValueError:
        raise SystemExit(f"wrk printed something unexpected:\n{output}") from None
    refused, failed = figures.pop("refused"), figures.pop("failed")
    if failed or refused != (figures["requests"] if request.status >= 400 else 0):
        raise SystemExit(f"{url}: not every request was answered by {request.status}:\n{output}")
    if not figures["requests"]:
        figures |= {"p50": math.inf, "p99": math.inf}
    return Load(**figures)


def measure_tree_cpu(root: int) -> float:
    """Return the CPU seconds of the process and its descendants; proc(5), `stat`."""
    return sum(ticks for _, ticks in _tree(root)) / _TICKS_PER_SECOND


def list_tree_pids(root: int) -> list[int]:
    """Return the IDs of the process and its descendants, in ascending order."""
    return sorted(pid for pid, _ in _tree(root))


def _tree(root: int) -> list[tuple[int, int]]:
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):  # it has ended
                continue
            pid = int(entry.name)
            parents[pid], ticks[pid] = int(fields[1]), int(fields[11]) + int(fields[12])

    def is_below(pid: int) -> bool:
        return pid == root or (pid in parents and is_below(parents[pid]))

    return [(pid, count) for pid, count in ticks.items() if is_below(pid)]


def find_free_port() -> int:
    """Return a free TCP port of 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(server: Server, port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    """Wait until the process listens and has printed that it is ready. Exits if that fails."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            if server.ready in output.read_text():
                return
            time.sleep(0.05)
    raise SystemExit(f"{process.args!r} does not listen:\n{output.read_text()}")


def find_median(loads: Sequence[Load], figure: str) -> float:
    """Return the median of one figure, a field or a property of `Load`."""
    return float(median(getattr(load, figure) for load in loads))


def compare_with_target(ratio: float, target: float | None) -> tuple[str, str, str]:
    """Return a ratio, its limit, and whether it is within the limit, as cells of a table."""
    if target is None:
        return (f"{ratio:.3f}", "", "")
    return (f"{ratio:.3f}", f"{target:g}", "yes" if ratio <= target else "no")


def find_missing_tool() -> str:
    """Return the reason why this machine cannot run the benchmark, or an empty text."""
    if sys.platform != "linux":
        return "Linux only: CPU time comes from /proc, and the cores are set by sched_setaffinity(2)"
    if shutil.which("wrk") is None:
        return "wrk is not installed (apt-get install wrk)"
    return "" if len(os.sched_getaffinity(0)) > 1 else "two cores are needed, one for the server and one for wrk"
