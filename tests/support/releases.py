"""Releases of one project, one after the other, as tests make and look at them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx

from static_host.origin.index import INDEX_FILE_NAME, Index, parse_index
from tests.support.builds import Build

CODINGS = ("identity", "gzip", "br", "zstd")
Releaser = Callable[..., Path]


def read_index(tree: Path) -> Index:
    return parse_index((tree / INDEX_FILE_NAME).read_bytes())


def list_immutable_names(tree: Path) -> list[str]:
    """Return the fingerprinted names of the release that the tree was built for."""
    return [name for name, resource in read_index(tree).items() if resource.immutable and not resource.carried]


def change_release(project: Path, release: str) -> None:
    """Give the stylesheet another content, and with it another name; and the release a file of its own."""
    path = project / "mysite/static/site.css"
    path.write_text(path.read_text().partition("/* release")[0] + f"/* release {release} */\n")
    for old in (project / "mysite/static").glob("only-*.js"):
        old.unlink()
    (project / f"mysite/static/only-{release}.js").write_text(f"console.log('only in release {release}');\n" * 40)


def make_releaser(project: Path, build: Build, place: Path) -> Releaser:
    """Return what builds one release, as a new container would: nothing is left of others."""

    def release(name: str, **variables: str) -> Path:
        change_release(project, name)
        result = build_afresh(project, build, **variables)
        assert result.returncode == 0, result.stderr
        tree = place / f"tree-{name}"
        shutil.copytree((project / "staticfiles").resolve(), tree)
        return tree

    return release


def build_afresh(project: Path, build: Build, **variables: str) -> subprocess.CompletedProcess[str]:
    """Build where nothing was built before."""
    (project / "staticfiles").unlink(missing_ok=True)
    shutil.rmtree(project / ".staticfiles.releases", ignore_errors=True)
    return build(**variables)


def set_written(tree: Path, time: int) -> None:
    """Have the tree's index be as old as that."""
    os.utime(tree / INDEX_FILE_NAME, (time, time))


def fetch_all(url: str, names: list[str], prefix: str = "/static/", **fields: str) -> dict[tuple[str, str], object]:
    """Return what a server sends for each name in each coding alone: status, what names the bytes, and the bytes."""
    found: dict[tuple[str, str], object] = {}
    with httpx.Client() as client:
        for name in names:
            for coding in CODINGS:
                headers = {"accept-encoding": coding, **fields}
                with client.stream("GET", f"{url}{prefix}{name}", headers=headers) as answer:
                    body = b"".join(answer.iter_raw())
                wanted = ("etag", "content-encoding", "content-type", "cache-control", "vary", "last-modified")
                found[name, coding] = (answer.status_code, *(answer.headers.get(field) for field in wanted), body)
    return found
