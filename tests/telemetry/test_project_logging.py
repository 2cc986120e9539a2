"""What this program says is said, whatever the project's logging does; and what the project says is its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.builds import Build, append_settings
from tests.support.processes import run
from tests.support.projects import copy_project

LOGGINGS = {
    "root at ERROR": "LOGGING = {'version': 1, 'root': {'level': 'ERROR'}}",
    "root at ERROR, others kept": (
        "LOGGING = {'version': 1, 'disable_existing_loggers': False, 'root': {'level': 'ERROR'}}"
    ),
    "a handler for nothing": (
        "LOGGING = {'version': 1, 'handlers': {'none': {'class': 'logging.NullHandler'}}, "
        "'root': {'handlers': ['none'], 'level': 'DEBUG'}}"
    ),
    "no configuration": "LOGGING_CONFIG = None\nimport logging\nlogging.root.setLevel(logging.CRITICAL)",
    "all is disabled": "import logging\nlogging.disable(logging.CRITICAL)",
    "configured at once": (
        "import logging.config\n"
        "logging.config.dictConfig({'version': 1, 'root': {'level': 'CRITICAL'}})\n"
        "logging.basicConfig(level='CRITICAL', force=True)"
    ),
    "our own names": (
        "_off = {'handlers': ['none'], 'level': 'CRITICAL', 'propagate': False}\n"
        "LOGGING = {'version': 1, 'handlers': {'none': {'class': 'logging.NullHandler'}}, "
        "'loggers': {'static_host': _off, 'static_host.build': _off}}"
    ),
    "every logger that there is": (
        "import logging\n"
        "logging.basicConfig(handlers=[logging.NullHandler()], force=True)\n"
        "for _name in logging.root.manager.loggerDict:\n"
        "    logging.getLogger(_name).handlers.clear()\n"
        "    logging.getLogger(_name).propagate = True\n"
        "    logging.getLogger(_name).setLevel(logging.CRITICAL)"
    ),
}
WARNING = "static-host: vendor.js, line 2: vendor.js.map does not exist."


@pytest.mark.parametrize("logging", LOGGINGS)
def test_a_project_s_logging_swallows_no_warning_of_the_build(build: Build, project: Path, logging: str) -> None:
    append_settings(project, LOGGINGS[logging])
    (project / "mysite/static/vendor.js").write_text("call();\n//# sourceMappingURL=vendor.js.map\n")
    for _ in range(2):
        result = build()
        assert result.returncode == 0
        assert result.stderr.splitlines() == [WARNING]


def test_nor_one_of_an_index(project: Path) -> None:
    append_settings(project, LOGGINGS["root at ERROR"])
    (project / "dist").mkdir()
    (project / "dist/a.css").write_text("a { color: red }")
    (project / "dist/a.css.br").write_text("no brotli")
    result = run("static-host", "index", "dist", cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings")
    assert result.stderr == "static-host: a.css.br does not decode to a.css; it is served only under its own name\n"


def test_what_the_project_says_is_shown_as_its_own(tmp_path: Path, cache: Path) -> None:
    project = copy_project("plain", tmp_path)
    append_settings(
        project,
        "import logging, warnings",
        "print('printed by the settings')",
        "warnings.warn('warned by the settings', stacklevel=1)",
        "logging.getLogger('mysite').warning('logged by the settings')",
        "logging.getLogger('mysite').info('of no interest')",
        "INSTALLED_APPS = ['mysite', *INSTALLED_APPS]",
    )
    command = project / "mysite/management/commands/collectstatic.py"
    command.parent.mkdir(parents=True)
    command.write_text(
        "from django.contrib.staticfiles.management.commands.collectstatic import Command as Django\n"
        "class Command(Django):\n"
        "    def handle(self, **options):\n"
        "        print('printed by the command')\n"
        "        self.stdout.write('written by the command')\n"
        "        self.stderr.write('an error of the command')\n"
        "        return super().handle(**options)\n"
    )
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache)}
    result = run("static-host", "build", cwd=project, **variables)
    assert result.returncode == 0
    assert result.stdout.splitlines()[:3] == [
        "printed by the settings",
        "printed by the command",
        "written by the command",
    ]
    assert "UserWarning: warned by the settings" in result.stderr
    assert "\nlogged by the settings\n" in f"\n{result.stderr}"
    assert "\nan error of the command\n" in result.stderr
    assert "static-host: " not in result.stderr
    assert "of no interest" not in result.stderr
    as_json = run("static-host", "build", "--json", cwd=project, **variables)
    assert as_json.stdout.startswith("{\n")
    assert "printed by the settings\n" in as_json.stderr


def test_a_document_is_all_that_is_on_standard_output(project: Path, cache: Path) -> None:
    append_settings(project, "import os", "print('printed', flush=True)", "os.system('echo by a program')")
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache)}
    result = run("static-host", "build", "--json", cwd=project, **variables)
    assert json.loads(result.stdout)["changed"] is True
    assert result.stderr.splitlines() == ["printed", "by a program"]
