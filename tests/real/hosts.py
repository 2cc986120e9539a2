"""Two ways to host a project, each as its user would: in a process, and in a container of the project's image.

Rule: both build the tree, run `check`, and give the same two things: management commands, and a server. When the
server is no longer needed it is stopped as an operator or an orchestrator stops it; it must end cleanly, and its log
must hold no error. The project stays as it is; in a container its database and its uploads have another place, on a
volume, because nothing else can be written there, unless its variables have a DATABASE_URL. A project has the packages
of one lock file: those of ``real`` are in the program's own environment, others in an environment of the project's own.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx

from tests.real.environments import LOCKS, install_environment
from tests.support import containers
from tests.support.containers import (
    HARDENED,
    build_image,
    exit_code_when_stopped,
    find_published_port,
    inspect_container,
    read_logs,
    run_command,
    run_container,
)
from tests.support.processes import run, run_server
from tests.support.waiting import wait_until

DATA = "/var/lib/static-host/data"
"""The one directory of the image that the container's user may write to, where a volume is mounted on it."""
ELSEWHERE = """from {settings} import *

DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{data}/db.sqlite3"}}}}
MEDIA_ROOT = "{data}/media"
"""
PYTHON = "3.13"
"""That of an environment of the project's own; the image has it, too."""
Served = tuple[str, httpx.Client]
"""The server's URL, and a client whose paths are relative to it."""


class Host(Protocol):
    """A project that is built and checked."""

    def manage(self, *arguments: str, **variables: str) -> None:
        """Run a management command, which must succeed."""

    def served(self) -> AbstractContextManager[Served]:
        """Serve the project."""


class Hosting(Protocol):
    """Hosts a project: takes its directory, its settings module, its packages' lock file, and its variables."""

    def __call__(
        self, project: Path, settings: str, lock: str = "real", **variables: str
    ) -> AbstractContextManager[Host]: ...


@dataclass(frozen=True)
class Process:
    """A project that is served by ``static-host serve``."""

    project: Path
    python: str
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, *command: str, **variables: str) -> None:
        done = run(*command, cwd=self.project, **self.variables, **variables)
        assert done.returncode == 0, done.stdout + done.stderr

    def manage(self, *arguments: str, **variables: str) -> None:
        self.run(self.python, "manage.py", *arguments, **variables)

    @contextmanager
    def served(self) -> Iterator[Served]:
        with run_server(cwd=self.project, **self.variables) as server:
            with client(server.url) as opened:
                yield server.url, opened
            assert server.stop() == 0, server.output
        assert errors(server.output) == []


@dataclass(frozen=True)
class Container:
    """A project whose image is made; `volume` is the name of the one that its data is on."""

    image: str
    volume: str

    @property
    def options(self) -> tuple[str, ...]:
        return (*HARDENED, "--volume", f"{self.volume}:{DATA}")

    def run(self, *command: str, **variables: str) -> None:
        environment = [part for item in variables.items() for part in ("--env", "=".join(item))]
        run_command("docker", "run", "--rm", *self.options, *environment, self.image, *command)

    def manage(self, *arguments: str, **variables: str) -> None:
        self.run("python", "manage.py", *arguments, **variables)

    @contextmanager
    def served(self) -> Iterator[Served]:
        with run_container(self.image, *self.options) as container:
            wait_until(lambda: "ready on" in read_logs(container), lambda: read_logs(container), seconds=120)
            url = f"http://127.0.0.1:{find_published_port(container)}"
            with client(url) as opened:
                yield url, opened
            exit_code_when_stopped(container)
            assert inspect_container(container)["State"]["ExitCode"] == 0, read_logs(
                container
            )  # one that had to be killed has 137
            assert errors(read_logs(container)) == []


@contextmanager
def in_a_process(cache: Path, project: Path, settings: str, lock: str = "real", **variables: str) -> Iterator[Host]:
    variables["DJANGO_SETTINGS_MODULE"] = settings
    if lock != "real":
        variables["DJANGO_PYTHON"] = install_environment(PYTHON, lock)
    host = Process(project, variables.get("DJANGO_PYTHON", "python"), variables)
    host.run("static-host", "build", DJANGO_STATIC_CACHE=str(cache))
    host.run("static-host", "check")
    yield host


@contextmanager
def in_a_container(base: str, project: Path, settings: str, lock: str = "real", **variables: str) -> Iterator[Host]:
    """Make the project's image on the image `base`, by the README's Dockerfile."""
    if "DATABASE_URL" not in variables:
        settings = _move_data(project, settings)
    shutil.copy(LOCKS[lock], project / "requirements.txt")
    volume = f"static-host-test-{secrets.token_hex(4)}"
    with build_image(project, base, settings, **variables) as image:
        host = Container(image, volume)
        try:
            host.run("static-host", "check")
            yield host
        finally:
            containers.run_for_exit_code("docker", "volume", "rm", "--force", volume)


def _move_data(project: Path, settings: str) -> str:
    """Write settings with the volume's paths; returns their module, which is beside the project's own."""
    package = settings.partition(".")[0] if "." in settings else ""
    (project / package / "elsewhere.py").write_text(ELSEWHERE.format(settings=settings, data=DATA))
    return f"{package}.elsewhere".lstrip(".")


def client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=20)


def errors(log: str) -> list[str]:
    """Return the lines of a log that tell of an error."""
    return [line for line in log.splitlines() if re.search(r"Traceback|rror", line)]
