"""Servers of another release that look for files in a store, and what they answer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.processes import Running, run, run_server
from tests.support.projects import SETTINGS, copy_project

UNCACHEABLE = "private, no-store, max-age=0"


def build_another_release(directory: Path, cache: Path) -> Path:
    """Build the project "plain" in another release, whose tree has none of the fingerprinted files of "plain"."""
    project = copy_project("plain", directory)
    shutil.rmtree(project / "mysite/static")
    (project / "mysite/static").mkdir()
    (project / "mysite/static/old.txt").write_text("old")
    variables = {"DJANGO_STATIC_CACHE": str(cache), "DJANGO_STATIC_MISSING_REFERENCES": "warn", **SETTINGS}
    result = run("static-host", "build", cwd=project, **variables)
    assert result.returncode == 0, result.stderr
    return project


@contextmanager
def serve_with_store(project: Path, place: str, tmp_path: Path, **variables: str) -> Iterator[Running]:
    """A server that looks into a store, with a disk of its own."""
    own = {
        "DJANGO_STATIC_STORE": place,
        "DJANGO_STATIC_STORE_DIRECTORY": str(tmp_path / "shelf"),
        "DJANGO_STATIC_STORE_TIMEOUT": "30",  # a busy machine may take longer than the default of 2 s
    }
    with run_server(cwd=project, **{**SETTINGS, **own, **variables}) as running:
        yield running


def fetch(running: Running, path: str, coding: str = "br") -> tuple[int, str, bytes]:
    """Return status, Cache-Control and the body as it is sent."""
    with httpx.stream("GET", running.url + path, headers={"accept-encoding": coding}, timeout=20) as answer:
        return answer.status_code, answer.headers["cache-control"], b"".join(answer.iter_raw())


def is_404(answer: tuple[int, str, bytes]) -> bool:
    return answer == (404, UNCACHEABLE, b"Not Found\n")
