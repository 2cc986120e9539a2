"""The overlay in any process: `static-host manage` and `static-host run` with a project that sends mails."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from static_host_django.process_overlay import OWN_URL_COMMANDS
from static_host_django.startup import sitecustomize
from tests.support.builds import add_own_storage
from tests.support.processes import run
from tests.support.projects import copy_project

HOST = "https://cdn.example.com"
CSS = f"{HOST}/static/site.e8e374d844cc.css"
MANAGE_PY = """
import os, sys
if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    from django.conf import settings
    settings.DEBUG  # some projects look before they run the command
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"""
SETTINGS = """
INSTALLED_APPS += ["mysite"]
STATIC_ROOT = "collected"
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
"""
FILES = {
    "manage.py": MANAGE_PY,
    "mysite/models.py": """
from django.db import models
from django.templatetags.static import static

class Guest(models.Model):
    picture = models.CharField(max_length=200, default=static("site.css"))
""",
    "mysite/templates/mail.html": "{% load static %}{% static 'site.css' %} {% get_static_prefix %} {{ STATIC_URL }}",
    "mysite/management/commands/invite.py": """
from django.core.mail import send_mail
from django.core.management.base import BaseCommand
from django.template.loader import render_to_string

class Command(BaseCommand):
    def handle(self, **options):
        send_mail("Invitation", render_to_string("mail.html"), "from@example.com", ["to@example.com"])
""",
    "mysite/tests.py": """
from django.conf import settings
from django.templatetags.static import static
from django.test import SimpleTestCase, override_settings
from django.core.management import call_command

class Own(SimpleTestCase):
    def test_urls(self):
        self.assertEqual(static("site.css"), "/static/site.css")
        self.assertEqual(settings.STATIC_URL, "/static/")
        with override_settings(STATIC_URL="/other/"):
            self.assertEqual(static("site.css"), "/other/site.css")
""",
    "show.py": """
import sys, django
django.setup()
from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.files.storage import storages
from django.templatetags.static import static
print(static("site.css"), staticfiles_storage.url("site.css"), storages["staticfiles"].url(name="site.css"))
""",
    "start_child.py": "import subprocess, sys; subprocess.run([sys.executable, 'show.py'], check=True)",
    "worker.py": """
import multiprocessing, sys
def work(names):
    import django
    django.setup()
    from django.templatetags.static import static
    for name in iter(names.get, None):
        print(static(name), flush=True)
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    names = context.SimpleQueue()
    process = context.Process(target=work, args=[names])
    process.start()
    for name in ("site.css", "digits.txt", None):
        names.put(name)
    process.join()
""",
}


def make_project(directory: Path) -> Path:
    project = copy_project("plain", directory)
    for name, text in FILES.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with (project / "mysite/settings.py").open("a") as settings:
        settings.write(SETTINGS)
    return project


def call(project: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command of static-host on the tree that was built at ``tree``."""
    tree = {"DJANGO_STATIC_HOST": HOST, "DJANGO_STATIC_ROOT": "tree"}
    return run("static-host", *command, cwd=project, **{**tree, **variables})


def read(project: Path, *command: str, **variables: str) -> str:
    """Return what the command prints; it succeeds and prints no error."""
    done = call(project, *command, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The project, with its tree. Tests do not change it."""
    project = make_project(tmp_path_factory.mktemp("mails"))
    done = call(project, "build", DJANGO_STATIC_CACHE=str(cache))
    assert done.returncode == 0, done.stderr
    return project


@pytest.fixture
def unbuilt(tmp_path: Path) -> Path:
    return make_project(tmp_path)


def test_a_mail_has_the_urls_of_pages(built: Path) -> None:
    assert f"\n{CSS} {HOST}/static/ \n" in read(built, "manage", "invite")


@pytest.mark.parametrize("command", ["show.py", "start_child.py"])
def test_scripts_have_the_urls_of_pages_and_so_have_python_processes_that_they_start(built: Path, command: str) -> None:
    assert read(built, "run", "--", "python", command) == f"{CSS} {CSS} {CSS}\n"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_so_have_the_processes_of_a_worker(built: Path, method: str) -> None:
    assert read(built, "run", "python", "worker.py", method).splitlines() == [
        CSS,
        f"{HOST}/static/digits.781e5e245d69.txt",
    ]


def test_host_and_prefix_are_those_that_serve_would_use(built: Path) -> None:
    show = ("run", "python", "show.py")
    assert read(built, *show, DJANGO_STATIC_HOST="").split()[0] == "/static/site.e8e374d844cc.css"
    assert read(built, *show, DJANGO_STATIC_PREFIX="/s/").split()[0] == f"{HOST}/s/site.e8e374d844cc.css"


def test_the_settings_module_is_whichever_the_process_names(built: Path) -> None:
    (built / "other.py").write_text("from mysite.settings import *\nSTATIC_URL = 'https://own.example.com/static/'\n")
    command = ("manage", "shell", "-v0", "--settings=other", "-c", "import show")
    assert read(built, *command, DJANGO_STATIC_HOST="").split()[0] == (
        "https://own.example.com/static/site.e8e374d844cc.css"
    )


def test_no_other_setting_changes(built: Path) -> None:
    (built / "dump.py").write_text(
        "from django.conf import settings\n"
        "print({name: getattr(settings, name) for name in dir(settings) if name.isupper() and name != 'STATIC_URL'})"
    )
    plain = run("python", "dump.py", cwd=built, DJANGO_SETTINGS_MODULE="mysite.settings")
    assert plain.returncode == 0
    assert read(built, "run", "python", "dump.py") == plain.stdout


@pytest.mark.parametrize("tree", ["tree", "nowhere"])
def test_commands_do_what_they_always_did_with_and_without_a_tree(unbuilt: Path, built: Path, tree: str) -> None:
    variables = {"DJANGO_STATIC_ROOT": str(built / tree)}
    assert "Create model Guest" in read(unbuilt, "manage", "makemigrations", "mysite", **variables)
    migration = next((unbuilt / "mysite/migrations").glob("0001*.py")).read_text()
    assert "default='/static/site.css'" in migration
    for manage in (("manage",), ("run", "python", "manage.py")):
        assert "No changes detected" in read(unbuilt, *manage, "makemigrations", "--check", **variables)
        assert read(unbuilt, *manage, "migrate", "-v0", **variables) == ""
        assert "no issues" in read(unbuilt, *manage, "check", **variables)
        assert f"{unbuilt}/mysite/static/site.css" in read(unbuilt, *manage, "findstatic", "site.css", **variables)
        tested = call(unbuilt, *manage, "test", **variables)
        assert (tested.returncode, "Ran 1 test" in tested.stderr, "static-host" in tested.stderr) == (0, True, False)


OWN = """
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
class Storage(ManifestStaticFilesStorage):
    pass
"""
DEPLOY = """
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.templatetags.static import static
class Command(BaseCommand):
    def handle(self, **options):
        print(static("site.css"))
        call_command("collectstatic", "--noinput", verbosity=0)
        print(static("site.css"))
"""


def test_collectstatic_writes_what_it_always_did_also_when_another_command_calls_it(unbuilt: Path, built: Path) -> None:
    (unbuilt / "mysite/models.py").unlink()  # its default needs a manifest
    (unbuilt / "mysite/storage.py").write_text(OWN)
    (unbuilt / "mysite/management/commands/deploy.py").write_text(DEPLOY)
    (unbuilt / "mysite/static/absolute.css").write_text("a { background: url(/static/img/dot.png) }")
    with (unbuilt / "mysite/settings.py").open("a") as settings:
        settings.write("STORAGES = {'staticfiles': {'BACKEND': 'mysite.storage.Storage'}}\n")
    plain = run("python", "manage.py", "collectstatic", "--noinput", "-v0", cwd=unbuilt)
    assert plain.returncode == 0, plain.stderr
    (unbuilt / "collected").rename(unbuilt / "expected")
    variables = {"DJANGO_STATIC_ROOT": str(built / "tree")}
    for command in (["collectstatic", "--noinput", "-v0"], ["deploy"]):
        done = call(unbuilt, "manage", *command, **variables)
        assert done.returncode == 0, done.stderr
        assert subprocess.run(["diff", "-r", "expected", "collected"], cwd=unbuilt, check=False).returncode == 0
        subprocess.run(["rm", "-r", "collected"], cwd=unbuilt, check=True)


@pytest.mark.parametrize("prefix", ["", "/s/"])
def test_without_a_tree_the_urls_are_the_project_s_own_and_one_line_says_so(unbuilt: Path, prefix: str) -> None:
    done = call(unbuilt, "run", "python", "show.py", DJANGO_STATIC_PREFIX=prefix)
    assert (done.returncode, done.stdout) == (0, "/static/site.css /static/site.css /static/site.css\n")
    assert done.stderr == (
        f"static-host: there is no static tree at {unbuilt}/tree: URLs of static files stay the project's own. "
        "Build it with `static-host build`, or set DJANGO_STATIC_ROOT.\n"
    )
    (unbuilt / "tree").mkdir()
    (unbuilt / "tree/static-host.index").write_text("{}\n")
    assert "there is no usable static tree at" in call(unbuilt, "run", "python", "show.py").stderr


def test_a_manifest_storage_of_the_project_s_own_raises_nothing(unbuilt: Path, cache: Path) -> None:
    (unbuilt / "mysite/models.py").unlink()  # its default needs a manifest, also for the build
    add_own_storage(unbuilt)
    done = call(unbuilt, "run", "python", "show.py")
    assert (done.returncode, done.stdout.split()[0]) == (0, "/static/site.css")
    assert done.stderr.count("static-host: there is no static tree") == len(done.stderr.splitlines()) == 1
    built = call(unbuilt, "build", DJANGO_STATIC_CACHE=str(cache))
    assert built.returncode == 0, built.stderr
    assert read(unbuilt, "run", "python", "show.py").split()[0] == f"{HOST}/static/site.mine.css"


def test_blocks_of_django_compressor_are_those_of_pages(tmp_path: Path, cache: Path) -> None:
    project = copy_project("compressed", tmp_path)
    with (project / "shop/settings.py").open("a") as settings:
        settings.write("COMPRESS_URL = '/static/'\n")
    variables = {"DJANGO_SETTINGS_MODULE": "shop.settings", "DJANGO_STATIC_CACHE": str(cache)}
    assert call(project, "build", **variables).returncode == 0
    script = "import django; django.setup(); from django.template.loader import get_template as get; "
    script += "print(get('shop.html').render({}))"
    page = read(project, "run", "python", "-c", script, **variables)
    assert f'href="{HOST}/static/CACHE/css/output.' in page
    compressed = call(project, "manage", "compress", "--force", **variables)
    assert (compressed.returncode, HOST in (project / "static/CACHE/manifest.json").read_text()) == (0, False)


def test_settings_that_are_configured_by_hand_are_left_alone(built: Path) -> None:
    script = "from django.conf import settings; settings.configure(STATIC_URL='/own/', INSTALLED_APPS=[])\n"
    script += "import django; django.setup(); from django.templatetags.static import static; print(static('site.css'))"
    assert read(built, "run", "python", "-c", script) == "/own/site.css\n"


def test_a_failure_of_the_overlay_is_one_line(built: Path) -> None:
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONPATH": sitecustomize.DIRECTORY}
    done = run("python", "show.py", cwd=built, **variables, **{sitecustomize.VARIABLE: "no JSON"})
    assert (done.returncode, done.stdout.split()[0]) == (0, "/static/site.css")
    assert done.stderr == (
        "static-host: URLs of static files stay the project's own: "
        "JSONDecodeError('Expecting value: line 1 column 1 (char 0)')\n"
    )


def test_the_tool_s_own_processes_override_settings_in_their_own_way(built: Path, cache: Path) -> None:
    done = call(built, "run", "static-host", "check", "--json", DJANGO_STATIC_CACHE=str(cache))
    assert "URLs of static files stay" not in done.stderr
    assert f"static resources of tree at {HOST}/static/" in done.stdout


@pytest.mark.parametrize("option", ["-S", "-E", "-I"])
def test_options_that_leave_sitecustomize_out_leave_the_overlay_out(built: Path, option: str) -> None:
    assert "PatchingFinder" not in read(built, "run", "python", option, "-c", "import sys; print(sys.meta_path)")


@pytest.mark.parametrize("body", ["OWN = 1\n", "import nothing_like_that\n", "1 / 0\n", ""])
def test_the_interpreter_s_own_sitecustomize_runs_as_always(built: Path, tmp_path: Path, body: str) -> None:
    if body:
        (tmp_path / "sitecustomize.py").write_text(body)
    script = "import sys; print(getattr(sys.modules.get('sitecustomize'), 'OWN', 0), sys.path[:2])"
    plain = run("python", "-c", script, cwd=built, PYTHONPATH=str(tmp_path))
    both = f"{sitecustomize.DIRECTORY}:{tmp_path}"
    ours = call(built, "run", "env", f"PYTHONPATH={both}", "python", "-c", script)
    assert (ours.returncode, ours.stdout, ours.stderr) == (0, plain.stdout, plain.stderr)
    shown = call(built, "run", "env", f"PYTHONPATH={both}", "python", "show.py")
    assert shown.stdout.split()[0] == CSS


def test_only_the_start_up_directory_is_on_the_path_and_only_at_the_start(built: Path) -> None:
    first, *path = read(
        built, "run", "python", "-c", "import os, sys; print(os.environ['PYTHONPATH'], *sys.path)"
    ).split()
    assert first == sitecustomize.DIRECTORY
    assert first not in path
    assert {path.name for path in Path(first).iterdir()} - {"__pycache__"} == {"__init__.py", "sitecustomize.py"}


def test_every_command_without_the_overlay_exists() -> None:
    from django.core.management import get_commands

    assert OWN_URL_COMMANDS - {"runserver_plus", "compress"} <= {*get_commands(), "collectstatic", "findstatic"}
