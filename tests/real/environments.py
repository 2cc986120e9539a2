"""Environments of projects: a Python of some version, with the locked packages of `requirements`.

They are kept in `.venv-versions` for the next run, and made anew if the lock file or the Python is another one.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.interpreters import require_python
from tests.support.processes import run

ROOT = Path(__file__).parents[2]
DIRECTORY = ROOT / ".venv-versions"
LOCKS = {"older": ROOT / "requirements/older.txt", "newest": ROOT / "requirements/newest.txt"}
LOCKS |= {"real": ROOT / "requirements/real.txt", "shop": ROOT / "requirements/shop.txt"}
LOCKS |= {"zoo": ROOT / "requirements/zoo.txt", "cookiecutter": ROOT / "requirements/cookiecutter.txt"}
DJANGO = {("3.10", "older"): "4.2.", ("3.11", "older"): "4.2.", ("3.11", "newest"): "5.2."}
DJANGO |= {("3.13", "older"): "5.2.", ("3.13", "newest"): "6."}
"""The beginning of Django's version in each environment: by its Python, and by its lock file."""

STREAM_VIEW = """
def stream(request):
    def make_pieces():
        yield "first, "
        while not Path("go-on").exists():
            time.sleep(0.01)
        yield "second"
    return StreamingHttpResponse(make_pieces())
"""
"""A view whose second piece comes when the file `go-on` is there."""


@dataclass(frozen=True)
class Environment:
    """The Python of an environment: its path, its version, and the beginning of its Django's version.

    One environment has packages in versions that contradict the program's own requirements.
    """

    python: str
    version: str
    django: str
    has_contradicting: bool

    def run(self, *command: str, cwd: Path, **variables: str) -> str:
        """Run a command for a project of this environment, which must succeed; return its standard output."""
        done = run(*command, cwd=cwd, DJANGO_PYTHON=self.python, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def require_environment(version: str, lock: str) -> Environment:
    """Return an environment, which is made if need be; without a Python of this version, the test is skipped."""
    python = install_environment(version, lock)
    return Environment(python, version, DJANGO[version, lock], (version, lock) == ("3.11", "older"))


def install_environment(version: str, lock: str) -> str:
    """Make an environment if need be; return its Python. Without one of this version, the test is skipped."""
    base = require_python(version)
    directory = DIRECTORY / f"{version}-{lock}"
    contents = hashlib.sha256(base.encode() + LOCKS[lock].read_bytes()).hexdigest()
    stamp = directory / ".installed"
    DIRECTORY.mkdir(exist_ok=True)
    with (DIRECTORY / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != contents:
            _install(base, directory, LOCKS[lock])
            stamp.write_text(contents)
    return str(directory / "bin/python")


def _install(base: str, directory: Path, lock: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    subprocess.run([base, "-m", "venv", "--without-pip", directory], check=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(directory / "bin/python"),
        "--quiet",
        "--disable-pip-version-check",
    ]
    wheels = ["--only-binary", ":all:", "--no-binary", "django-haystack"]  # that one has no wheel
    subprocess.run([*pip, "install", "--require-hashes", *wheels, "-r", lock], check=True)
