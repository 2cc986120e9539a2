"""The permissions of a tree: that another user can serve it, and that the project's settings choose them."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.builds import add_own_storage, append_settings
from tests.support.processes import SCRIPTS, make_environment


def built(project: Path, cache: Path, umask: int, *arguments: str, **variables: str) -> None:
    fixed = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache), **variables}
    result = subprocess.run(
        [SCRIPTS / "static-host", "build", *arguments],
        cwd=project,
        env=make_environment(fixed),
        umask=umask,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr


def modes(tree: Path) -> tuple[set[str], set[str]]:
    """Return the permissions of the directories, the tree's own included, and those of the files."""
    found = [tree.resolve(), *tree.resolve().rglob("*")]
    folders = {oct(stat.S_IMODE(path.stat().st_mode)) for path in found if path.is_dir()}
    return folders, {oct(stat.S_IMODE(path.stat().st_mode)) for path in found if path.is_file()}


@pytest.mark.parametrize(
    ("umask", "lines", "folders", "files"),
    [
        (0o022, [], "0o755", "0o644"),
        (0o077, [], "0o755", "0o644"),
        (0o002, [], "0o775", "0o644"),
        (0o077, ["FILE_UPLOAD_PERMISSIONS = None"], "0o700", "0o600"),
        (0o027, ["FILE_UPLOAD_PERMISSIONS = None"], "0o750", "0o640"),
        (0o077, ["FILE_UPLOAD_PERMISSIONS = 0o640"], "0o750", "0o640"),
        (0o022, ["FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o750"], "0o750", "0o644"),
        (0o077, ["FILE_UPLOAD_PERMISSIONS = 0o444", "FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o711"], "0o711", "0o444"),
        (
            0o077,
            [
                "STORAGES = {'staticfiles': {",
                "    'BACKEND': 'django.contrib.staticfiles.storage.StaticFilesStorage',",
                "    'OPTIONS': {'file_permissions_mode': 0o664, 'directory_permissions_mode': 0o775}}}",
            ],
            "0o775",
            "0o664",
        ),
    ],
)
def test_every_file_and_every_directory_has_the_permissions_that_the_project_chooses(
    project: Path, cache: Path, umask: int, lines: list[str], folders: str, files: str
) -> None:
    append_settings(project, *lines)
    root = project / "made/by/the/build"
    (project / "mysite/static/.well-known").mkdir(exist_ok=True)
    (project / "mysite/static/.well-known/security.txt").write_text("Contact: mailto:security@example.com")
    variables = {"DJANGO_STATIC_ROOT": str(root), "DJANGO_STATIC_ROOT_FILES": ".well-known/"}
    built(project, cache, umask, **variables)
    assert modes(root) == ({folders}, {files})
    above = [root.parent / ".build.releases", root.parent, root.parent.parent, root.parent.parent.parent]
    assert {oct(stat.S_IMODE(path.stat().st_mode)) for path in above} == {folders}


def test_a_project_s_own_storage_makes_no_exception(project: Path, cache: Path) -> None:
    add_own_storage(project)
    built(project, cache, 0o077)
    assert modes(project / "staticfiles") == ({"0o755"}, {"0o644"})


def test_carried_files_and_deltas_have_the_permissions_of_this_build(project: Path, cache: Path) -> None:
    script = project / "mysite/static/large.js"
    script.write_text("".join(f"call({number**3}, '{number**7}');\n" for number in range(2000)))
    append_settings(project, "FILE_UPLOAD_PERMISSIONS = 0o600", "FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700")
    built(project, cache, 0o022, "--previous", "none", DJANGO_STATIC_PREVIOUS_PROBLEMS="warn")
    (project / "staticfiles").resolve().rename(project / "before")
    (project / "staticfiles").unlink()
    script.write_text(script.read_text() + "more();\n")
    append_settings(project, "FILE_UPLOAD_PERMISSIONS = 0o640", "FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o750")
    built(project, cache, 0o022, "--previous", "before")
    assert list((project / "staticfiles").rglob("*.dcz"))
    assert modes(project / "staticfiles") == ({"0o750"}, {"0o640"})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("FILE_UPLOAD_PERMISSIONS = 0o640", ({"0o755"}, {"0o640"})),
        ("FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o751", ({"0o751"}, {"0o644"})),
    ],
)
def test_other_permissions_make_the_tree_anew(
    project: Path, cache: Path, line: str, expected: tuple[set[str], set[str]]
) -> None:
    built(project, cache, 0o022)
    append_settings(project, line)
    built(project, cache, 0o022)
    assert modes(project / "staticfiles") == expected


def test_an_index_of_another_tool_s_tree_can_be_read_by_who_reads_the_tree(project: Path) -> None:
    (project / "dist").mkdir(mode=0o755)
    (project / "dist/x.txt").write_text("x")
    command = [str(SCRIPTS / "static-host"), "index", "dist"]
    assert subprocess.run(command, cwd=project, env=make_environment({}), umask=0o077, timeout=60).returncode == 0
    assert oct(stat.S_IMODE((project / "dist/static-host.index").stat().st_mode)) == "0o644"
