"""A rollout, as visitors see it: two releases behind a load balancer that alternates between them, and a cache.

    .venv/bin/python -m tests.support.rollout_visits

prints how many static files were broken with each of the two settings, with both and with neither. A visitor requests a
page, then every fingerprinted file that the page, its stylesheets and its modules name. A file is broken unless the
status is 200 and the body is a release's. At first there are only old containers. Then there are both, which get
requests in turn. At last there are only new ones, while some visitors still have old pages.
"""

from __future__ import annotations

import http.client
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from random import Random
from threading import Thread
from urllib.parse import urljoin

import httpx

from tests.support.nginx import run_nginx
from tests.support.processes import find_free_port, run, run_server
from tests.support.projects import SETTINGS, copy_project
from tests.support.releases import change_release

PHASES = ("old", "both", "new")
VISITS_PER_PHASE = 12
_FINGERPRINT = re.compile(r"\.[0-9a-f]{12}\.\w+$")
_URL = re.compile(r'"(/static/[^"]+)"|url\("?([^")]+)"?\)|(?:from|import) ?"(\./[^"]+)"')


class Balancer(ThreadingHTTPServer):
    """Sends each GET to the next of its `ports`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _BalancerHandler)
        self.ports: tuple[int, ...] = ()
        self._turn = count()

    def choose_port(self) -> int:
        return self.ports[next(self._turn) % len(self.ports)]


class _BalancerHandler(BaseHTTPRequestHandler):
    server: Balancer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.choose_port(), timeout=20)
        upstream.request("GET", self.path, headers={**dict(self.headers.items()), "Connection": "close"})
        answer = upstream.getresponse()
        body = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        upstream.close()


@dataclass
class Figures:
    """Static files that were requested in each phase, and those that were broken."""

    requested: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PHASES, 0))
    broken: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PHASES, 0))
    names: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        return ", ".join(f"{phase} {self.broken[phase]} of {self.requested[phase]}" for phase in PHASES)


class Visitors:
    """Request pages of a site, and the files that they name."""

    def __init__(self, url: str, trees: tuple[Path, ...], figures: Figures) -> None:
        self._url = url
        self._trees = trees
        self._figures = figures
        self._client = httpx.Client()

    def close(self) -> None:
        self._client.close()

    def fetch_page(self) -> str:
        answer = self._client.get(f"{self._url}/")
        assert answer.status_code == 200
        return answer.text

    def follow(self, page: str, phase: str, coding: str) -> None:
        """Request every file that the page names, directly or not."""
        waiting = [(f"{self._url}/", page)]
        seen: set[str] = set()
        while waiting:
            base, text = waiting.pop()
            for found in _URL.findall(text):
                url = urljoin(base, next(filter(None, found)))
                if url not in seen and _FINGERPRINT.search(url):
                    seen.add(url)
                    answer = self._client.get(url, headers={"accept-encoding": coding})
                    self._judge(url, answer, phase)
                    if answer.status_code == 200 and url.endswith((".css", ".js")):
                        waiting.append((url, answer.text))

    def _judge(self, url: str, answer: httpx.Response, phase: str) -> None:
        name = url.partition("/static/")[2]
        right = {path.read_bytes() for tree in self._trees if (path := tree / name).is_file()}
        assert len(right) == 1, name  # it is a file of a release, and of one content
        self._figures.requested[phase] += 1
        if answer.status_code != 200 or answer.content not in right:
            assert answer.status_code == 404
            assert answer.headers["cache-control"] == "private, no-store, max-age=0"
            self._figures.broken[phase] += 1
            self._figures.names.add(name)


def roll_out(old: Path, new: Path, project: Path, work: Path, **variables: str) -> Figures:
    """Roll out the tree `new` after the tree `old`; `variables` are for the servers."""
    figures = Figures()
    with ExitStack() as stack:
        ports = [
            stack.enter_context(run_server(cwd=project, DJANGO_STATIC_ROOT=str(tree), **SETTINGS, **place)).port
            for tree, place in (
                (old, _add_store_directory(work, "old", variables)),
                (new, _add_store_directory(work, "new", variables)),
            )
        ]
        balancer = stack.enter_context(_run_balancer())
        cdn = find_free_port()
        balancer.ports = (ports[0],)
        stack.enter_context(run_nginx(f"127.0.0.1:{balancer.server_port}", work / "cdn", port=cdn))
        visitors = Visitors(f"http://127.0.0.1:{cdn}", (old, new), figures)
        stack.callback(visitors.close)
        kept = visitors.fetch_page()
        for phase, serves, coding in zip(PHASES, (ports[:1], ports, ports[1:]), ("br", "br", "gzip"), strict=True):
            balancer.ports = tuple(serves)
            for _ in range(VISITS_PER_PHASE):
                visitors.follow(visitors.fetch_page(), phase, coding)
                visitors.follow(kept, phase, coding)
    return figures


def _add_store_directory(work: Path, name: str, variables: dict[str, str]) -> dict[str, str]:
    """Add a disk cache of the server's own, as in a container."""
    return {**variables, "DJANGO_STATIC_STORE_DIRECTORY": str(work / f"disk-cache-{name}")}


@contextmanager
def _run_balancer() -> Iterator[Balancer]:
    balancer = Balancer()
    thread = Thread(target=balancer.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield balancer
    finally:
        balancer.shutdown()
        balancer.server_close()
        thread.join(5)


@dataclass(frozen=True)
class Trees:
    """Two releases of one project; `carrying` is the new one, built with the old one's files."""

    project: Path
    old: Path
    new: Path
    carrying: Path


def build_trees(place: Path, cache: Path) -> Trees:
    """Build both releases. All files but one differ."""
    project = copy_project("plain", place)
    style = project / "mysite/static/site.css"
    random = Random(1)
    rules = (f".rule-{number} {{ width: {random.randint(1, 10**9)}px }}\n" for number in range(2000))
    style.write_text(style.read_text() + "".join(rules))  # large enough for its changes to be sent alone
    fixed = {**SETTINGS, "DJANGO_STATIC_CACHE": str(cache)}
    trees = {}
    for name, variables in (
        ("old", {"DJANGO_STATIC_PREVIOUS": "nothing", "DJANGO_STATIC_PREVIOUS_PROBLEMS": "warn"}),
        ("new", {}),
        ("carrying", {"DJANGO_STATIC_PREVIOUS": str(place / "tree-old")}),
    ):
        change_release(project, "1" if name == "old" else "2")
        if name == "new":
            for module in ("main.js", "part.js"):
                path = project / "mysite/static" / module
                path.write_text(path.read_text() + "// release 2\n")
        (project / "staticfiles").unlink(missing_ok=True)
        shutil.rmtree(project / ".staticfiles.releases", ignore_errors=True)
        result = run("static-host", "build", cwd=project, **fixed, **variables)
        assert result.returncode == 0, result.stderr
        trees[name] = place / f"tree-{name}"
        shutil.copytree((project / "staticfiles").resolve(), trees[name])
    return Trees(project, trees["old"], trees["new"], trees["carrying"])


def publish(trees: Trees, tree: Path, store: dict[str, str]) -> None:
    """Publish a release to the store."""
    result = run("static-host", "publish", str(tree), cwd=trees.project, **SETTINGS, **store)
    assert result.returncode == 0, result.stderr


def main() -> None:
    """Print the figures for each combination of the two settings."""
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        trees = build_trees(work, work / "cache")
        store = {"DJANGO_STATIC_STORE": f"file://{work}/store"}
        for tree in (trees.old, trees.new, trees.carrying):
            publish(trees, tree, store)
        for label, new, variables in (
            ("neither", trees.new, {}),
            ("DJANGO_STATIC_PREVIOUS", trees.carrying, {}),
            ("DJANGO_STATIC_STORE", trees.new, store),
            ("both", trees.carrying, store),
        ):
            figures = roll_out(trees.old, new, trees.project, work / label, **variables)
            print(f"{label:<24}{figures}; in all {sum(figures.broken.values())} of {sum(figures.requested.values())}")


if __name__ == "__main__":
    main()
