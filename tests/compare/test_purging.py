"""The lines of docs/purging.md, with the list as it is printed, against a server and a program that count."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.indexes import describe, write_index
from tests.support.processes import run
from tests.support.required import required
from tests.support.stores import serve_in_thread

BLOCKS: list[str] = re.findall(
    r"```sh\n(.*?)```", (Path(__file__).parents[2] / "docs/purging.md").read_text(), re.DOTALL
)
NAMES = ["50% off.css", "a'b\"c.css", "it(1)*.css", "ü{1,2}[x].css", "$HOME.css", "-o.css", "a&b;c.css"]
PATHS = [
    "/static/%24HOME.css",
    "/static/-o.css",
    "/static/50%25%20off.css",
    "/static/a%26b%3Bc.css",
    "/static/a'b%22c.css",
    "/static/it(1)*.css",
    "/static/%C3%BC%7B1%2C2%7D%5Bx%5D.css",
]


def find_block(word: str) -> str:
    (block,) = (block for block in BLOCKS if word in block)
    return block


@contextmanager
def run_sink(refused: str = "") -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    """Run a server that records method, target and body of each request; it refuses the target `refused`."""
    received: list[tuple[str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_PURGE(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            received.append((self.command, self.path, body))
            self.send_response(405 if self.path == refused else 200)
            self.end_headers()

        do_POST = do_PURGE  # noqa: N815 - as the base class has it

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serve_in_thread(server):
        yield f"http://127.0.0.1:{server.server_port}", received


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the list of a release that changes 40 files."""
    names = [*NAMES, *(f"{number:02}.css" for number in range(33))]
    trees = [
        write_index(tmp_path / content, *((name, describe(name, f"{name} {content}")) for name in names))
        for content in ("old", "new")
    ]
    listed = run("static-host", "compare", *map(str, trees), "--purge-list", cwd=tmp_path)
    (tmp_path / "purge.txt").write_text(listed.stdout)
    return tmp_path


def run_shell(block: str, folder: Path, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
    variables = {"PATH": path, "FASTLY_API_TOKEN": "t", "CLOUDFLARE_ZONE": "zone", "DISTRIBUTION": "E1", "LC_ALL": "C"}
    return subprocess.run(
        ["bash", "-c", block], cwd=folder, env=variables, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(autouse=True)
def tools() -> None:
    absent = [name for name in ("bash", "curl", "jq", "xargs", "split") if not shutil.which(name)]
    required(f"there is no {', '.join(absent)}" if absent else "")


def test_each_url_is_purged_once_by_its_own_request(folder: Path) -> None:
    with run_sink() as (address, received):
        result = run_shell(find_block("PURGE").replace("https://www.example.com", address), folder)
    assert (result.returncode, result.stderr) == (0, "")
    listed = (folder / "purge.txt").read_text().splitlines()
    assert sorted(received) == sorted(("PURGE", path, b"") for path in listed)
    assert (len(listed), set(PATHS) <= set(listed)) == (40, True)


def test_a_refused_purge_is_a_failure(folder: Path) -> None:
    with run_sink(refused="/static/-o.css") as (address, _):
        result = run_shell(find_block("PURGE").replace("https://www.example.com", address), folder)
    assert result.returncode == 123
    assert "405" in result.stderr


def test_cloudflare_gets_thirty_urls_a_request(folder: Path) -> None:
    with run_sink() as (address, received):
        result = run_shell(find_block("cloudflare").replace("https://api.cloudflare.com", address), folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert [(method, path) for method, path, _ in received] == [("POST", "/client/v4/zones/zone/purge_cache")] * 2
    bodies = [json.loads(body)["files"] for _, _, body in received]
    assert [len(files) for files in bodies] == [30, 10]
    listed = (folder / "purge.txt").read_text().splitlines()
    assert [url for files in bodies for url in files] == [f"https://www.example.com{path}" for path in listed]


def test_cloudfront_gets_the_paths_as_arguments(folder: Path) -> None:
    (folder / "bin").mkdir()
    (folder / "bin/aws").write_text('#!/bin/sh\nprintf "%s\\n" "$@" >arguments.txt\n')
    (folder / "bin/aws").chmod(0o755)
    result = run_shell(find_block("create-invalidation"), folder, path=f"{folder}/bin:/usr/bin:/bin")
    assert (result.returncode, result.stderr) == (0, "")
    arguments = (folder / "arguments.txt").read_text().splitlines()
    listed = (folder / "purge.txt").read_text().splitlines()
    assert arguments == ["cloudfront", "create-invalidation", "--distribution-id", "E1", "--paths", *listed]


@pytest.mark.parametrize("word", ["PURGE", "cloudflare", "create-invalidation"])
def test_an_empty_list_purges_nothing(folder: Path, word: str) -> None:
    (folder / "purge.txt").write_text("")
    result = run_shell(find_block(word).replace("https://", "http://127.0.0.1:9/"), folder)
    assert (result.returncode, result.stderr, result.stdout) == (0, "", "")
