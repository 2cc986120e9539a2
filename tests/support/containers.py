"""Real containers: images made by a real engine, and what is run from them."""

from __future__ import annotations

import json
import re
import secrets
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.support.processes import make_environment

ROOT = Path(__file__).parents[2]
HARDENED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--publish", "127.0.0.1::8000")


def explain_unavailable() -> str | None:
    """Return why no container can be run on this machine; None if they can."""
    if not shutil.which("docker") or run_for_exit_code("docker", "version") != 0:
        return "there is no Docker engine"
    return None if find_compose_tool() else "there is neither docker-compose nor `docker compose`"


@cache
def find_compose_tool() -> tuple[str, ...]:
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    return ("docker", "compose") if run_for_exit_code("docker", "compose", "version") == 0 else ()


def run_command(*command: str, stdin: str = "", cwd: Path = ROOT, variables: Mapping[str, str] | None = None) -> str:
    """Run a command that must succeed; returns its standard output."""
    done = subprocess.run(
        command,
        input=stdin,
        cwd=cwd,
        env=_make_environment(variables or {}),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_for_exit_code(*command: str) -> int:
    return subprocess.run(command, env=_make_environment({}), capture_output=True, timeout=60, check=False).returncode


def make_image(directory: Path, name: str) -> str:
    """Run ``make image`` there; returns everything that it printed."""
    return run_command("sh", "-c", 'exec make image IMAGE="$1" 2>&1', "sh", name, cwd=directory)


@contextmanager
def reserve_image_name() -> Iterator[str]:
    """Give a name for an image, which is removed in the end."""
    name = f"static-host-test-{secrets.token_hex(4)}"
    try:
        yield name
    finally:
        run_for_exit_code("docker", "image", "rm", "--force", name)


def read_readme_block(language: str) -> str:
    """Return the README's one block in that language."""
    readme = (ROOT / "README.md").read_text()
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    return str(text)


@contextmanager
def build_image(project: Path, base: str, settings: str = "mysite.settings", **variables: str) -> Iterator[str]:
    """Make the image of a project on the image `base`, by the README's Dockerfile, with `variables`; give its name."""
    dockerfile = read_readme_block("dockerfile")
    environment = "".join(f" {name}={shlex.quote(value)}" for name, value in variables.items())
    replaced = {"FROM django-static-host\n": f"FROM {base}\n", "=mysite.settings\n": f"={settings}{environment}\n"}
    for line, own in replaced.items():
        assert dockerfile.count(line) == 1
        dockerfile = dockerfile.replace(line, own)
    (project / "Dockerfile").write_text(dockerfile)
    with reserve_image_name() as name:
        run_command("docker", "build", "--tag", name, str(project))
        yield name


@contextmanager
def build_next_image(project: Path, base: str, previous: str = "") -> Iterator[str]:
    """Make an image by the README's Dockerfile with the lines that carry, from the image `previous`; give its name.

    Without `previous` it is the first one.
    """
    first, *middle, last = read_readme_block("dockerfile").splitlines(keepends=True)
    assert (first, last) == ("FROM django-static-host\n", "RUN static-host build\n")
    carrying = read_readme_block("docker").replace("…\n", "".join(middle)).replace(f"\n{first}", f"\nFROM {base}\n")
    (project / "requirements.txt").write_text(f"django=={version('django')}\n")
    (project / "Dockerfile").write_text(carrying)
    first_one = ["DJANGO_STATIC_PREVIOUS_PROBLEMS=warn"]
    arguments = [f"PREVIOUS={previous}", "SOURCE_DATE_EPOCH=1780000000"] if previous else first_one
    with reserve_image_name() as name:
        run_command(
            "docker", "build", "--tag", name, *(f"--build-arg={argument}" for argument in arguments), str(project)
        )
        yield name


@contextmanager
def run_container(image: str, *options: str) -> Iterator[str]:
    """Start a container and give its id; it is removed in the end."""
    container = run_command("docker", "run", "--detach", *options, image).strip()
    try:
        yield container
    finally:
        run_command("docker", "rm", "--force", "--volumes", container)


def inspect_container(name: str) -> Any:
    return json.loads(run_command("docker", "inspect", name))[0]


def read_logs(container: str) -> str:
    return run_command("sh", "-c", 'exec docker logs "$1" 2>&1', "sh", container)


def find_published_port(container: str) -> int:
    return int(inspect_container(container)["NetworkSettings"]["Ports"]["8000/tcp"][0]["HostPort"])


def exit_code_when_stopped(container: str) -> int:
    """Stop the container as an orchestrator does; one that takes longer than 10 seconds is killed, which is 137."""
    run_command("docker", "stop", "--time", "10", container)
    return int(inspect_container(container)["State"]["ExitCode"])


def _make_environment(variables: Mapping[str, str]) -> dict[str, str]:
    buildkit = {"DOCKER_BUILDKIT": "1", "COMPOSE_DOCKER_CLI_BUILD": "1", "BUILDKIT_PROGRESS": "plain"}
    return make_environment({**buildkit, **variables})
