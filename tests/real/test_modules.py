"""Forms of JavaScript, evaluated by Node as sources and as built: the same output, and each module as often."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.builds import manifest
from tests.conftest import copied
from tests.forms import Form
from tests.forms.imports import FOLLOWED
from tests.forms.names import NAMES
from tests.forms.slashes import SLASHES
from tests.forms.untouched import UNTOUCHED
from tests.processes import environment, run
from tests.real.test_vite import NODE

RUN = Path(__file__).parent / "modules/run.mjs"
FORMS = {re.sub(r"\W+", "-", form.name.lower()).strip("-"): form for form in [*FOLLOWED, *UNTOUCHED, *SLASHES]}
FORMS |= {f"name-{number}": form for number, form in enumerate(NAMES, 1)}
COMMON = {
    "a.js": """print("[a]");
export const a = "a", list = [1, 2], f = "f", s = "s", i = "i", n = "n", p = "p", q = "q", k = 1;
export class K { k = "k" }
export { f as from, s as as, i as import, n as "a name", p as "./b.js", q as 'from"./b.js"' };
export default "A";
""".replace("from\"./b.js\"'", "}from\"./b.js\"'"),
    "b.js": 'print("[b]"); export const b = "b"; export default "B";\n',
}

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(NODE < (20, 12), reason="it needs Node 20.12, for import() in scripts"),
]


def write(folder: Path, form: Form) -> None:
    for name, text in {**COMMON, **form.files, form.entry: form.source}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")


def printed(root: Path, names: dict[str, str]) -> dict[str, list[str]]:
    """Let Node evaluate these files of a tree."""
    entries = {slug: {"file": str(root / name), "script": FORMS[slug].is_script} for slug, name in names.items()}
    done = subprocess.run(
        ["node", "--no-warnings", RUN],
        input=json.dumps({"root": str(root), "entries": entries}),
        env=environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lists: dict[str, list[str]] = json.loads(done.stdout)
    return lists


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a folder for each form, built."""
    project = copied("plain", tmp_path_factory.mktemp("modules"))
    shutil.rmtree(project / "mysite/static")
    for slug, form in FORMS.items():
        write(project / "mysite/static/forms" / slug, form)
    (project / "mysite/static/package.json").write_text('{"type": "module"}')
    built = run("static-host", "build", cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings")
    assert built.returncode == 0, built.stderr
    return project


@pytest.fixture(scope="module")
def sources(project: Path) -> dict[str, list[str]]:
    names = {slug: f"forms/{slug}/{form.entry}" for slug, form in FORMS.items()}
    return printed(project / "mysite/static", names)


@pytest.fixture(scope="module")
def outputs(project: Path) -> dict[str, list[str]]:
    paths = manifest(project)
    return printed(project / "staticfiles", {s: paths[f"forms/{s}/{form.entry}"] for s, form in FORMS.items()})


@pytest.mark.parametrize("slug", FORMS)
def test_the_sources_print_what_the_table_says(sources: dict[str, list[str]], slug: str) -> None:
    assert " ".join(sources[slug]) == FORMS[slug].prints


@pytest.mark.parametrize("slug", FORMS)
def test_what_is_built_prints_the_same(outputs: dict[str, list[str]], slug: str) -> None:
    assert " ".join(outputs[slug]) == FORMS[slug].prints


@pytest.mark.parametrize("slug", FORMS)
def test_references_are_rewritten_and_nothing_else(project: Path, slug: str) -> None:
    form = FORMS[slug]
    built = project / "staticfiles" / manifest(project)[f"forms/{slug}/{form.entry}"]
    assert form.built.fullmatch(built.read_bytes().decode())
