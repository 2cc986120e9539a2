"""`make mutants`: the code is changed in one place at a time, and a test must fail each time.

Strategy: mutmut changes the functions of a copy, in which both packages lie at the top: it finds modules nowhere else.
Every mutant runs in a process that is forked off when the tests are imported, and has the tests that call the changed
function, the quickest first, and a limit on its time. So only tests take part that start no process of their own; the
tree of the project "plain" is built once, by the code as it is.

Rule: nine in ten mutants are killed, and `tests/mutants.md` has each of the others with the reason why no test can, or
need, tell it from the code. An entry whose mutant is killed, or is no more, is an error as well.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.support.processes import SCRIPTS
from tests.support.projects import LARGE_BODY, build_plain_with

ROOT = Path(__file__).parents[2]
COPY = ROOT / ".mutants"
REASONS = ROOT / "tests/mutants.md"
MIN_KILLED_PERCENT = 90

MODULES = {
    "static_host.origin": (
        *("body_cache", "conditional", "escapes", "headers", "index", "index_validation", "negotiation", "recipes"),
        *("request_head", "responder", "response_cache", "slabs", "tree"),
    ),
    "static_host.object_store": ("candidate_names", "circuit_breaker", "disk_cache"),
    "static_host_build": ("encode.cache", "output.build_stamp", "output.releases"),
}
"""What is changed: the modules whose rules hold without a server, a store or a build."""
TESTS = (
    *(
        "tests/origin",
        "tests/test_escapes.py",
        "tests/object_store/test_disk_cache.py",
        "tests/object_store/test_circuit_breaker.py",
    ),
    *("tests/output/test_swap.py", "tests/output/test_build_stamp.py"),
    *("tests/encode/test_cache.py", "tests/encode/test_encoding_cache.py"),
)
SLOW = (
    *("middleware", "real_server", "plain_reading_of_the_grammar", "being_written_is_not_found"),
    *("random", "redbot"),
)
"""Parts of the names of tests that take long and say nothing more of these modules than the others do."""
UNUSED_PLUGINS = ("anyio", "cacheprovider", "hypothesispytest", "threadexception", "unraisableexception", "xdist")
"""Plugins of pytest without which it takes half the time to begin."""
_KILLED, _SURVIVED, _UNTESTED = (1, 3), 0, 33
"""Exit codes that mutmut notes of a mutant's tests; another one is of a process that was ended, mostly for its time."""


def main(arguments: list[str]) -> int:
    """Run the mutants of all modules, or of those that are named; return the exit code."""
    modules = [f"{package}.{name}" for package, names in MODULES.items() for name in names]
    unknown = set(arguments) - set(modules)
    if unknown:
        print(f"{', '.join(sorted(unknown))}: no such module; there are\n  {chr(10).join(modules)}")
        return 2
    chosen = arguments or modules
    prepare_copy(chosen)
    result = subprocess.run([SCRIPTS / "mutmut", "run", "--max-children", str(os.cpu_count())], cwd=COPY, check=False)
    if result.returncode:
        return result.returncode
    return report(chosen)


def prepare_copy(modules: list[str]) -> None:
    """Make the directory in which mutmut runs, and the tree that the tests read."""
    shutil.rmtree(COPY, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__", "node_modules", "real", "projects")
    for source in ("app/static_host", "static_build/static_host_build", "tests"):
        shutil.copytree(ROOT / source, COPY / Path(source).name, ignore=ignored)
    shutil.copy(ROOT / "tests/support/mutants_conftest.py", COPY / "tests/conftest.py")
    settings = {
        "source_paths": ["static_host", "static_host_build"],
        "only_mutate": [f"{module.replace('.', '/')}.py" for module in modules],
        "also_copy": ["plain"],
        "pytest_add_cli_args": [f"-pno:{name}" for name in UNUSED_PLUGINS],
        "pytest_add_cli_args_test_selection": [*TESTS, "-k", " and ".join(f"not {part}" for part in SLOW)],
        "use_git_change_detection": False,
        "track_dependencies": False,
        "timeout_multiplier": 60,
        "timeout_constant": 30,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    pytest = ('addopts = "--import-mode=importlib"', "timeout = 120")
    (COPY / "pyproject.toml").write_text("\n".join(["[tool.mutmut]", *lines, "[tool.pytest.ini_options]", *pytest, ""]))
    build_plain_with(
        {"large.bin": LARGE_BODY}, COPY, COPY / "cache", DJANGO_STATIC_ROOT_FILES="robots.txt,.well-known/"
    )


def report(modules: list[str]) -> int:
    """Print how many mutants were killed in each module, and what the list of the others should say."""
    os.chdir(COPY)  # where mutmut looks for what it has made
    reasons = read_reasons(modules)
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    unexplained: list[str] = []
    for module, mutant, code in iter_mutants():
        outcome = "killed" if code in _KILLED else "survived" if code in (_SURVIVED, _UNTESTED) else "ended"
        counts[module][outcome] += 1
        if outcome == "survived":
            change = read_change(mutant)
            if (module, change) in reasons:
                reasons.discard((module, change))
                counts[module]["equal"] += 1
            else:
                unexplained.append(f"{module}\n{change}")
    total = sum(counts.values(), Counter[str]())
    for name, count in [*sorted(counts.items()), ("all", total)]:
        survived = f"{count['survived']:4} survived, {count['equal']:3} of them with a reason"
        print(f"{name:42}{count['killed']:5} killed, {count['ended']:3} out of time, {survived}")
    stopped = total["killed"] + total["ended"]
    percent = 100 * stopped / max(1, stopped + total["survived"])
    print(f"{percent:.1f} % of {stopped + total['survived']} mutants are killed; {MIN_KILLED_PERCENT} % must be")
    for text in unexplained:
        print(f"\nno test fails, and tests/mutants.md has no reason: {text}")
    for module, change in sorted(reasons):
        print(f"\ntests/mutants.md has a reason for what is killed, or is no more: {module}\n{change}")
    return int(percent < MIN_KILLED_PERCENT or bool(unexplained or reasons))


def iter_mutants() -> Iterator[tuple[str, str, int | None]]:
    """Yield module, name and exit code of each mutant that was made."""
    for path in sorted((COPY / "mutants").rglob("*.meta")):
        module = ".".join(path.relative_to(COPY / "mutants").with_suffix("").with_suffix("").parts)
        for mutant, code in json.loads(path.read_text())["exit_code_by_key"].items():
            yield module, mutant, code


def read_change(mutant: str) -> str:
    """Return the lines that a mutant takes out and puts in, as a diff has them."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    lines = get_diff_for_mutant(mutant).splitlines()[3:]
    return "\n".join(f"{line[0]} {line[1:].strip()}" for line in lines if line[:1] in ("-", "+") and line[1:].strip())


def read_reasons(modules: list[str]) -> set[tuple[str, str]]:
    """Return module and change of each mutant that the list explains."""
    found = set()
    module = ""
    for part in re.split(r"^(?=## |```)", REASONS.read_text(), flags=re.MULTILINE):
        if part.startswith("## "):
            module = part.split()[1].strip("`")
        elif part.startswith("```diff\n") and module in modules:
            for change in part.removeprefix("```diff\n").strip().split("\n\n"):
                found.add((module, change))
    return found


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.exit(code)
