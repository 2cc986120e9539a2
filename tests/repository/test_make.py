"""``make run`` on a clean checkout: does all the set-up, prints one line when ready, ends cleanly by Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.support.processes import find_free_port, make_environment, minding_signals

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.skipif("CI" not in os.environ, reason="it installs every dependency once more: CI only"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git tracks."""
    directory = tmp_path_factory.mktemp("checkout")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, tracked.split("\0")):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, directory / name)
    return directory


def on_a_terminal(directory: Path, port: int) -> tuple[int, str]:
    """Run ``make run`` on a new terminal, request a page when it is ready, press Ctrl-C."""
    process, terminal = pty.fork()
    if process == 0:
        minding_signals()
        os.chdir(directory)
        os.execvpe("make", ["make", "run", f"PYTHON={sys.executable}"], make_environment({"PORT": str(port)}))
    output = ""
    pressed = False
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        ready, _, _ = select.select([terminal], [], [], 1)
        try:
            chunk = os.read(terminal, 4096).decode() if ready else ""
        except OSError:  # the terminal's last process has ended
            break
        output += chunk
        if "ready on" in output and not pressed:
            answer = httpx.get(f"http://127.0.0.1:{port}/")
            assert (answer.status_code, "Delivery inspector" in answer.text) == (200, True)
            assert httpx.get(f"http://127.0.0.1:{port}/admin/login/").status_code == 200
            os.write(terminal, b"\x03")
            pressed = True
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), output


@pytest.mark.slow
def test_make_run_sets_everything_up_and_ends_cleanly_twice(checkout: Path) -> None:
    port = find_free_port()
    code, output = on_a_terminal(checkout, port)
    assert code == 0, output
    assert output.count(f"ready on http://127.0.0.1:{port}") == 1
    assert (checkout / "var/site.sqlite3").exists()
    code, output = on_a_terminal(checkout, port)
    assert code == 0, output
    assert "Installing" not in output


def test_make_help_lists_the_targets(checkout: Path) -> None:
    result = subprocess.run(
        ["make", "help"], cwd=checkout, env=make_environment({}), capture_output=True, text=True, check=True
    )
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == [
        *("run", "test", "unit", "slow", "azurite", "check", "docs", "projects", "projects-all", "fuzz", "mutants"),
        *("bench", "bench-small", "bench-static", "bench-large", "bench-busy", "bench-start", "bench-memory"),
        *("bench-workers", "bench-proxy", "bench-pages", "bench-files", "bench-django", "bench-build", "bench-scale"),
        *("bench-dictionaries", "bench-references"),
        *("image", "sbom", "audit", "lock", "clean", "help"),
    ]


@pytest.mark.slow
def test_make_sbom_names_every_locked_package_in_the_same_bytes_each_time(checkout: Path) -> None:
    def made() -> bytes:
        command = ["make", "sbom", f"PYTHON={sys.executable}"]
        subprocess.run(command, cwd=checkout, env=make_environment({}), capture_output=True, check=True)
        return (checkout / "sbom.json").read_bytes()

    first = made()
    (checkout / "sbom.json").unlink()
    assert made() == first
    bill = json.loads(first)
    locked = re.findall(r"^([a-z0-9-]+)==(\S+)", (checkout / "requirements/run.txt").read_text(), re.MULTILINE)
    assert len(locked) > 20
    assert {part["purl"] for part in bill["components"]} == {f"pkg:pypi/{name}@{version}" for name, version in locked}
    assert bill["metadata"]["component"]["name"] == "django-static-host"
    assert "timestamp" not in bill["metadata"]
