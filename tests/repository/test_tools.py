"""Lock files and tools agree with each other: hashes without addresses, one list of linters, one command for CI."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").iterdir())
MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_file_pins_versions_by_hashes_and_names_no_address(lock: Path) -> None:
    text = lock.read_text()
    packages = re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]
    assert packages
    for package in packages:
        first, *hashes = [line.removesuffix(" \\") for line in package.splitlines()]
        assert re.fullmatch(r"[a-z0-9-]+==[\w.!+]+( ; .+)?", first)
        assert hashes
        assert all(re.fullmatch(r" {4}--hash=sha256:[0-9a-f]{64}", line) for line in hashes)
    assert "://" not in text


def test_make_lock_makes_every_lock_file_and_every_one_is_installed_by_something() -> None:
    made = re.findall(r"\$\(call resolve,([a-z]+),", MAKEFILE)
    assert sorted(f"{name}.txt" for name in made) == [lock.name for lock in LOCKS]
    users = ("real/hosts.py", "real/environments.py", "http/test_oldest_uvicorn.py")
    hosts = "".join((ROOT / "tests" / name).read_text() for name in users)
    assert [lock.name for lock in LOCKS if f"requirements/{lock.name}" not in MAKEFILE + hosts] == []
    rows = re.findall(r"^\| (`[a-z]+\.txt`.*?) \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert sorted(re.findall(r"[a-z]+\.txt", " ".join(rows))) == [lock.name for lock in LOCKS]


def test_the_image_gets_the_locked_packages_of_run_txt_and_no_other_lock() -> None:
    assert re.findall(r"^!requirements.*$", (ROOT / ".dockerignore").read_text(), re.MULTILINE) == [
        "!requirements/run.txt"
    ]
    assert re.findall(r"requirements/\w+\.txt", (ROOT / "Dockerfile").read_text()) == ["requirements/run.txt"] * 2


def test_pre_commit_runs_the_commands_of_make_check() -> None:
    check = re.search(r"^check: .*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert check
    commands = [line.strip().replace("$(BIN)", ".venv/bin") for line in check[1].splitlines()]
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [hook["entry"] for hook in repository["hooks"]] == commands


def test_forms_and_workflows_are_yaml_and_the_workflow_calls_what_ci_calls() -> None:
    forms = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
    assert [form.name for form in forms] == ["bug.yml", "config.yml", "feature.yml"]
    for form in forms:
        content = yaml.safe_load(form.read_text())
        assert form.name == "config.yml" or {"name", "description", "body"} <= set(content)
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert ".ci/run" in [step.get("run") for step in workflow["jobs"]["test"]["steps"]]
    assert subprocess.run(["bash", "-n", ROOT / ".ci/run"], check=False).returncode == 0
