"""`make audit` distinguishes a clean result, a finding and no answer; a fake module stands in for pip-audit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import make_environment

SCRIPT = Path(__file__).parents[1] / "support/audit.py"
CLEAN = {"name": "anyio", "version": "4.16.0", "vulns": []}
UNKNOWN = {"name": "brotli", "skip_reason": "Dependency not found and could not be audited: brotli (1.2.1)"}
VULNERABLE = {
    "name": "django",
    "version": "5.2.0",
    "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["5.2.1"], "aliases": [], "description": ""}],
}


def run_audit(directory: Path, pip_audit: str) -> tuple[int, str]:
    """Run the script with a module pip_audit of this text; return the exit code and the output."""
    (directory / "pip_audit.py").write_text(pip_audit)
    done = subprocess.run(
        [sys.executable, SCRIPT],
        env=make_environment({"PYTHONPATH": str(directory), "AUDIT_SECONDS": "20"}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def make_module(*packages: object, code: int = 0) -> str:
    """Return the text of a module that writes this document to the file of -o, and ends with this exit code."""
    document = json.dumps({"dependencies": packages, "fixes": []})
    return f"import sys\nopen(sys.argv[sys.argv.index('-o') + 1], 'w').write({document!r})\nsys.exit({code})\n"


def test_packages_without_a_finding_are_counted(tmp_path: Path) -> None:
    code, output = run_audit(tmp_path, make_module(CLEAN, UNKNOWN))
    assert code == 0
    assert output.splitlines() == [
        "not audited: Dependency not found and could not be audited: brotli (1.2.1)",
        "1 packages audited by pypi: 0 known vulnerabilities",
    ]


def test_a_vulnerability_is_named_with_its_remedy_and_fails(tmp_path: Path) -> None:
    code, output = run_audit(tmp_path, make_module(CLEAN, VULNERABLE, code=1))
    assert code == 1
    assert "django 5.2.0: PYSEC-2026-1, repaired in 5.2.1" in output


def test_a_service_that_knows_no_package_is_no_clean_answer(tmp_path: Path) -> None:
    code, output = run_audit(tmp_path, make_module(UNKNOWN))
    assert code == 0
    assert output.startswith("skipped: no vulnerability service answers\n")
    assert "pypi: it knows none of 1 packages" in output


@pytest.mark.parametrize("module", ["raise SystemExit('no route to host')", "import sys; sys.exit(1)"])
def test_a_service_that_cannot_be_reached_is_said_to_be_skipped(tmp_path: Path, module: str) -> None:
    code, output = run_audit(tmp_path, module)
    assert code == 0
    assert output.startswith("skipped: no vulnerability service answers\n")
    assert ("no route to host" in output) == ("route" in module)
