"""Whatever stops the boot is printed whole, cause last, and ends the process at once with a code of its own."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from static_host.origin.index import parse_index
from tests.support.builds import append_settings
from tests.support.processes import run, run_server
from tests.support.projects import copy_project
from tests.support.required import required

WORKERS = pytest.mark.parametrize("workers", ["1", "4"])


@pytest.fixture
def project(tmp_path: Path, plain: Path) -> Path:
    """A copy of "plain", with a tree, to be broken."""
    project = copy_project("plain", tmp_path)
    shutil.copytree(plain / "staticfiles", project / "staticfiles")
    return project


def boot(project: Path, workers: str = "1", **variables: str) -> tuple[int, str]:
    """Start the server, which must fail by itself; returns its exit code and what it printed."""
    settings = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "WEB_CONCURRENCY": workers, "PORT": "0", **variables}
    result = run("static-host", "serve", cwd=project, **settings)
    assert result.stdout == ""
    return result.returncode, result.stderr


@WORKERS
def test_a_wrong_variable(project: Path, workers: str) -> None:
    code, output = boot(project, workers, PORT="eighty")
    assert code == 2
    assert output == (
        "static-host: this variable is wrong:\n  PORT='eighty': Expected: a whole number from 0 to 65535.\n"
    )


@WORKERS
def test_several_wrong_variables_are_reported_together(project: Path, workers: str) -> None:
    code, output = boot(project, workers, PORT="70000", DJANGO_THREADS="many", DJANGO_STATIC_HOST="ftp://example.com")
    assert code == 2
    assert output.splitlines() == [
        "static-host: these 3 variables are wrong:",
        (
            "  DJANGO_STATIC_HOST='ftp://example.com': its scheme is neither http nor https. Expected: a host or an "
            "http(s) URL without credentials, query or fragment, for example https://cdn.example.com."
        ),
        "  DJANGO_THREADS='many': Expected: a whole number from 1 to 1000.",
        "  PORT='70000': Expected: a whole number from 0 to 65535.",
    ]


@WORKERS
def test_a_settings_module_that_does_not_exist(project: Path, workers: str) -> None:
    code, output = boot(project, workers, DJANGO_SETTINGS_MODULE="mysite.setings")
    assert code == 2
    assert output == (
        "static-host: DJANGO_SETTINGS_MODULE='mysite.setings': there is no module 'mysite.setings' in "
        f"{project} or on sys.path. Settings modules found here: mysite.settings.\n"
    )


@WORKERS
def test_an_import_error_three_modules_deep_in_the_project(project: Path, workers: str) -> None:
    (project / "mysite/urls.py").write_text("from mysite import views\n")
    (project / "mysite/views.py").write_text("from mysite import services\n")
    (project / "mysite/services.py").write_text("import a_package_that_is_not_installed\n")
    code, output = boot(project, workers)
    assert code == 1
    first, *_, last = output.splitlines()
    assert first == "static-host: the Django project mysite.settings raised an exception while it was loaded:"
    assert "Traceback (most recent call last):" in output
    assert [output.index(f'{project}/mysite/{name}.py", line 1') for name in ("urls", "views", "services")]
    assert last == "ModuleNotFoundError: No module named 'a_package_that_is_not_installed'"
    assert output.count("Traceback") == 1


@WORKERS
def test_an_app_registry_error(project: Path, workers: str) -> None:
    (project / "mysite/apps.py").write_text("from django.contrib.auth.models import User\n")
    settings = project / "mysite/settings.py"
    settings.write_text(settings.read_text() + "INSTALLED_APPS += ['mysite.apps.MysiteConfig']\n")
    code, output = boot(project, workers)
    assert code == 1
    assert "Traceback (most recent call last):" in output
    assert f'{project}/mysite/apps.py", line 1, in <module>' in output
    assert output.splitlines()[-1] == "django.core.exceptions.AppRegistryNotReady: Apps aren't loaded yet."


@WORKERS
def test_a_settings_module_that_exits(project: Path, workers: str) -> None:
    (project / "mysite/settings.py").write_text("import sys\nsys.exit('set DATABASE_URL first')\n")
    code, output = boot(project, workers)
    assert code == 1
    assert output.splitlines()[-1] == "SystemExit: set DATABASE_URL first"


def test_the_settings_module_is_the_one_that_manage_py_names(project: Path) -> None:
    (project / "manage.py").write_text('import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")')
    with run_server(cwd=project) as running:
        assert "static-host: Django project mysite.settings in 10 threads" in running.output


def test_a_manage_py_that_computes_the_settings_module_is_an_error(project: Path) -> None:
    (project / "manage.py").write_text("")
    result = run("static-host", "serve", cwd=project)
    assert result.returncode == 2
    assert result.stderr == (
        "static-host: this variable is wrong:\n  DJANGO_SETTINGS_MODULE='': it is not set, and manage.py names no "
        "settings module by a literal. Expected: a dotted module name, for example mysite.settings.\n"
    )


@WORKERS
def test_a_missing_tree(project: Path, workers: str) -> None:
    code, output = boot(project, workers, DJANGO_STATIC_ROOT="elsewhere")
    assert code == 3
    assert output == (
        f"static-host: there is no static tree at {project}/elsewhere. Build it with `static-host build`, or point "
        "DJANGO_STATIC_ROOT at a tree that was built.\n"
    )


@WORKERS
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-20], "its checksum does not match: it was cut short or changed after the build"),
        (lambda data: data.replace(b"text/css", b"text/xss"), "its checksum does not match: it was cut short or"),
        (lambda data: data.replace(b'"format": 2', b'"format": 9'), "it has format 9, this version reads formats 1"),
        (lambda _: b"", "its first line is not an index header"),
        (lambda _: b"\xff\xfe\x00", "its first line is not an index header"),
        (lambda _: b"[]\n", "its first line is not an index header"),
    ],
)
def test_a_damaged_index(project: Path, workers: str, damage: object, reason: str) -> None:
    index = project / "staticfiles/static-host.index"
    assert callable(damage)
    index.write_bytes(damage(index.read_bytes()))
    code, output = boot(project, workers)
    assert code == 3
    assert output.startswith(f"static-host: the index {project}/staticfiles/static-host.index cannot be used: {reason}")
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (Path.unlink, "cannot be read: No such file or directory."),
        (lambda path: path.write_text("{"), "is not the one that was built with its index."),
    ],
)
def test_a_damaged_manifest(project: Path, damage: Callable[[Path], object], reason: str) -> None:
    manifest = project / "staticfiles/staticfiles.json"
    damage(manifest)
    code, output = boot(project)
    assert code == 3
    assert output.startswith(f"static-host: the manifest {manifest} {reason} Build it with")


@WORKERS
def test_a_file_that_does_not_have_its_length(project: Path, workers: str) -> None:
    (project / "staticfiles/digits.txt").write_text("012345678")
    code, output = boot(project, workers)
    assert code == 3
    assert output == (
        f"static-host: the static tree at {project}/staticfiles is damaged: digits.txt has 9 bytes, the index says 10. "
        "Build it with `static-host build`, or point DJANGO_STATIC_ROOT at a tree that was built.\n"
    )
    assert run("static-host", "check", cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings").returncode == 3


def test_several_files_that_are_missing(project: Path) -> None:
    for name in ("site.css.br", "main.js"):
        (project / "staticfiles" / name).unlink()
    code, output = boot(project)
    assert code == 3
    assert "/staticfiles is damaged: main.js is missing; and 1 more file. Build it with" in output


def test_lengths_that_the_boot_had_no_time_for_are_reported(project: Path) -> None:
    (project / "staticfiles/digits.txt").unlink()
    create = "create_app(Settings.read(), length_check_seconds=0).state.summary[1]"
    code = f"from static_host.asgi import create_app; from static_host.conf.settings import Settings; print({create})"
    result = run("python", "-c", code, cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings")
    assert result.returncode == 0, result.stderr
    resources = len(parse_index((project / "staticfiles/static-host.index").read_bytes()))
    assert result.stdout == (
        f"file lengths compared for 0 of {resources} resources; the others on their first request\n"
    )


@WORKERS
def test_an_empty_secret_key(project: Path, workers: str) -> None:
    settings = project / "mysite/settings.py"
    settings.write_text(settings.read_text() + "SECRET_KEY = ''\n")
    code, output = boot(project, workers)
    assert code == 1
    assert output.splitlines()[-1].endswith("ImproperlyConfigured: The SECRET_KEY setting must not be empty.")


@pytest.mark.parametrize("url", ["/a%20b/", "ftp://example.com/static/", "/../s/", "https://u:p@example.com/static/"])
def test_a_static_url_that_cannot_be_served(project: Path, url: str) -> None:
    settings = project / "mysite/settings.py"
    settings.write_text(settings.read_text() + f"STATIC_URL = {url!r}\n")
    code, output = boot(project)
    assert code == 2
    assert re.fullmatch(r"static-host: STATIC_URL='/?" + re.escape(url) + r"': it .* correct it\.\n", output), output


def test_a_tree_without_an_index(project: Path) -> None:
    (project / "staticfiles/static-host.index").unlink()
    code, output = boot(project)
    assert code == 3
    assert output.startswith(
        f"static-host: {project}/staticfiles holds no index (static-host.index), so it is not a built"
    )


def test_an_unreadable_tree(project: Path) -> None:
    index = project / "staticfiles/static-host.index"
    index.unlink()
    index.mkdir()
    code, output = boot(project)
    assert code == 3
    assert output.startswith(f"static-host: the index {index} cannot be used: Is a directory. Build it with")


def test_a_tree_that_another_user_keeps_to_himself(project: Path) -> None:
    required("only root can become another user" if os.getuid() else "")
    code = (
        "import sys; from pathlib import Path; "
        "from static_host.origin.tree import load_tree; load_tree(Path(sys.argv[1]))"
    )
    (project / "staticfiles").chmod(0o700)
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import os, static_host.origin.tree; os.setuid(65534); {code}",
            project / "staticfiles",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    reason = f"the static tree at {project}/staticfiles cannot be opened: Permission denied."
    assert f"TreeUnusableError: {reason}" in result.stderr


def test_a_static_root_that_is_a_file(project: Path) -> None:
    (project / "file").write_text("")
    code, output = boot(project, DJANGO_STATIC_ROOT="file")
    assert code == 3
    assert output.startswith(f"static-host: the static root {project}/file is a file, not a directory. Build it with")


@WORKERS
def test_a_port_in_use(project: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, output = boot(project, workers, PORT=str(port))
    assert code == 4
    assert output.splitlines()[-1] == (
        f"static-host: HOST=127.0.0.1 PORT={port}: Address already in use. "
        "Stop the program that has it, or set another PORT."
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_not_ours(project: Path, host: str) -> None:
    code, output = boot(project, HOST=host)
    assert code == 4
    assert output.splitlines()[-1].startswith(f"static-host: HOST={host} PORT=0: ")


def test_an_unknown_command_is_a_usage_error(project: Path) -> None:
    result = run("static-host", "sevre", cwd=project)
    assert result.returncode == 2
    assert "No such command 'sevre'" in result.stderr


ASGI = [
    ("mysite.asgi.application", "import not_installed", "ModuleNotFoundError: No module named 'not_installed'"),
    ("mysite.asgi.application", "from os import no_such", "ImportError: cannot import name 'no_such' from 'os' "),
    ("mysite.asgi.application", "raise KeyError('REDIS_URL')", "KeyError: 'REDIS_URL'"),
    ("mysite.asgi.application", "raise SystemExit('no redis')", "SystemExit: no redis"),
    ("mysite.asgi.app", "application = print", 'ImportError: Module "mysite.asgi" does not define a "app" attribute'),
    ("mysite.asgi.application", "application = None", "TypeError: it is a NoneType, which cannot be called"),
    ("mysite.routing.application", "", "ModuleNotFoundError: No module named 'mysite.routing'"),
    ("mysite_asgi", "", "ImportError: mysite_asgi doesn't look like a module path"),
]


def asgi(project: Path, path: str, code: str) -> None:
    """Give the project an ASGI_APPLICATION, and the module mysite.asgi."""
    append_settings(project, f"ASGI_APPLICATION = {path!r}")
    (project / "mysite/asgi.py").write_text(f"{code}\n")


@pytest.mark.parametrize(("path", "code", "raised"), ASGI)
def test_an_asgi_application_that_cannot_be_imported_names_the_way_without(
    project: Path, path: str, code: str, raised: str
) -> None:
    asgi(project, path, code)
    exit_code, output = boot(project)
    assert exit_code == 1
    assert output.splitlines()[:2] == [
        f"static-host: ASGI_APPLICATION = {path!r} cannot be used:",
        "Correct it, or install what it needs; or set DJANGO_INTERFACE=wsgi if the project works without ASGI.",
    ]
    assert "\n\nTraceback (most recent call last):\n" in output
    assert output.splitlines()[-1].startswith(raised)


@pytest.mark.parametrize("command", ["check", "dev"])
def test_check_and_dev_name_it_too(project: Path, command: str) -> None:
    asgi(project, *ASGI[0][:2])
    remedy = "set DJANGO_INTERFACE=wsgi if the project works without ASGI"
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings"}
    if command == "dev":
        with run_server(
            "static-host", "dev", cwd=project, ready="loaded again when a file changes", **variables
        ) as running:
            assert remedy in running.output
    else:
        result = run("static-host", "check", cwd=project, **variables)
        assert result.returncode == 1
        assert f"-> Correct it, or install what it needs; or {remedy}: standard error has the whole" in result.stdout
        assert result.stderr.splitlines()[-1] == ASGI[0][2]


def test_what_is_named_is_the_remedy(project: Path) -> None:
    asgi(project, *ASGI[0][:2])
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_INTERFACE": "wsgi"}
    with run_server(cwd=project, **variables) as running:
        assert httpx.get(f"{running.url}/echo/").status_code == 200


def test_an_exception_that_has_nothing_to_do_with_asgi_does_not_name_it(project: Path) -> None:
    asgi(project, "mysite.asgi.application", "async def application(scope, receive, send): pass")
    (project / "mysite/urls.py").write_text("import not_installed\n")
    code, output = boot(project)
    assert code == 1
    assert "DJANGO_INTERFACE" not in output
