"""Releases of one project whose script and page change a little with each, every one with deltas to its own."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.builds import manifest
from tests.conftest import copied
from tests.processes import run

SETTINGS = {"DJANGO_SETTINGS_MODULE": "mysite.settings"}


def script(release: int) -> str:
    """Return a script of 30 kB of which each release has another function; it tells the page its release."""
    chance = random.Random(8)
    functions = [f"function f{n}(a,b){{return a*{chance.randrange(10**6)}+b*{n}}}" for n in range(750)]
    functions[release * 100] = f"function renamed{release}(a){{return a-{release}}}"
    return "\n".join([*functions, f'document.documentElement.dataset.release="{release}:"+f7(1,0);\n'])


def result(release: int) -> str:
    """Return what the script of a release tells the page: only if all of it is what was built."""
    factor = re.search(r"function f7\(a,b\)\{return a\*(\d+)", script(release))
    assert factor
    return f"{release}:{factor[1]}"


def scripted(directory: Path) -> Path:
    """Return a copy of "plain" whose page has a script, which is there when it is `changed`."""
    project = copied("plain", directory)
    page = project / "mysite/templates/page.html"
    page.write_text(page.read_text() + "<script src=\"{% static 'app.js' %}\"></script>\n")
    return project


def changed(project: Path, release: int) -> None:
    """Make of the project what it is in that release."""
    (project / "mysite/static/app.js").write_text(script(release))


@dataclass(frozen=True)
class Rollout:
    """The project, and the trees of its releases, the oldest first."""

    project: Path
    trees: tuple[Path, ...]
    names: tuple[str, ...]
    """The name of the script in each release."""


def rolled_out(directory: Path, cache: Path, releases: Iterable[int] = (1, 2, 3), **variables: str) -> Rollout:
    """Build these releases, each in a container of its own that is given the tree of the one before."""
    project = scripted(directory)
    trees: list[Path] = []
    names = []
    for release in releases:
        changed(project, release)
        before = {
            "DJANGO_STATIC_PREVIOUS": str(trees[-1] if trees else directory / "nothing"),
            "DJANGO_STATIC_PREVIOUS_PROBLEMS": "error" if trees else "warn",
        }
        result = run(
            *("static-host", "build", "--verify"),
            cwd=project,
            **{**SETTINGS, "DJANGO_STATIC_CACHE": str(cache), **before, **variables},
        )
        assert result.returncode == 0, result.stderr
        names.append(manifest(project)["app.js"])
        trees.append(directory / f"tree-{release}")
        shutil.copytree((project / "staticfiles").resolve(), trees[-1])
        (project / "staticfiles").unlink()
        shutil.rmtree(project / ".staticfiles.releases")
    return Rollout(project, tuple(trees), tuple(names))
