"""The README's steps work as written."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from tests.support.processes import run, run_server

README = (Path(__file__).parents[2] / "README.md").read_text()


def steps() -> list[str]:
    """Return the lines of the block that begins with startproject."""
    block = re.search(r"```sh\n(django-admin startproject .*?)```", README, re.DOTALL)
    assert block
    return [line for line in block[1].splitlines() if line]


def test_a_new_project_is_served_from_its_working_directory(tmp_path: Path, cache: Path) -> None:
    start, directory, build, serve = steps()
    assert start == "django-admin startproject mysite"
    assert run(*start.split(), cwd=tmp_path).returncode == 0
    project = tmp_path / directory.removeprefix("cd ")
    built = run(*build.split(), cwd=project, DJANGO_STATIC_CACHE=str(cache))
    assert built.returncode == 0, built.stderr
    with run_server(*serve.split(), cwd=project) as running:
        assert httpx.get(f"{running.url}/").status_code == 200
        login = httpx.get(f"{running.url}/admin/login/")
        assert login.status_code == 200
        stylesheets = re.findall(r'href="(/static/[^"]+\.css)"', login.text)
        assert stylesheets
        assert all(re.search(r"\.[0-9a-f]{12}\.css$", path) for path in stylesheets)  # though DEBUG is true
        for path in stylesheets:
            answer = httpx.get(running.url + path, headers={"accept-encoding": "br"})
            assert (answer.status_code, answer.headers["content-encoding"]) == (200, "br")
        assert running.stop() == 0
    assert "Traceback" not in running.output


def test_every_dependency_has_its_reason() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    needed = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    names = {re.split(r"[^a-z0-9.-]", dependency)[0].replace(".", "-") for dependency in needed}
    section = README.partition("## Dependencies")[2].partition("## ")[0]
    assert set(re.findall(r"^\| ([a-z0-9-]+) \| [^|]+ \|$", section, re.MULTILINE)) - {"package"} == names
