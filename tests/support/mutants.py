"""`make mutants`: the code is changed in one place at a time, and a test must fail each time.

Strategy: mutmut changes the functions of a copy, in which both packages lie at the top: it finds modules nowhere else.
Every mutant runs in a process that is forked off when the tests are imported, and has the tests that call the changed
function, the quickest first, and a limit on its time. So only tests take part that start no process of their own; the
tree of the project "plain" is built once, by the code as it is.

Rule: nine in ten mutants of all modules are killed, and `tests/mutants.md` has each of the others with the reason why
no test can, or need, tell it from the code. An entry whose mutant is killed, or is no more, is an error as well.

A changed function can remove and overwrite anything: it once emptied the machine's directory for temporary files. So
`mutants_conftest` lets a test change nothing outside of a directory of its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import SCRIPTS
from tests.support.projects import LARGE_BODY, build_plain_with

ROOT = Path(__file__).parents[2]
COPY = ROOT / ".mutants"
REASONS = ROOT / "tests/mutants.md"
MIN_KILLED_PERCENT = 90

MODULES = {
    "static_host.origin": (
        *("body_cache", "conditional", "encoding_recipes", "headers", "index", "index_validation", "negotiation"),
        *("percent_decoding", "representation"),
        *("request_head", "responder", "response", "response_cache", "tree"),
    ),
    "static_host.object_store": (
        *("body_fetch", "candidate_names", "release_catalog", "circuit_breaker", "client", "disk_cache", "fallback"),
        *("fetched_tree", "minimum_transfer_rate", "providers"),
    ),
    "static_host_build": (
        "encode.encoding_cache",
        *("output.build_stamp", "output.current_tree", "output.index_file", "output.integrity"),
        *("output.release_swap", "output.staging_directory"),
    ),
    "static_host_django": ("tree_writer",),
}
"""What is changed: the modules whose rules hold without a server or a whole build."""
ALL_MODULES = [f"{package}.{name}" for package, names in MODULES.items() for name in names]
TESTS = {
    "static_host.origin": ("tests/origin",),
    "static_host.object_store": tuple(
        f"tests/object_store/test_{name}.py"
        for name in (
            "body_fetch",
            "release_catalog",
            "circuit_breaker",
            "client",
            "disk_cache",
            "fetched_tree",
            "lookups",
        )
    ),
    "static_host_build": (
        *("tests/encode/test_cached_builds.py", "tests/encode/test_encoding_cache.py"),
        *(
            f"tests/output/test_{name}.py"
            for name in ("build_stamp", "delta_integrity", "index_file", "integrity", "release_swap", "staging")
        ),
    ),
    "static_host_django": ("tests/static_host_django/test_tree_writer.py",),
}
"""What must notice it: a module is judged by the tests of its own package alone, and always by the same ones."""
SLOW = (
    *("middleware", "real_server", "plain_reading_of_the_grammar", "being_written_is_not_found"),
    *("random", "redbot"),
)
"""Parts of the names of tests that take long and say nothing more of these modules than the others do."""
TEST_SECONDS = 60
"""Seconds that one test may take: a change can make a loop endless."""
UNUSED_PLUGINS = ("anyio", "cacheprovider", "hypothesispytest", "threadexception", "unraisableexception", "xdist")
"""Plugins of pytest without which it takes half the time to begin."""
_OUTCOMES = {0: "survived", 33: "survived", 1: "killed", 3: "killed", -9: "ended", -11: "ended", -24: "ended"}
"""By the exit codes that mutmut notes of a mutant's tests. 33: no test calls the function. Negative: a signal, mostly
for the time. Another code, or none, says nothing of the mutant: pytest found no tests, or the run was interrupted."""
_STOPPED = ("killed", "ended")


@dataclass(frozen=True)
class Mutant:
    """A changed function: its module, its name in mutmut, and what became of it; of one that survived, the change."""

    module: str
    name: str
    outcome: str
    change: str = ""


def main(arguments: list[str]) -> int:
    """Run the mutants of all modules, or of those that are named; return the exit code."""
    unknown = set(arguments) - set(ALL_MODULES)
    if unknown:
        print("\n  ".join([f"{', '.join(sorted(unknown))}: no such module; there are", *ALL_MODULES]))
        return 2
    chosen = arguments or ALL_MODULES
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir()
    files = {"large.bin": LARGE_BODY}
    build_plain_with(files, COPY, COPY / "cache", DJANGO_STATIC_ROOT_FILES="robots.txt,.well-known/")
    mutants: list[Mutant] = []
    for package in MODULES:
        modules = [module for module in chosen if module.removeprefix(f"{package}.") in MODULES[package]]
        if modules:
            prepare_copy(COPY / package, modules, TESTS[package])
            command = [str(SCRIPTS / "mutmut"), "run", "--max-children", f"{os.cpu_count()}"]
            code = subprocess.run(command, cwd=COPY / package, check=False).returncode
            if code:
                return code
            mutants += read_mutants(COPY / package)
    return report(mutants, chosen, read_reasons(REASONS.read_text()))


def prepare_copy(copy: Path, modules: list[str], tests: tuple[str, ...]) -> None:
    """Make a directory in which mutmut runs."""
    ignored = shutil.ignore_patterns("__pycache__", "node_modules", "real", "projects")
    for source in ("app/static_host", "app/static_host_django", "static_build/static_host_build", "tests"):
        shutil.copytree(ROOT / source, copy / Path(source).name, ignore=ignored)
    shutil.copy(ROOT / "tests/support/mutants_conftest.py", copy / "tests/conftest.py")
    shutil.copytree(COPY / "plain", copy / "plain", symlinks=True)
    settings = {
        "source_paths": ["static_host", "static_host_build", "static_host_django"],
        "only_mutate": [f"{module.replace('.', '/')}.py" for module in modules],
        "also_copy": ["plain"],
        "pytest_add_cli_args": [f"-pno:{name}" for name in UNUSED_PLUGINS],
        "pytest_add_cli_args_test_selection": [*tests, "-k", " and ".join(f"not {part}" for part in SLOW)],
        "process_isolation": "forkserver",
        "use_git_change_detection": False,
        "track_dependencies": False,
        "timeout_multiplier": 60,
        "timeout_constant": 30,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    pytest = ('addopts = "--import-mode=importlib"', f"timeout = {TEST_SECONDS}")
    (copy / "pyproject.toml").write_text("\n".join(["[tool.mutmut]", *lines, "[tool.pytest.ini_options]", *pytest, ""]))


def read_mutants(copy: Path) -> list[Mutant]:
    """Return all mutants that were made in the directory."""
    from mutmut.configuration import reset_config

    os.chdir(copy)  # where mutmut looks for what it has made
    reset_config()
    found = []
    for path in sorted((copy / "mutants").rglob("*.meta")):
        module = ".".join(path.relative_to(copy / "mutants").with_suffix("").with_suffix("").parts)
        for name, code in json.loads(path.read_text())["exit_code_by_key"].items():
            outcome = _OUTCOMES.get(-1 if code is None else code, f"not judged: exit code {code}")
            found.append(Mutant(module, name, outcome, read_change(name) if outcome == "survived" else ""))
    return found


def report(mutants: list[Mutant], modules: list[str], reasons: dict[str, set[str]]) -> int:
    """Print how many mutants of the modules were killed, and what the list of the others should say.

    Returns 0 if the list has each of the others and nothing else, and enough were killed where these are all modules;
    otherwise 1.
    """
    counts = {module: Counter[str]() for module in modules}
    problems: list[str] = []
    unused = {(module, change) for module in modules for change in reasons.get(module, ())}
    for each in mutants:
        counts[each.module][each.outcome] += 1
        if each.outcome == "survived" and each.change in reasons.get(each.module, ()):
            counts[each.module]["equal"] += 1
            unused.discard((each.module, each.change))
        elif each.outcome == "survived":
            problems.append(f"no test fails, and tests/mutants.md has no reason: {each.module}\n{each.change}")
        elif each.outcome not in _STOPPED:
            problems.append(f"{each.name}: {each.outcome}")
    problems += [f"there is nothing to change: {module}" for module, count in counts.items() if not count]
    problems += [
        f"tests/mutants.md has a reason for what is killed, or is no more: {module}\n{change}"
        for module, change in sorted(unused)
    ]
    foreign = sorted(set(reasons) - set(ALL_MODULES))
    problems += [f"tests/mutants.md has a module that is not changed: {module}" for module in foreign]
    percent = _print_counts(counts)
    print("".join(f"\n{problem}\n" for problem in problems), end="")
    has_too_many = percent < MIN_KILLED_PERCENT and set(modules) == set(ALL_MODULES)
    return int(has_too_many or bool(problems))


def _print_counts(counts: dict[str, Counter[str]]) -> float:
    """Print a line for each module and one for all of them; return how many of 100 mutants are killed."""
    total = sum(counts.values(), Counter[str]())
    for name, count in [*sorted(counts.items()), ("all", total)]:
        survived = f"{count['survived']:4} survived, {count['equal']:3} of them with a reason"
        print(f"{name:42}{count['killed']:5} killed, {count['ended']:3} out of time, {survived}")
    stopped = sum(total[outcome] for outcome in _STOPPED)
    percent = 100 * stopped / max(1, stopped + total["survived"])
    print(
        f"{percent:.1f} % of {stopped + total['survived']} mutants are killed; of all, {MIN_KILLED_PERCENT} % must be"
    )
    return percent


def read_change(mutant: str) -> str:
    """Return the function that a mutant changes, and the lines that it takes out and puts in, as a diff has them."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    function = mutant.rpartition("__mutmut_")[0].rpartition(".")[2].removeprefix("x")
    name = function.removeprefix("_") if function[0] == "_" else function[1:].replace(function[0], ".")
    lines = get_diff_for_mutant(mutant).splitlines()[3:]
    changed = [f"{line[0]} {line[1:].strip()}" for line in lines if line[:1] in ("-", "+") and line[1:].strip()]
    return "\n".join([f"@@ {name} @@", *changed])


def read_reasons(text: str) -> dict[str, set[str]]:
    """Return the changes that the list explains, by module."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    module = ""
    for part in re.split(r"^(?=## |```)", text, flags=re.MULTILINE):
        if part.startswith("## "):
            module = part.split()[1].strip("`")
        elif part.startswith("```diff\n"):
            found[module] |= set(part.removeprefix("```diff\n").strip().split("\n\n"))
    return dict(found)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.exit(code)
