"""The JavaScript and CSS of 46 popular packages, fingerprinted as the build does it, and judged by other readers.

Rule: the build is strict, so that any reference that it takes for wrong fails it, but for those that a package's own
files have wrong. ``make projects`` serves of the largest packages what a page would load; ``make projects-all``
serves everything, and Monaco.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import django
import pytest

from tests.real.everything import EVERYTHING
from tests.real.trees import Findings, compare
from tests.real.vite_builds import NODE
from tests.support.builds import append_settings
from tests.support.processes import run
from tests.support.projects import copy_project
from tests.support.required import needs

PACKAGES = Path(__file__).parent / "packages"
SITE, MODULES = PACKAGES / "site-packages", PACKAGES / "node_modules"
PARTS = {
    "@fortawesome/fontawesome-free": ["css", "js", "sprites", "webfonts"],
    "@shoelace-style/shoelace": ["cdn"],
    "ace-builds": ["src-min-noconflict"],
    "pdfjs-dist": ["build", "web"],
    "three": ["build", "examples/jsm"],
}
"""Of these packages ``make projects`` serves only some folders."""
IGNORED = ["mermaid.core*", "mermaid.esm", "mermaid.esm.mjs", "mermaid.js", "mermaid.js.map", "*.ts", "*.cts", "*.mts"]
STORAGE = "STORAGES = {'staticfiles': {'BACKEND': 'static_host_build.storage.FingerprintStorage'}}"
WARNING = re.compile(
    r"(?P<file>\S+), line \d+: (?P<target>\S+) (?:does not exist|is a folder)\.(?: Did you mean \S+\?)?"
)

pytestmark = [
    pytest.mark.timeout(1800),
    needs(NODE >= (20,), "the readers that judge need Node 20"),
]


def folders() -> list[str | tuple[str, str]]:
    """The static folders of Django and of PyPI's packages, and those of npm's, each below its package's name."""
    of_apps = [path for path in SITE.rglob("static") if (path.parent / "__init__.py").exists()]
    found: list[str | tuple[str, str]] = [f"{Path(django.__file__).parent}/contrib/admin/static", *map(str, of_apps)]
    manifest = json.loads((PACKAGES / "package.json").read_text())
    names = [*manifest["dependencies"], *(manifest["optionalDependencies"] if EVERYTHING else ())]
    parts = {name: ["."] if EVERYTHING else PARTS.get(name, ["."]) for name in names}
    return found + [
        (os.path.normpath(f"npm/{name}/{part}"), f"{MODULES / name / part}") for name in names for part in parts[name]
    ]


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The packages' files in a tree, and what ``collectstatic`` said."""
    project = copy_project("plain", tmp_path_factory.mktemp("packages"))
    append_settings(project, f"STATICFILES_DIRS = {folders()!r}", "STATIC_ROOT = BASE_DIR / 'tree'", STORAGE)
    command = ["python", "-m", "django", "collectstatic", "--noinput", "--verbosity", "0"]
    ignored = [] if EVERYTHING else [f"--ignore={pattern}" for pattern in IGNORED]
    return project / "tree", run(*command, *ignored, cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings")


@pytest.fixture(scope="module")
def findings(collected: tuple[Path, subprocess.CompletedProcess[str]]) -> Findings:
    tree, _ = collected
    paths = json.loads((tree / "staticfiles.json").read_text())["paths"]
    return compare({name: tree / name for name in paths}, tree, paths)


def test_a_strict_build_of_them_succeeds(collected: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = collected
    assert done.returncode == 0, done.stderr


def test_every_file_parses_every_reference_resolves_and_nothing_else_changes(findings: Findings) -> None:
    assert findings.problems == []
    assert findings.unreadable == [f"npm/select2/src/js/wrapper.{half}.js" for half in ("end", "start")]
    assert findings.files > 5000
    assert findings.references > 10_000


def test_what_packages_have_wrong_is_warned_of_and_nothing_else(
    collected: tuple[Path, subprocess.CompletedProcess[str]], findings: Findings
) -> None:
    warned = [WARNING.fullmatch(line) for line in collected[1].stderr.splitlines()]
    assert None not in warned
    of_maps = {(match["file"], match["target"]) for match in warned if match and match["target"].endswith(".map")}
    assert {(match["file"], match["target"]) for match in warned if match} - of_maps == findings.missing
    packages = {name.removeprefix("npm/").partition("/")[0] for name, _ in findings.missing}
    assert packages == {"alpinejs", "cms", "django_ckeditor_5", "filer", "leaflet", "mathjax", "preact"}
