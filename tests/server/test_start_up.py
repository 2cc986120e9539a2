"""Start-up compresses nothing, hashes nothing and walks nothing: it reads one index, and no file that it names."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.support.processes import SCRIPTS, run, run_server

WATCH = """
import hashlib, json, os, sys

events, inside = [], []
tree = os.path.realpath("staticfiles")

def audit(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and arguments and arguments[0] is not None:
        events.append((event, str(arguments[0])))
    if event == "import" and arguments[0].partition(".")[0] in ("static_host_build", "zopfli", "whitenoise"):
        events.append(("import", arguments[0]))

def counted(name, original):
    def call(path, *arguments, **keywords):
        events.append((name, str(path)))
        return original(path, *arguments, **keywords)
    return call

def hashed(name, original):
    def call(*arguments, **keywords):
        events.append(("hash", sys._getframe(1).f_globals.get("__name__")))
        return original(*arguments, **keywords)
    return call

sys.addaudithook(audit)
os.stat = counted("os.stat", os.stat)
for name in ("sha256", "sha1", "md5", "blake2b", "new"):
    setattr(hashlib, name, hashed(name, getattr(hashlib, name)))

from static_host.asgi import create_app
from static_host.conf.settings import Settings

create_app(Settings.read())
print(json.dumps(events))
"""


def test_start_up_reads_one_index(plain: Path) -> None:
    result = run("python", "-c", WATCH, cwd=plain, DJANGO_SETTINGS_MODULE="mysite.settings")
    assert result.returncode == 0, result.stderr
    events = [tuple(event) for event in json.loads(result.stdout)]
    tree = str((plain / "staticfiles").resolve())
    touched = {(event, path.removeprefix(tree)) for event, path in events if path.startswith(tree)}
    assert touched - {("os.stat", "")} == {("open", "")}
    assert ("open", "static-host.index") in events  # relative to the directory that was opened
    assert [event for event in events if event[0] == "import"] == []
    assert [event for event in events if event[0] == "hash" and str(event[1]).startswith("app.")] == []
    walked = {path for event, path in events if event in ("os.listdir", "os.scandir")}
    assert not any(path.startswith(str(plain)) and "static" in path for path in walked), walked


def test_a_server_may_have_as_many_descriptors_as_the_hard_limit_allows(plain: Path) -> None:
    command = (
        "python",
        "-c",
        f"{LIMITED}; os.execv(sys.argv[1], [sys.argv[1], 'serve'])",
        str(SCRIPTS / "static-host"),
    )
    with run_server(*command, cwd=plain, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        limits = Path(f"/proc/{running.process.pid}/limits").read_text()
    assert re.search(r"^Max open files +900 +900 ", limits, re.MULTILINE)


LIMITED = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 900))"
