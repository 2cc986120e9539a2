"""Forms of JavaScript, evaluated by Node as sources and as built: the same output, and each module as often.

Forms of CSS are built beside them, and all are compared by readers of others.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from static_host_build.references import UnreadableError
from static_host_build.references.javascript_references import find_references
from tests.forms import Form
from tests.forms.imports import FOLLOWED
from tests.forms.names import NAMES
from tests.forms.slashes import SLASHES
from tests.forms.stylesheets import STYLESHEETS
from tests.forms.untouched import UNTOUCHED
from tests.real.trees import compare, resolve
from tests.real.vite_builds import NODE
from tests.support.builds import read_manifest_paths
from tests.support.processes import make_environment, run
from tests.support.projects import copy_project
from tests.support.required import needs

RUN = Path(__file__).parent / "modules/run.mjs"


def _slug(form: Form) -> str:
    return re.sub(r"\W+", "-", form.name.lower()).strip("-")


FORMS = {_slug(form): form for form in [*FOLLOWED, *UNTOUCHED, *SLASHES]}
FORMS |= {f"name-{number}": form for number, form in enumerate(NAMES, 1)}
STYLES = {f"styles/{_slug(form)}-{number}/main.css": form for number, form in enumerate(STYLESHEETS)}
COMMON = {
    "a.js": """print("[a]");
export const a = "a", list = [1, 2], f = "f", s = "s", i = "i", n = "n", p = "p", q = "q", k = 1;
export class K { k = "k" }
export { f as from, s as as, i as import, n as "a name", p as "./b.js", q as '}from"./b.js"' };
export default "A";
""",
    "b.js": 'print("[b]"); export const b = "b"; export default "B";\n',
}

pytestmark = [
    pytest.mark.timeout(600),
    needs(NODE >= (20, 12), "it needs Node 20.12, for import() in scripts"),
]


def write(folder: Path, form: Form) -> None:
    for name, text in {**COMMON, **form.files, form.entry: form.source}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")


def write_style(root: Path, name: str, form: Form) -> None:
    """Write a stylesheet, and a file for whatever it refers to."""
    for _, _, target in form.references:
        path = root / (resolve(name, target, "url") or "")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(form.source, encoding="utf-8", newline="")


def printed(root: Path, names: dict[str, str]) -> dict[str, list[str]]:
    """Let Node evaluate these files of a tree."""
    entries = {slug: {"file": str(root / name), "script": FORMS[slug].is_script} for slug, name in names.items()}
    done = subprocess.run(
        ["node", "--no-warnings", RUN],
        input=json.dumps({"root": str(root), "entries": entries}),
        env=make_environment({}),
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
    project = copy_project("plain", tmp_path_factory.mktemp("modules"))
    for slug, form in FORMS.items():
        write(project / "mysite/static/forms" / slug, form)
    for name, form in STYLES.items():
        write_style(project / "mysite/static", name, form)
    (project / "mysite/static/package.json").write_text('{"type": "module"}')
    built = run("static-host", "build", cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings")
    assert (built.returncode, built.stderr) == (0, "")
    return project


def wrong(lists: dict[str, list[str]]) -> dict[str, str]:
    """Return what does not print what its table says."""
    return {slug: " ".join(each) for slug, each in lists.items() if " ".join(each) != FORMS[slug].prints}


def test_the_sources_print_what_the_tables_say(project: Path) -> None:
    names = {slug: f"forms/{slug}/{form.entry}" for slug, form in FORMS.items()}
    assert wrong(printed(project / "mysite/static", names)) == {}


def test_what_is_built_prints_the_same(project: Path) -> None:
    paths = read_manifest_paths(project)
    names = {slug: paths[f"forms/{slug}/{form.entry}"] for slug, form in FORMS.items()}
    assert wrong(printed(project / "staticfiles", names)) == {}


def test_references_are_rewritten_and_nothing_else(project: Path) -> None:
    paths = read_manifest_paths(project)
    forms = {**STYLES, **{f"forms/{slug}/{form.entry}": form for slug, form in FORMS.items()}}
    built = {name: (project / "staticfiles" / paths[name]).read_bytes().decode() for name in forms}
    assert {name: text for name, text in built.items() if not forms[name].built.fullmatch(text)} == {}


def test_other_readers_find_the_same(project: Path) -> None:
    sources, paths = project / "mysite/static", read_manifest_paths(project)
    findings = compare({name: sources / name for name in paths}, project / "staticfiles", paths)
    assert findings.problems == [
        # acorn takes the division behind `?.typeof` for a regular expression, css-tree does not read `\\75rl(`
        "forms/a-division-behind-a-member-called-typeof/main.js: no reader can parse it, and it has changed",
        "styles/escapes-in-the-function-s-name-25/main.css: more has changed than its references",
    ]


def test_random_programs_are_read_as_acorn_reads_them() -> None:
    """A program that is refused keeps its references, and is warned of; one that is misread would be broken."""
    command = ["node", str(RUN.with_name("programs.mjs")), "901", "500"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    misread, refused = [], []
    for program in map(json.loads, done.stdout.rstrip("\n").split("\n")):
        wanted = [(start, end, target) for start, end, target, _ in program["references"]]
        try:
            found = [(each.start, each.end, each.target) for each in find_references(program["source"])]
        except UnreadableError:
            refused.append(program["source"])
        else:
            misread += [program["source"]] if found != wanted else []
    assert misread == []
    assert len(refused) <= 3
