"""Builds releases of one project whose script and page change a little each time, with deltas between them."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import run
from tests.support.projects import SETTINGS, copy_project


def make_script(release: int) -> str:
    """Return a script of 30 kB; one function differs in each release. It shows its release on the page."""
    chance = random.Random(8)
    functions = [f"function f{n}(a,b){{return a*{chance.randrange(10**6)}+b*{n}}}" for n in range(750)]
    functions[release * 100] = f"function renamed{release}(a){{return a-{release}}}"
    return "\n".join([*functions, f'document.documentElement.dataset.release="{release}:"+f7(1,0);\n'])


def compute_result(release: int) -> str:
    """Return what the script of a release writes into the page if every byte arrived."""
    factor = re.search(r"function f7\(a,b\)\{return a\*(\d+)", make_script(release))
    assert factor
    return f"{release}:{factor[1]}"


def copy_scripted_project(directory: Path) -> Path:
    """Copy "plain" with a page that loads a script; `change_script` writes the script."""
    project = copy_project("plain", directory)
    page = project / "mysite/templates/page.html"
    page.write_text(page.read_text() + "<script src=\"{% static 'app.js' %}\"></script>\n")
    return project


def change_script(project: Path, release: int) -> None:
    """Write the script of that release into the project."""
    (project / "mysite/static/app.js").write_text(make_script(release))


@dataclass(frozen=True)
class Rollout:
    """The project, and the trees of its releases, the oldest first."""

    project: Path
    trees: tuple[Path, ...]
    names: tuple[str, ...]
    """The name of the script in each release."""


def build_rollout(directory: Path, cache: Path, releases: Iterable[int] = (1, 2, 3), **variables: str) -> Rollout:
    """Build these releases, each from nothing but the sources and the tree of the release before."""
    project = copy_scripted_project(directory)
    trees: list[Path] = []
    names = []
    for release in releases:
        change_script(project, release)
        trees.append(
            _build_release(project, directory / f"tree-{release}", trees, DJANGO_STATIC_CACHE=str(cache), **variables)
        )
        names.append(json.loads((trees[-1] / "staticfiles.json").read_text())["paths"]["app.js"])
    return Rollout(project, tuple(trees), tuple(names))


def _build_release(project: Path, tree: Path, before: Sequence[Path], **variables: str) -> Path:
    """Build a release with the newest tree of `before`, and move the result to `tree`."""
    variables = {
        "DJANGO_STATIC_PREVIOUS": str(before[-1] if before else tree / "nothing"),
        "DJANGO_STATIC_PREVIOUS_PROBLEMS": "error" if before else "warn",
        **variables,
    }
    result = run("static-host", "build", "--verify", cwd=project, **SETTINGS, **variables)
    assert result.returncode == 0, result.stderr
    shutil.copytree((project / "staticfiles").resolve(), tree)
    (project / "staticfiles").unlink()
    shutil.rmtree(project / ".staticfiles.releases")
    return tree


BUNDLES: tuple[dict[str, tuple[str, str]], ...] = (
    {
        "esbuild": ("home-JISYS5ZQ.js", "chunk-KKSK25OR.js"),
        "renamed": ("home-CqJO47W0.js", "store-Bgi5yR97.js"),
        "numbers": ("main.03445ba212929bc01336.js", "33.41b135171714819cc722.js"),
        "hashes": ("03445ba212929bc01336.js", "c784de2ca2c84f6dd2d2.js"),
    },
    {
        "esbuild": ("home-I4KP7NYZ.js", "chunk-7R2OQNSM.js"),
        "renamed": ("home-DoyD7YaI.js", "data-dtKsnLQO.js"),
        "numbers": ("main.039d4b6f06cd1d2ff2dc.js", "773.74b9365eed5264f1bd79.js"),
        "hashes": ("039d4b6f06cd1d2ff2dc.js", "dccb5ffc70656b5a5270.js"),
    },
)
"""Names that bundlers gave to an entry point and to a chunk in two releases, by folder: esbuild, Vite (the chunk's
module was renamed), webpack (a library was patched) and webpack with ``[contenthash].js``."""


def build_bundled_rollout(directory: Path, cache: Path) -> Rollout:
    """Build both releases of a project whose page has all of these bundles (`show_bundles`); `names` is empty."""
    project = copy_project("plain", directory)
    trees: list[Path] = []
    for place, bundles in enumerate(BUNDLES):
        shutil.rmtree(project / "mysite/static/dist", ignore_errors=True)
        for folder, (entry, chunk) in bundles.items():
            _write_bundle(
                project / "mysite/static/dist" / folder, entry, chunk, f"/*{folder}*/{make_script(place + 1)}"
            )
        tree = directory / f"tree-{place + 1}"
        trees.append(_build_release(project, tree, trees, DJANGO_STATIC_CACHE=str(cache)))
    return Rollout(project, tuple(trees), ())


def show_bundles(project: Path, place: int) -> None:
    """Write the page of one of the releases of `BUNDLES` into the project."""
    page = project / "mysite/templates/page.html"
    others = [line for line in page.read_text().splitlines() if "dist/" not in line]
    urls = (f"{{% static 'dist/{folder}/{entry}' %}}" for folder, (entry, _) in BUNDLES[place].items())
    page.write_text("\n".join([*others, *(f'<script type=module src="{url}"></script>' for url in urls), ""]))


def _write_bundle(folder: Path, entry: str, chunk: str, text: str) -> None:
    folder.mkdir(parents=True)
    padding = "\n".join(f"export const own{n} = {n};" for n in range(100))
    (folder / entry).write_text(f'import "./{chunk}";\n{padding}\n')
    (folder / chunk).write_text(text)
    listed = {"src/home.js": {"file": entry, "isEntry": True}, "_chunk.js": {"file": chunk}}
    (folder / "manifest.json").write_text(json.dumps(listed))
