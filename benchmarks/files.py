"""``make bench-files``: files that a view sends, MEDIA, and uploads, beside gunicorn and nginx in front of gunicorn.

Rule: each server is as shipped, or as its documentation says, with access logs in files. Every round starts all of them
anew, side by side on one core, and they take turns; the CPU time is that of all processes of a server. The slow
downloads have a server of their own. A server that does not send the whole file is skipped, with its answer.
"""

from __future__ import annotations

import http.client
import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from statistics import median

from benchmarks import django, proxy
from benchmarks.goals import (
    Goal,
    Result,
    format_goals,
    label_gigabyte,
    label_microseconds,
    label_milliseconds,
    label_throughput,
    make_ratio_goal,
)
from benchmarks.large import Work, finish_downloads, run_downloads, start_downloads
from benchmarks.load import Load, Request, Running, Server, find_median, list_tree_pids, measure_tree_cpu, select_cores
from benchmarks.measure import format_megabytes, format_table, print_progress
from benchmarks.pss import Growth
from benchmarks.servers import select_installed
from benchmarks.trees import FILM, FILM_SIZE

IMAGE = "image.jpg"
SIZES = {FILM: FILM_SIZE, IMAGE: 20_000}
FAST = Work("100 MB, 8 clients", 8, 0, 3)
SLOW = Work("200 slow downloads, 20 kB/s each", 200, 20_000, 7)
SLOW_START_SECONDS = 2
"""Time in which all slow downloads begin."""
CONNECTIONS = 16
LOAD_SECONDS = 3
UPLOAD_BYTES = 200_000_000
MAX_P99_RATIO = 1.1
MAX_GROWTH_BYTES = 2e6
"""For each 100 slow downloads."""
BLOCK = "files"

OURS, ASGI, GUNICORN, NGINX, PROXIED = "ours", "ours, ASGI", "gunicorn", "nginx", "nginx and gunicorn"
UPLOADS = (OURS, ASGI, PROXIED)
"""The servers that receive uploads."""
WAYS = {"file": "`FileResponse`", "accel": "`X-Accel-Redirect`", "media": "MEDIA"}
"""What sends a file, by the first part of its path."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A path of this project, and a server with its path; `limits` are the goals for the ratios of their figures."""

    path: str
    other: tuple[str, str]
    limits: Mapping[str, float]


COMPARISONS = (
    Comparison(f"file/{FILM}", (PROXIED, f"accel/{FILM}"), {"throughput": 1.0, "cost_of_a_gigabyte": 1.0}),
    Comparison(f"accel/{FILM}", (PROXIED, f"accel/{FILM}"), {"throughput": 1.0, "cost_of_a_gigabyte": 1.0}),
    Comparison(f"file/{IMAGE}", (GUNICORN, f"file/{IMAGE}"), {"cost": 0.6}),
    Comparison(f"accel/{IMAGE}", (PROXIED, f"accel/{IMAGE}"), {}),
    Comparison(f"media/{IMAGE}", (NGINX, f"media/{IMAGE}"), {"cost": 1.2}),
)
TURNS = tuple(dict.fromkeys(turn for each in COMPARISONS for turn in ((OURS, each.path), each.other)))
FIGURES = {
    "throughput": ("throughput", label_throughput),
    "cost_of_a_gigabyte": ("CPU per GB", label_gigabyte),
    "cost": ("CPU per request", label_microseconds),
}


@dataclass(frozen=True, slots=True)
class Slow:
    """The loads of a page without and with slow downloads, the downloads' load, and the growth of memory in bytes."""

    rest: Load
    during: Load
    downloads: Load
    growth: int


@dataclass(frozen=True, slots=True)
class Upload:
    """The load of one upload, and the bytes that the server's processes wrote to files."""

    load: Load
    written: int


def make_servers(files: Path) -> dict[str, Server]:
    """Return the servers of these files."""
    ours, proxied, gunicorn = proxy.ROWS[proxy.OURS], proxy.ROWS[proxy.PROXIED], django.SERVERS["gunicorn"]
    variables = {**ours.variables, "DJANGO_SENDFILE_ROOTS": f"/protected/={files}", "DJANGO_SERVE_MEDIA": "true"}
    log = "access-gunicorn-{port}.log"
    return {
        OURS: replace(ours, variables=variables),
        ASGI: replace(ours, title=f"{ours.title}, ASGI", variables={**variables, "DJANGO_INTERFACE": "asgi"}),
        GUNICORN: replace(
            gunicorn,
            command=lambda port: (*gunicorn.command(port), "--access-logfile", log.format(port=port)),
            logs=(log,),
        ),
        NGINX: replace(proxied, title="nginx", logs=proxied.logs[:1]),
        PROXIED: proxied,
    }


class Bench:
    """Collects the rounds."""

    def __init__(self, work: Path) -> None:
        self.loads: dict[tuple[str, str], list[Load]] = defaultdict(list)
        self.uploads: dict[str, list[Upload]] = defaultdict(list)
        self.slow: list[Slow] = []
        files = work / "files"
        files.mkdir(exist_ok=True)
        for name, size in SIZES.items():
            (files / name).write_bytes(Random(1).randbytes(size))
        self.servers = make_servers(files)
        self._bench = django.Bench(work, LOAD_SECONDS, CONNECTIONS, servers=self.servers)

    def run_round(self) -> None:
        """Start all servers; each has two turns of each work. Start the server of the slow downloads twice."""
        core, _ = select_cores()
        with ExitStack() as stack:
            running = {name: stack.enter_context(self._bench.run(name, {core})) for name in self.servers}
            ready = [(name, path) for name, path in TURNS if _is_sent(name, running[name], path)]
            for name, path in (*ready, *ready[::-1]):
                load = _load(running[name], path)
                self.loads[name, path].append(load)
                _print_load(name, path, load)
            for name in (*UPLOADS, *UPLOADS[::-1]):
                send_upload(running[name], UPLOAD_BYTES // 50)
                upload = send_upload(running[name], UPLOAD_BYTES)
                self.uploads[name].append(upload)
                _print_load(name, "upload", upload.load)
        for _ in range(2):
            with self._bench.run(OURS, {core}) as server:
                slow = measure_slow(server)
            self.slow.append(slow)
            latencies = [label_milliseconds(load.p99)[1] for load in (slow.rest, slow.during)]
            print_progress(f"slow: p99 {latencies[0]}, then {latencies[1]}; {format_megabytes(slow.growth)} more")


def _print_load(name: str, work: str, load: Load) -> None:
    rate, cost = label_throughput(load.throughput)[1], label_gigabyte(load.cost_of_a_gigabyte)[1]
    print_progress(f"{name:18} {work:15} {rate:>12}, {cost:>9} of CPU per GB")


def _is_sent(name: str, server: Running, path: str) -> bool:
    """Whether the server sends the whole file."""
    answer = server.ask(Request(f"/{path}"))
    is_sent = (answer.status, answer.size) == (200, SIZES[Path(path).name])
    if not is_sent:
        print_progress(f"{name} {path} is skipped: answers {answer.status} with {answer.size:,} bytes")
    return is_sent


def _load(server: Running, path: str) -> Load:
    if path.endswith(FILM):
        return run_downloads(server, f"/{path}", FAST)
    _, core = select_cores()
    server.load(Request(f"/{path}"), 1, CONNECTIONS, core)
    return server.load(Request(f"/{path}"), LOAD_SECONDS, CONNECTIONS, core)


def measure_slow(server: Running) -> Slow:
    """Load a page, and again during slow downloads."""
    _, core = select_cores()
    page = Request(f"/{proxy.VIEW}")
    server.load(page, 1, CONNECTIONS, core)
    rest = server.load(page, LOAD_SECONDS, CONNECTIONS, core)
    growth = Growth(server.pid)
    clients = start_downloads(server, f"/file/{FILM}", SLOW)
    time.sleep(SLOW_START_SECONDS)
    growth.sample()
    during = server.load(page, LOAD_SECONDS, CONNECTIONS, core)
    growth.sample()
    return Slow(rest, during, finish_downloads(clients), growth.size)


def send_upload(server: Running, length: int) -> Upload:
    """Upload a file of this length as a form. Exits if the view does not receive all of it."""
    part = Random(1).randbytes(1_000_000)
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="film.mp4"\r\n\r\n'
    body = (head, *[part] * (length // len(part)), b"\r\n--x--\r\n")
    fields = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(sum(map(len, body)))}
    written, cpu, began = _measure_written(server), measure_tree_cpu(server.pid), time.monotonic()
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request("POST", "/upload", body, fields)
        answer = connection.getresponse().read()
    load = Load(time.monotonic() - began, 1, length, 0.0, 0.0, measure_tree_cpu(server.pid) - cpu)
    if answer != str(length).encode():
        raise SystemExit(f"the upload's answer is {answer!r}")
    return Upload(load, _measure_written(server) - written)


def _measure_written(server: Running) -> int:
    """Return the bytes that all processes of a server have written to files on disks; proc_pid_io(5)."""
    texts = (Path(f"/proc/{pid}/io").read_text() for pid in list_tree_pids(server.pid))
    return sum(int(re.findall(r"^write_bytes: (\d+)", text, re.MULTILINE)[0]) for text in texts)


def measure_part(work: Path, rounds: int) -> Result:
    """Run the rounds."""
    heading = "Files of views, MEDIA, and uploads"
    if len(select_installed(("nginx", "gunicorn"))) < 2:
        return Result(heading, "Not measured.", [])
    place = work / "files"
    place.mkdir(exist_ok=True)
    bench = Bench(place)
    for _ in range(rounds):
        bench.run_round()
    goals = [*_make_goals(bench), *_make_goals_of_slow(bench.slow)]
    figures = {
        **{f"{name} {path}": [asdict(load) for load in loads] for (name, path), loads in bench.loads.items()},
        **{f"{name} upload": [asdict(upload) for upload in uploads] for name, uploads in bench.uploads.items()},
        "slow": [asdict(each) for each in bench.slow],
    }
    intro = "Files that a view sends, and MEDIA, with access logs; the CPU time of all processes, which share one core:"
    return Result(heading, _tabulate(bench), goals, figures, "", BLOCK, f"{intro}\n\n{format_goals(goals)}")


def _tabulate(bench: Bench) -> str:
    films, images = ([turn for turn in TURNS if turn[1].endswith(name) and bench.loads[turn]] for name in SIZES)
    costs = ("throughput", "CPU per GB", "lowest to highest")
    requests = ("CPU per request", "lowest to highest", "requests/s", "p50", "p99")
    tables = {
        FAST.title: (("what sends it", *costs), [_format_films(turn, bench) for turn in films]),
        f"20 kB, {CONNECTIONS} connections": (
            ("what sends it", *requests),
            [_format_images(turn, bench) for turn in images],
        ),
        "An upload of 200 MB as a form": (
            (*costs, "written to files", "of its length"),
            [_format_uploads(name, bench) for name in UPLOADS],
        ),
        f"{SLOW.title}, and the page `{proxy.VIEW}`, {CONNECTIONS} connections": (
            ("page's p99 without them", "p99 with them", "downloads", "memory's growth"),
            [_format_slow(bench)],
        ),
    }
    return "\n\n".join(f"{title}:\n\n{format_table(('server', *head), rows)}" for title, (head, rows) in tables.items())


def _format_films(turn: tuple[str, str], bench: Bench) -> tuple[str, ...]:
    name, path = turn
    return (bench.servers[name].title, _describe_way(path), *_format_costs(bench.loads[turn]))


def _format_costs(loads: Sequence[Load]) -> tuple[str, ...]:
    costs = sorted(load.cost_of_a_gigabyte * 1e3 for load in loads)
    return (
        label_throughput(find_median(loads, "throughput"))[1],
        label_gigabyte(find_median(loads, "cost_of_a_gigabyte"))[1],
        f"{costs[0]:,.0f} to {costs[-1]:,.0f}",
    )


def _format_images(turn: tuple[str, str], bench: Bench) -> tuple[str, ...]:
    (name, path), loads = turn, bench.loads[turn]
    costs = sorted(load.cost * 1e6 for load in loads)
    return (
        bench.servers[name].title,
        _describe_way(path),
        label_microseconds(find_median(loads, "cost"))[1],
        f"{costs[0]:,.0f} to {costs[-1]:,.0f}",
        f"{find_median(loads, 'rate'):,.0f}",
        label_milliseconds(find_median(loads, "p50"))[1],
        label_milliseconds(find_median(loads, "p99"))[1],
    )


def _format_uploads(name: str, bench: Bench) -> tuple[str, ...]:
    uploads = bench.uploads[name]
    written = median(upload.written for upload in uploads)
    costs = _format_costs([upload.load for upload in uploads])
    return (bench.servers[name].title, *costs, format_megabytes(written), f"{written / UPLOAD_BYTES:.2f}")


def _format_slow(bench: Bench) -> tuple[str, ...]:
    return (
        bench.servers[OURS].title,
        label_milliseconds(find_median([each.rest for each in bench.slow], "p99"))[1],
        label_milliseconds(find_median([each.during for each in bench.slow], "p99"))[1],
        label_throughput(find_median([each.downloads for each in bench.slow], "throughput"))[1],
        format_megabytes(median(each.growth for each in bench.slow)),
    )


def _describe_way(path: str) -> str:
    return WAYS[path.partition("/")[0]]


def _make_goals(bench: Bench) -> list[Goal]:
    found = []
    for each in COMPARISONS:
        name, path = each.other
        ours, its = bench.loads[OURS, each.path], bench.loads[each.other]
        work = f"{_describe_way(each.path)}, {FAST.title if path.endswith(FILM) else '20 kB'}"
        for figure, limit in each.limits.items() if ours and its else ():
            title, label = FIGURES[figure]
            cost, text = label(find_median(its, figure))
            other = (cost, f"{name}, {_describe_way(path)}: {text}")
            ratio = make_ratio_goal(
                f"{work}: {title}", label(find_median(ours, figure)), other, limit, least=figure == "throughput"
            )
            found.append(ratio)
    return found


def _make_goals_of_slow(slow: Sequence[Slow]) -> list[Goal]:
    rest, during = (find_median([getattr(each, part) for each in slow], "p99") for part in ("rest", "during"))
    other = (rest, f"without them {label_milliseconds(rest)[1]}")
    growth = median(each.growth for each in slow) * 100 / SLOW.clients
    memory, limit = f"{SLOW.title}: memory of each 100", f"< {format_megabytes(MAX_GROWTH_BYTES)}"
    return [
        make_ratio_goal(f"{SLOW.title}: p99 of `{proxy.VIEW}`", label_milliseconds(during), other, MAX_P99_RATIO),
        Goal(memory, format_megabytes(growth), "", "", limit, growth < MAX_GROWTH_BYTES),
    ]
