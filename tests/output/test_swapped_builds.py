"""A tree is swapped in whole, or the old one stands: kills, full disks, two builds at once."""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from static_host.origin.index import parse_index
from static_host_build.output.integrity import check_integrity
from tests.support.builds import Build, append_settings, read_files
from tests.support.processes import SCRIPTS, make_environment, run
from tests.support.projects import LARGE_BODY
from tests.support.required import required

KILLED_AT_EACH_STEP = """
import os, signal, sys
from itertools import count
from pathlib import Path
from static_host.cli.main import main
from static_host_build import pipeline
from static_host_build.output.integrity import check_integrity

STEPS = {"open", "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.utime"}

def dying_at(step):
    swap, steps = pipeline.swap, [""]

    def looking_on(event, _):
        if event in STEPS and event != steps[-1]:  # many files of a kind are one step
            steps.append(event)
            if len(steps) > step:
                os.kill(os.getpid(), signal.SIGKILL)

    def swapping(*arguments):
        sys.addaudithook(looking_on)
        return swap(*arguments)

    pipeline.swap = swapping

for step in count(1):
    Path("mysite/static/digits.txt").write_text(f"number {step}")
    child = os.fork()
    if not child:
        dying_at(step)
        main(["build"])
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    check_integrity(Path("staticfiles"))
    print(step, code, Path("staticfiles/digits.txt").read_text())
    if code != -signal.SIGKILL:
        break
"""


@pytest.mark.slow
def test_a_build_that_is_killed_leaves_a_whole_tree(build: Build, project: Path, cache: Path) -> None:
    """At each step from the beginning of the swap to the end of the build."""
    assert build().returncode == 0
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache)}
    result = run("python", "-c", KILLED_AT_EACH_STEP, cwd=project, **variables)
    assert result.returncode == 0, result.stderr
    *killed, last = [line.split(" ", 2) for line in result.stdout.splitlines() if line[:1].isdigit()]
    assert last[1:] == ["0", f"number {last[0]}"]
    is_new = [found == f"number {step}" for step, _, found in killed]
    swapped = is_new.index(True)
    assert 4 <= swapped < len(is_new) - 4
    assert is_new == [False] * swapped + [True] * (len(is_new) - swapped)
    assert {found for _, _, found in killed[:swapped]} == {"0123456789"}
    assert len(list((project / ".staticfiles.releases").iterdir())) == 3  # the release, its record, and the lock


def test_a_build_that_is_refused_a_write_leaves_the_old_tree(build: Build, project: Path) -> None:
    place = project / "place"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=False).returncode:
        required("mounting a file system needs a privilege")
    try:
        root = str(place / "staticfiles")
        assert build(DJANGO_STATIC_ROOT=root).returncode == 0
        before = read_files(Path(root))
        (project / "mysite/static/digits.txt").write_text("changed")
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        result = build(DJANGO_STATIC_ROOT=root)
        assert result.returncode == 5
        assert "Read-only file system" in result.stderr
        assert "Traceback" not in result.stderr
        assert read_files(Path(root)) == before
        subprocess.run(["mount", "-o", "remount,rw", place], check=True)
        assert build(DJANGO_STATIC_ROOT=root).returncode == 0
        assert (Path(root) / "digits.txt").read_text() == "changed"
    finally:
        subprocess.run(["umount", place], check=True)


def test_what_did_not_change_is_the_same_file_in_the_next_release(build: Build, project: Path) -> None:
    tree = project / "staticfiles"
    (project / "mysite/static/large.png").write_bytes(LARGE_BODY * 2)  # a format that is not encoded
    assert build().returncode == 0
    before = {path.name: path.stat().st_ino for path in tree.resolve().iterdir() if path.is_file()}
    (project / "mysite/static/digits.txt").write_text("9876543210")
    assert build().returncode == 0
    after = {path.name: path.stat().st_ino for path in tree.iterdir() if path.is_file()}
    assert {name for name in after if before.get(name) == after[name]} == set(before) - {
        *("digits.txt", "digits.781e5e245d69.txt", "staticfiles.json", "static-host.index")
    }
    assert (tree / "digits.txt").read_text() == "9876543210"


def test_a_damaged_release_is_never_taken_for_the_source(build: Build, project: Path) -> None:
    assert build().returncode == 0
    for path in (project / "staticfiles").resolve().iterdir():
        if path.is_file() and path.suffix != ".index":
            path.write_bytes(path.read_bytes()[:-1] + b"!")
    (project / "mysite/static/digits.txt").write_text("9876543210")
    assert build().returncode == 0
    check_integrity(project / "staticfiles")
    assert (project / "staticfiles/site.css").read_bytes() == (project / "mysite/static/site.css").read_bytes()


def test_a_build_waits_for_another_one(project: Path, cache: Path) -> None:
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache)}
    builds = [
        subprocess.Popen(
            [SCRIPTS / "static-host", "build"], cwd=project, env=make_environment(variables), stdout=subprocess.DEVNULL
        )
        for _ in range(3)
    ]
    assert [process.wait(60) for process in builds] == [0, 0, 0]
    assert parse_index((project / "staticfiles/static-host.index").read_bytes())


def test_a_static_root_that_is_a_file_is_refused(build: Build, project: Path) -> None:
    (project / "staticfiles").write_text("mine")
    result = build()
    assert result.returncode == 5
    assert result.stderr == (
        f"static-host: the static root {project}/staticfiles is a file. Remove it, or set DJANGO_STATIC_ROOT to "
        "another directory. Nothing was changed.\n"
    )
    assert (project / "staticfiles").read_text() == "mine"


def test_a_directory_with_other_files_is_refused(build: Build, project: Path) -> None:
    (project / "staticfiles").mkdir()
    (project / "staticfiles/thesis.txt").write_text("the only copy")
    result = build()
    assert result.returncode == 5
    assert f"{project}/staticfiles contains files that this program did not build." in result.stderr
    assert (project / "staticfiles/thesis.txt").read_text() == "the only copy"


@pytest.mark.parametrize("content", [None, "static-host.index"])
def test_an_empty_directory_or_a_copied_tree_is_replaced(build: Build, project: Path, content: str | None) -> None:
    (project / "staticfiles").mkdir()
    if content:
        (project / "staticfiles" / content).write_text("")
    assert build().returncode == 0
    assert (project / "staticfiles").is_symlink()
    assert (project / "staticfiles/digits.txt").read_text() == "0123456789"


def test_a_release_that_lost_a_file_is_made_anew(build: Build, project: Path) -> None:
    build()
    (project / "staticfiles/digits.txt").unlink()
    assert build().returncode == 0
    assert (project / "staticfiles/digits.txt").read_text() == "0123456789"


def test_a_disk_that_is_full_leaves_the_old_tree(build: Build, project: Path) -> None:
    small = project / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", small], check=False).returncode:
        required("mounting a small file system needs a privilege")
    try:
        root = str(small / "staticfiles")
        assert build(DJANGO_STATIC_ROOT=root).returncode == 0
        before = read_files(Path(root))
        (project / "mysite/static/big.bin").write_bytes(random.Random(3).randbytes(250_000))
        result = build(DJANGO_STATIC_ROOT=root)
        assert result.returncode == 5
        assert "No space left on device" in result.stderr
        assert read_files(Path(root)) == before
        (project / "mysite/static/big.bin").unlink()
        (project / "mysite/static/digits.txt").write_text("room again")
        assert build(DJANGO_STATIC_ROOT=root).returncode == 0
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_directory_of_the_user_s_own_is_never_replaced(build: Build, project: Path) -> None:
    """Neither one that has only an index of ours, nor a copied release with another file in it."""
    (project / "dist").mkdir()
    (project / "dist/a.css").write_text("a {}")
    (project / "dist/precious.txt").write_text("the only copy")
    assert run("static-host", "index", "dist", cwd=project).returncode == 0
    refused = build(DJANGO_STATIC_ROOT="dist")
    assert refused.returncode == 5
    assert "contains files that this program did not build" in refused.stderr
    assert (project / "dist/precious.txt").read_text() == "the only copy"
    assert build().returncode == 0
    shutil.copytree(project / "staticfiles", project / "copy")
    assert build(DJANGO_STATIC_ROOT="copy").returncode == 0
    shutil.copytree(project / "staticfiles", project / "other")
    (project / "other/precious.txt").write_text("the only copy")
    assert build(DJANGO_STATIC_ROOT="other").returncode == 5
    assert (project / "other/precious.txt").read_text() == "the only copy"


def test_a_static_root_inside_a_static_folder_is_refused(build: Build, project: Path) -> None:
    result = build(DJANGO_STATIC_ROOT="mysite/static/tree")
    assert result.returncode == 5
    assert f"{project}/mysite/static/tree lies in the static folder {project}/mysite/static" in result.stderr


@pytest.mark.parametrize("content", [None, "garbage", "[]", '{"paths": {}, "version": "1.1"}'])
def test_a_release_whose_manifest_was_lost_is_made_anew(build: Build, project: Path, content: str | None) -> None:
    assert build().returncode == 0
    path = project / "staticfiles/staticfiles.json"
    before = path.read_text()
    path.unlink()
    if content is not None:
        path.write_text(content)
    result = build()
    assert result.returncode == 0, result.stderr
    assert path.read_text() == before


def test_files_have_the_permissions_of_this_build(build: Build, project: Path) -> None:
    assert build().returncode == 0
    append_settings(project, "FILE_UPLOAD_PERMISSIONS = 0o640")
    assert build().returncode == 0
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (project / "staticfiles").rglob("*") if path.is_file()}
    assert modes == {0o640}


def test_what_is_no_file_in_a_static_folder_is_named(build: Build, project: Path) -> None:
    os.mkfifo(project / "mysite/static/pipe.css")
    result = build()
    assert result.returncode == 5
    assert f"{project}/mysite/static/pipe.css is in a static folder, and is not a regular file." in result.stderr
