"""Builds consecutive releases of one project, and reads them."""

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
    """Change the stylesheet's content, and so its name; add a file that only this release has."""
    path = project / "mysite/static/site.css"
    path.write_text(path.read_text().partition("/* release")[0] + f"/* release {release} */\n")
    for old in (project / "mysite/static").glob("only-*.js"):
        old.unlink()
    (project / f"mysite/static/only-{release}.js").write_text(f"console.log('only in release {release}');\n" * 40)


def make_releaser(project: Path, build: Build, place: Path) -> Releaser:
    """Return a function that builds one release as a new container would: without traces of others."""

    def release(name: str, **variables: str) -> Path:
        change_release(project, name)
        result = build_afresh(project, build, **variables)
        assert result.returncode == 0, result.stderr
        tree = place / f"tree-{name}"
        shutil.copytree((project / "staticfiles").resolve(), tree)
        return tree

    return release


def build_afresh(project: Path, build: Build, **variables: str) -> subprocess.CompletedProcess[str]:
    """Remove the tree and its releases, then build."""
    (project / "staticfiles").unlink(missing_ok=True)
    shutil.rmtree(project / ".staticfiles.releases", ignore_errors=True)
    return build(**variables)


def set_written(tree: Path, time: int) -> None:
    """Set the modification time of the tree's index."""
    os.utime(tree / INDEX_FILE_NAME, (time, time))


def fetch_all(url: str, names: list[str], prefix: str = "/static/", **fields: str) -> dict[tuple[str, str], object]:
    """Request each name in each coding alone; return status, header fields of the representation, and body."""
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
