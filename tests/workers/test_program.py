"""`static-host manage` and `static-host run` become the program: its exit code, signals, streams and interpreter."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import django
import pytest

from tests.support.processes import make_environment, run, run_server
from tests.support.projects import SETTINGS, copy_project

PROGRAM = """
import os, signal, sys
def leave(number, frame):
    print("got", signal.Signals(number).name, flush=True)
    sys.exit(9)
signal.signal(signal.SIGTERM, leave)
try:
    print("ready on http://localhost:0", os.getpid(), signal.getsignal(signal.SIGINT), flush=True)
    while True:
        signal.pause()
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(7)
"""
COMMAND = """
from django.core.management.base import BaseCommand
class Command(BaseCommand):
    def handle(self, **_):
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = copy_project("plain", tmp_path)
    (project / "manage.py").write_text('import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")')
    commands = project / "mysite/management/commands"
    commands.mkdir(parents=True)
    body = "".join(f"        {line}\n" for line in PROGRAM.splitlines())
    head = (
        "from django.core.management.base import BaseCommand\nclass Command(BaseCommand):\n    def handle(self, **_):\n"
    )
    (commands / "wait.py").write_text(head + body)
    (project / "wait.py").write_text(PROGRAM)
    with (project / "mysite/settings.py").open("a") as settings:
        settings.write("INSTALLED_APPS += ['mysite']\n")
    return project


@pytest.mark.parametrize("command", [("manage", "wait"), ("run", "--", "python", "wait.py")])
@pytest.mark.parametrize(("number", "text", "code"), [(signal.SIGINT, "interrupted", 7), (signal.SIGTERM, "got", 9)])
def test_signals_reach_the_program_itself(
    project: Path, command: tuple[str, ...], number: int, text: str, code: int
) -> None:
    with run_server("static-host", *command, cwd=project, ready="ready on (http://localhost:0)") as running:
        assert f" {running.process.pid} " in running.output  # it is the same process
        assert running.stop(number) == code
        running.wait_for(text)


def test_a_signal_without_a_handler_ends_the_program_as_always(project: Path) -> None:
    done = run("static-host", "run", "sh", "-c", "kill -KILL $$", cwd=project)
    assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    writer = "import os\nwhile True: os.write(1, b'y' * 9999)"
    piped = run("static-host", "run", "bash", "-c", f"yes | head -1; echo ${{PIPESTATUS[0]}}; # {writer}", cwd=project)
    assert piped.stdout.splitlines() == ["y", str(128 + signal.SIGPIPE)]


def test_arguments_exit_code_and_streams_are_those_of_the_program(project: Path) -> None:
    script = "import sys; print(sys.argv[1:], sys.stdin.read()); print('e', file=sys.stderr); sys.exit(42)"
    command = [sys.executable, "-m", "static_host", "run", "--", "python", "-c", script, "--", "-x", "--help", "é \n"]
    done = subprocess.run(
        command, cwd=project, env=make_environment({}), input="in", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (42, "['--', '-x', '--help', 'é \\n'] in\n", "e\n")


def test_the_terminal_is_that_of_the_program(project: Path) -> None:
    ours, theirs = pty.openpty()
    script = "import os; print([os.isatty(number) for number in range(3)])"
    command = [sys.executable, "-m", "static_host", "run", "python", "-c", script]
    subprocess.run(
        command, cwd=project, env=make_environment({}), stdin=theirs, stdout=theirs, stderr=theirs, check=True
    )
    assert os.read(ours, 100).split(b"\r\n")[0] == b"[True, True, True]"
    os.close(ours)
    os.close(theirs)


def test_options_of_a_management_command_are_its_own(project: Path) -> None:
    helped = run("static-host", "manage", "migrate", "--help", cwd=project)
    assert helped.stdout.startswith("usage: manage.py migrate [-h] [--noinput]")
    assert "[staticfiles]" in run("static-host", "manage", cwd=project).stdout
    wrong = run("static-host", "manage", "migrat", cwd=project)
    assert (wrong.returncode, wrong.stderr.splitlines()[0]) == (1, "Unknown command: 'migrat'. Did you mean migrate?")


@pytest.mark.parametrize("module", ["", "mysite.settings"])
def test_the_settings_module_is_that_of_serve(project: Path, module: str) -> None:
    show = ("run", "python", "-c", "import os; print(os.environ.get('DJANGO_SETTINGS_MODULE'))")
    assert run("static-host", *show, cwd=project, DJANGO_SETTINGS_MODULE=module).stdout == "mysite.settings\n"
    (project / ".env").write_text("DJANGO_SETTINGS_MODULE=of.env\n")
    assert run("static-host", *show, cwd=project).stdout == "of.env\n"


def test_a_program_that_cannot_be_run_is_an_error_with_exit_code_2(project: Path) -> None:
    done = run("static-host", "run", "nosuch", "x", cwd=project)
    message = "static-host: there is no program 'nosuch' that can be run. Correct its name, or PATH.\n"
    assert (done.returncode, done.stderr) == (2, message)
    broken = project / "broken"
    broken.write_text("no program")
    broken.chmod(0o755)
    done = run("static-host", "run", "./broken", cwd=project)
    assert (done.returncode, done.stderr) == (2, "static-host: ./broken cannot be run: Exec format error.\n")
    assert run("static-host", "run", cwd=project).returncode == 2


def test_secrets_that_only_static_host_reads_are_not_passed_on(project: Path) -> None:
    (project / ".env").write_text("DJANGO_ORIGIN_SECRET=very-secret\nDJANGO_STATIC_STORE=s3://bucket/very-secret\n")
    assert "very-secret" not in run("static-host", "run", "env", cwd=project).stdout


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment with Django alone, and packages that do not fit ours."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "own"], check=True)
    (packages,) = tmp_path.glob("own/lib/python*/site-packages")
    ours = Path(django.__file__).parents[1]
    for name in ("django", "asgiref", "sqlparse"):
        (packages / name).symlink_to(ours / name)
    for name in ("click", "pydantic", "starlette", "uvicorn", "static_host"):
        (packages / f"{name}.py").write_text("raise ImportError('a version that does not fit')")
    return tmp_path / "own"


@pytest.mark.parametrize("variable", ["DJANGO_PYTHON", "VIRTUAL_ENV"])
def test_the_interpreter_is_that_of_the_project(project: Path, cache: Path, environment: Path, variable: str) -> None:
    built = run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **SETTINGS)
    assert built.returncode == 0, built.stderr
    (project / "show.py").write_text(
        "import sys, django; django.setup()\nfrom django.templatetags.static import static\n"
        "print(sys.executable, static('site.css'))\n"
        "print([name for name in ('static_host', 'static_host_build', 'click') if name in sys.modules])\n"
    )
    value = str(environment / "bin/python") if variable == "DJANGO_PYTHON" else str(environment)
    variables = {variable: value, "DJANGO_STATIC_HOST": "cdn.example.com"}
    expected = f"{environment}/bin/python //cdn.example.com/static/site.e8e374d844cc.css\n[]\n"
    for command in (
        ("run", "python", "show.py"),
        ("run", "sh", "-c", "exec python show.py"),
        ("manage", "shell", "-v0", "-c", "import show"),
    ):
        done = run("static-host", *command, cwd=project, **variables)
        assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")
