"""The project's own STATIC_ROOT: it keeps its type, and what lies in it alone is not lost."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.builds import settings
from tests.conftest import copied
from tests.processes import run, serving

VARIABLES = {"DJANGO_SETTINGS_MODULE": "mysite.settings"}
COMMAND = """
from django.contrib.staticfiles.management.commands.collectstatic import Command as Django
from mysite.views import kind


class Command(Django):
    def handle(self, **options):
        print("collecting into", kind())
        return super().handle(**options)
"""
VIEWS = """
from django.conf import settings
from django.http import HttpResponse


def kind():
    root = settings.STATIC_ROOT
    return f"{type(root).__name__} {str(root)[-1:] == '/'}"


def page(request):
    return HttpResponse(kind())
"""
PATHS = "import pathlib\nclass Own(type(pathlib.Path())):\n    pass"
TEXTS = "class Text(str):\n    def __truediv__(self, name):\n        return f'{self}/{name}'"
TYPES = {
    "Path": ("STATIC_ROOT = BASE_DIR / 'staticfiles'", "PosixPath False"),
    "str": ("STATIC_ROOT = str(BASE_DIR / 'staticfiles')", "str False"),
    "str with a slash": ("STATIC_ROOT = f'{BASE_DIR}/staticfiles/'", "str True"),
    "relative str": ("STATIC_ROOT = 'staticfiles'", "str False"),
    "relative Path": ("STATIC_ROOT = Path('staticfiles')", "PosixPath False"),
    "a subclass of Path": (f"{PATHS}\nSTATIC_ROOT = Own(BASE_DIR, 'staticfiles')", "Own False"),
    "a subclass of str": (f"{TEXTS}\nSTATIC_ROOT = Text(BASE_DIR / 'staticfiles')", "Text False"),
    "none": ("STATIC_ROOT = None", "str False"),
    "empty": ("STATIC_ROOT = ''", "str False"),
    "unset": ("", "str False"),
}


@pytest.mark.parametrize("kind", TYPES)
def test_it_keeps_its_type(tmp_path: Path, cache: Path, kind: str) -> None:
    project = copied("plain", tmp_path)
    lines, expected = TYPES[kind]
    settings(project, lines, "INSTALLED_APPS = ['mysite', *INSTALLED_APPS]", "ROOT_URLCONF = 'mysite.more'")
    command = project / "mysite/management/commands/collectstatic.py"
    command.parent.mkdir(parents=True)
    command.write_text(COMMAND)
    (project / "mysite/views.py").write_text(VIEWS)
    (project / "mysite/more.py").write_text(
        "from django.urls import path\nfrom mysite.views import page\nurlpatterns = [path('', page)]\n"
    )
    variables = {**VARIABLES, "DJANGO_STATIC_CACHE": str(cache)}
    result = run("static-host", "build", cwd=project, **variables)
    assert f"collecting into {expected}\n" in result.stdout, result.stderr
    with serving(cwd=project, **variables) as running:
        assert httpx.get(f"{running.url}/").text == expected
    with serving("static-host", "dev", cwd=project, ready=r"ready on (http://\S+),", **variables) as running:
        assert httpx.get(f"{running.url}/").text == expected
