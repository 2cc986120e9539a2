"""The core of the suite, on the oldest uvicorn that `pyproject.toml` allows; all other tests run on the newest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = [
    *("tests/http/test_limits.py", "tests/http/test_page_path.py", "tests/http/test_pipelines.py"),
    *("tests/http/test_request_line.py", "tests/http/test_unread_body.py", "tests/http/test_websocket.py"),
    *("tests/server/test_serve.py", "tests/server/test_ending.py"),
]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_core_passes_on_the_oldest_uvicorn(tmp_path: Path) -> None:
    lock = ROOT / "requirements/oldest.txt"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    subprocess.run([*pip, "--no-deps", "--target", str(tmp_path), "-r", str(lock)], check=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    own = {**clean, "PYTHONPATH": str(tmp_path)}
    version = subprocess.run(
        [sys.executable, "-c", "import uvicorn; print(uvicorn.__version__)"],
        env=own,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"uvicorn=={version.stdout.strip()} " in lock.read_text()
    marks = "not (browser or docker or slow)"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "-m", marks, *CORE]
    result = subprocess.run(command, env=own, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-5000:]
