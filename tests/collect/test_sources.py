"""What a build makes of static folders in which not everything is a plain file."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from static_host.origin.index import parse_index
from tests.support.builds import Build, append_settings
from tests.support.processes import SCRIPTS, run
from tests.support.required import needs

SETPRIV = shutil.which("setpriv")


def names(project: Path) -> set[str]:
    """Return the names in the tree that have no fingerprint."""
    index = parse_index((project / "staticfiles/static-host.index").read_bytes())
    return {name for name in index if not index[name].immutable}


PLAIN = {
    "caf\u00e9 menu.txt",
    "digits.txt",
    "empty.txt",
    "img/dot.png",
    "main.js",
    "part.js",
    "robots.txt",
    "site.css",
}


def link(project: Path, name: str, target: str) -> None:
    path = project / "mysite/static" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


LINKS: dict[str, tuple[dict[str, str], dict[str, str], set[str]]] = {
    "to itself": ({"loop.css": "loop.css"}, {"loop.css": "that resolves to itself"}, set()),
    "to each other": (
        {"a.css": "b.css", "b.css": "a.css"},
        {"a.css": "that resolves to itself", "b.css": "that resolves to itself"},
        set(),
    ),
    "to its own folder": ({"img/here": "."}, {"img/here": "to a folder that it lies in"}, set()),
    "to the folder above": ({"img/up": ".."}, {"img/up": "to a folder that it lies in"}, set()),
    "out of the static folder, and above it": ({"top": "../.."}, {"top": "to a folder that it lies in"}, set()),
    "between two folders": (
        {"a/to-b": "../b", "b/to-a": "../a"},
        {"a/to-b/to-a": "to a folder that it lies in", "b/to-a/to-b": "to a folder that it lies in"},
        set(),
    ),
    "to a file as if it was a folder": (
        {"lost.css": "site.css/x"},
        {"lost.css": "to a file that does not exist"},
        set(),
    ),
    "to another folder, which is followed": ({"copy": "img"}, {}, {"copy/dot.png"}),
}


@pytest.mark.parametrize("kind", LINKS)
def test_a_link_without_an_end_is_left_out_with_a_warning(build: Build, project: Path, kind: str) -> None:
    links, warnings, more = LINKS[kind]
    for name, target in links.items():
        link(project, name, target)
    for _ in range(2):  # the second build finds nothing changed, and says the same
        result = build()
        assert result.returncode == 0, result.stderr
        assert result.stderr.splitlines() == [
            f"static-host: {name} is a symbolic link {what}; it is left out" for name, what in warnings.items()
        ]
        assert names(project) == PLAIN | more


@pytest.mark.parametrize(("first", "second"), [("one", "two"), ("two", "one")])
def test_a_file_and_a_folder_of_one_name_are_named_both(build: Build, project: Path, first: str, second: str) -> None:
    (project / "one").mkdir()
    (project / "one/x").write_text("a file")
    (project / "two/x/deep").mkdir(parents=True)
    (project / "two/x/deep/y.css").write_text("a {}")
    append_settings(project, f"STATICFILES_DIRS = [BASE_DIR / '{first}', BASE_DIR / '{second}']")
    result = build()
    assert result.returncode == 5
    assert result.stderr == (
        f"static-host: x is a file ({project}/one/x), and also the folder of x/deep/y.css "
        f"({project}/two/x/deep/y.css). Rename one of the two in its static folder.\n"
    )


def test_what_collectstatic_passes_over_is_in_nobody_s_way(build: Build, project: Path) -> None:
    (project / "one").mkdir()
    (project / "one/CVS").write_text("a file")
    (project / "two/CVS").mkdir(parents=True)
    (project / "two/CVS/y.css").write_text("a {}")
    append_settings(project, "STATICFILES_DIRS = [BASE_DIR / 'mysite/static', BASE_DIR / 'one', BASE_DIR / 'two']")
    result = build()
    assert result.returncode == 0, result.stderr


def test_a_socket_is_named(build: Build, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project / "mysite/static")  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("live.sock")
    result = build()
    assert result.returncode == 5
    assert result.stderr == (
        f"static-host: {project}/mysite/static/live.sock is in a static folder, and is not a regular file. Remove it.\n"
    )


def test_a_name_that_is_too_long_for_a_fingerprint_is_named(build: Build, project: Path) -> None:
    name = "n" * 249 + ".css"
    (project / "mysite/static" / name).write_text("a {}")
    result = build()
    assert result.returncode == 5
    assert "Traceback" not in result.stderr
    assert "File name too long: " in result.stderr
    assert "n" * 249 in result.stderr
    assert "Shorten its name: of 255 bytes, fingerprint and coding suffix take up to 30." in result.stderr
    assert "Errno" not in result.stderr


@needs(os.geteuid() == 0 and SETPRIV, "only root can give up its rights, with setpriv")
@pytest.mark.parametrize("mode", [0o000, 0o200])
@pytest.mark.parametrize("name", ["site.css", "img"])
def test_what_cannot_be_read_is_named(project: Path, cache: Path, mode: int, name: str) -> None:
    path = project / "mysite/static" / name
    path.chmod(mode)
    result = without_rights(project, cache)
    path.chmod(0o755)
    assert result.returncode == 5
    assert "Permission denied: " in result.stderr
    assert str(path) in result.stderr
    assert "Errno" not in result.stderr
    assert "Traceback" not in result.stderr


def without_rights(project: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Build without root's right to read whatever there is."""
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache)}
    return run(
        str(SETPRIV),
        "--bounding-set=-all",
        "--inh-caps=-all",
        str(SCRIPTS / "static-host"),
        "build",
        cwd=project,
        **variables,
    )


def test_a_file_with_the_name_of_the_index_is_refused(build: Build, project: Path) -> None:
    (project / "one").mkdir()
    (project / "one/static-host.index").write_text("of another tree")
    append_settings(project, "STATICFILES_DIRS = [BASE_DIR / 'one']")
    result = build()
    assert result.returncode == 5
    assert result.stderr == (
        f"static-host: {project}/one/static-host.index has the name of the tree's own index. Remove or rename it.\n"
    )
