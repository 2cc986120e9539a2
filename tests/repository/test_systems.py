"""Systems other than Linux: Windows is refused in one sentence; what only Linux has is never needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.builds import append_settings
from tests.support.processes import SCRIPTS, make_environment, run, run_server
from tests.support.projects import SETTINGS

AS_WINDOWS = """
import os, runpy, sys
LACKING = {"fcntl", "grp", "pwd", "resource", "syslog", "termios"}
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name in LACKING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
def block():
    sys.meta_path.insert(0, Blocker())
    for name in LACKING:
        sys.modules.pop(name, None)
"""
RUN = """
block()
for name in ("fork", "getpgrp", "getuid", "killpg", "sendfile"):
    delattr(os, name)
sys.platform = "win32"
module, *sys.argv[1:] = sys.argv[1:]
if module == "script":
    from static_host.__main__ import run
    run()
else:
    runpy.run_module(module, run_name="__main__")
"""
CHECK = """
import django
from django.conf import settings
django.setup()
block()
from django.core.checks import run_checks
from static_host_django import apps
from static_host_django.checks.registered_checks import register_checks
register_checks()
print([each.id for each in run_checks()])
"""
LINUX_ONLY = """
import os, signal, socket
for module, names in (
    (os, "memfd_create O_PATH RWF_NOWAIT pidfd_open"), (signal, "pidfd_send_signal"),
    (socket, "MSG_MORE MSG_CMSG_CLOEXEC"),
):
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        *(
            ["script", command]
            for command in ("build", "serve", "dev", "check", "manage", "index", "publish", "verify")
        ),
        ["script"],
        ["script", "run", "--", "python"],
        ["script", "--version"],
        ["static_host", "serve"],
        ["static_host_build"],
    ],
)
def test_windows_is_refused_in_one_sentence(arguments: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", AS_WINDOWS + RUN, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    sentence = "static-host: Windows is not supported: use WSL 2 or Docker.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)


def test_the_checks_of_the_project_s_side_need_nothing_that_windows_lacks(project: Path) -> None:
    append_settings(project, "MEDIA_URL = '/static/media/'")
    variables = make_environment({**SETTINGS, "PYTHONPATH": str(project)})
    command = [sys.executable, "-c", AS_WINDOWS + CHECK]
    done = subprocess.run(command, env=variables, cwd=project, capture_output=True, text=True, check=True)
    assert done.stdout == "['static_host.W004']\n"


def test_a_project_is_built_and_served_without_what_linux_alone_has(project: Path, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "without/sitecustomize.py").write_text(LINUX_ONLY)
    large = os.urandom(1 << 20) * 3
    long = b"long body " * 10_000
    (project / "mysite/static/large.bin").write_bytes(large)
    (project / "mysite/static/long.bin").write_bytes(long)
    variables = {**SETTINGS, "DJANGO_STATIC_CACHE": str(cache), "PYTHONPATH": str(tmp_path / "without")}
    probe = "import os, socket; print(hasattr(os, 'memfd_create'), hasattr(socket, 'MSG_MORE'))"
    probed = subprocess.run(
        [SCRIPTS / "python", "-c", probe], env=make_environment(variables), capture_output=True, text=True, check=True
    )
    assert probed.stdout == "False False\n"
    assert run("static-host", "build", cwd=project, **variables).returncode == 0
    with run_server(cwd=project, **variables, DJANGO_PRELOAD="true") as server:
        for name, body in (("large.bin", large), ("long.bin", long), ("large.bin", large), ("long.bin", long)):
            assert httpx.get(f"{server.url}/static/{name}").content == body
        assert httpx.get(f"{server.url}/").status_code == 200
        obstacle = "each worker loads the project, because this system has no /proc, or no pidfd_open"
        assert f"DJANGO_PRELOAD=true: {obstacle}" in server.output
        assert server.stop() == 0
