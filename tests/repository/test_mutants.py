"""`make mutants` itself: what it calls killed, and what it fails for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import mutants
from tests.support.mutants import ALL_MODULES, TESTS, Mutant, read_reasons, report

ROOT = Path(__file__).parents[2]
TREE, INDEX = "static_host.origin.tree", "static_host.origin.index"
CHANGE = "- return 1\n+ return 2"
REASONS = f"# Mutants\n\n## `{TREE}`\n\nNobody looks.\n\n```diff\n- a\n+ b\n\n{CHANGE}\n```\n\n## `{INDEX}`\n"
KILLED = [Mutant(TREE, f"x_{number}", "killed") for number in range(18)]
SURVIVED = Mutant(TREE, "y", "survived", CHANGE)


def test_the_list_has_changes_by_module() -> None:
    assert read_reasons(REASONS) == {TREE: {"- a\n+ b", CHANGE}}
    assert read_reasons("") == {}


@pytest.mark.parametrize(
    ("found", "reasons", "problem"),
    [
        (KILLED, {}, ""),
        ([*KILLED, SURVIVED], {TREE: {CHANGE}}, ""),
        ([*KILLED, SURVIVED, SURVIVED], {TREE: {CHANGE}}, ""),
        ([*KILLED[1:], Mutant(TREE, "z", "ended")], {}, ""),
        ([*KILLED, SURVIVED], {}, f"no test fails, and tests/mutants.md has no reason: {TREE}\n{CHANGE}"),
        (
            [*KILLED, SURVIVED],
            {INDEX: {CHANGE}},
            f"no test fails, and tests/mutants.md has no reason: {TREE}\n{CHANGE}",
        ),
        (KILLED, {TREE: {CHANGE}}, f"a reason for what is killed, or is no more: {TREE}\n{CHANGE}"),
        ([*KILLED, Mutant(TREE, "y", "not judged: exit code 5")], {}, "y: not judged: exit code 5"),
        ([], {}, f"there is nothing to change: {TREE}"),
        (KILLED, {"static_host.gone": {CHANGE}}, "tests/mutants.md has a module that is not changed: static_host.gone"),
    ],
)
def test_it_fails_where_the_list_and_the_mutants_differ(
    found: list[Mutant], reasons: dict[str, set[str]], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = report(found, [TREE], reasons)
    printed = capsys.readouterr().out
    assert code == bool(problem)
    assert problem in printed
    assert problem or len(printed.splitlines()) == 3


@pytest.mark.parametrize(("killed", "modules", "code"), [(18, [TREE], 0), (17, [TREE], 1), (17, [TREE, INDEX], 0)])
def test_it_fails_where_fewer_than_nine_in_ten_of_all_are_killed(
    killed: int, modules: list[str], code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutants, "ALL_MODULES", modules)
    survivors = [SURVIVED] * (20 - killed)
    assert report([*KILLED[:killed], *survivors], [TREE], {TREE: {CHANGE}}) == code
    assert f"{killed * 5}.0 % of 20 mutants are killed; of all, 90 % must be" in capsys.readouterr().out


def test_a_reason_for_a_module_that_did_not_run_is_neither_used_nor_missed(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(KILLED, [TREE], {INDEX: {CHANGE}}) == 0
    assert INDEX not in capsys.readouterr().out


def test_it_names_the_modules_where_one_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert mutants.main([TREE, "static_host.gone"]) == 2
    assert capsys.readouterr().out.startswith("static_host.gone: no such module; there are\n  static_host.origin.")


def test_each_module_and_each_test_that_it_names_is_there() -> None:
    paths = [f"{module.replace('.', '/')}.py" for module in ALL_MODULES]
    assert [
        path for path in paths if not (ROOT / "app" / path).exists() and not (ROOT / "static_build" / path).exists()
    ] == []
    assert [path for paths in TESTS.values() for path in paths if not (ROOT / path).exists()] == []
    assert set(read_reasons(mutants.REASONS.read_text())) <= set(ALL_MODULES)
