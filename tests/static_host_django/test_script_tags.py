"""The tag library ``static_host``: on pages, in the overlay of other processes, and in an environment of the project's.

Digests are those of ``openssl dgst -sha384``.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import django
import httpx
import pytest

import static_host_django
from tests.support.builds import add_own_storage, append_settings
from tests.support.processes import make_environment, run, run_server
from tests.support.projects import SETTINGS, copy_project

FILES = {
    "shop/cart.js": 'import { total } from "./total.js";\nimport "shop/log.js";\nimport three from "three";\n',
    "shop/total.js": 'import "./cart.js";\nexport const total = 1;\n',
    "shop/log.js": "export default 1;\n",
    "shop/lazy.js": 'export const later = () => import("./log.js");\n',
    "node_modules/three.js": "export default 3;\n",
    "a</script>'\" 100%é.js": "export default 4;\n",
}
PAGE = """{% load static static_host %}
{% importmap 'shop/[clt]*' 'three=node_modules/three.js' %}
{% modulepreload 'shop/lazy.js' 'shop/cart.js' %}
{% static_integrity 'site.css' %}
"""
SHOW = """
import sys, django
django.setup()
from django.template import engines
for text in sys.argv[1:]:
    print(engines["django"].from_string("{% load static_host %}" + text).render({}))
"""
CART = "sha384-j8do2U2a/e2y0KWOp9iA19tQWuwycRI4rprJ628nEav3yIcm25gMLN0USxhKalb5"
TOTAL = "sha384-Z1aex9oz65tevX4Pg4df2upUUYjuuyUEiLqOPGWghWv//5cGnoNGLUyeaU9kJNUa"
LAZY = "sha384-E9p1VVYW8HiqgA9pgPJCctsvNo5zF6LlREeS0SFoxXuVOrwaoROGj/oBgvtCwETO"
THREE = "sha384-eivGNT+Kr92cv3opUxqShtUct41wPCsU028FkLt1O8fKqEYzMtYyJpvy8cWLtah9"
SITE = "sha384-/Jrzs6m6sCv5AgRJ/T9Z/D4evxdvWJVUElcS/71FnzCitcT+x4kLI6ZJklfk8cyD"
LOG = "sha384-TfNfbmwP7o3QYLOKT2ylblYjdqWkjpHkmoyPgwQk/jxycBM1LOGLUePUz56+OBZF"


def make_project(directory: Path) -> Path:
    project = copy_project("plain", directory)
    for name, text in FILES.items():
        path = project / "mysite/static" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (project / "mysite/templates/page.html").write_text(PAGE)
    (project / "show.py").write_text(SHOW)
    return project


def build_tree(project: Path, cache: Path, **variables: str) -> None:
    built = run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **SETTINGS, **variables)
    assert built.returncode == 0, built.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The project, with its tree. Tests do not change it."""
    project = make_project(tmp_path_factory.mktemp("tags"))
    build_tree(project, cache)
    return project


@pytest.fixture
def unbuilt(tmp_path: Path) -> Path:
    return make_project(tmp_path)


def show(project: Path, *templates: str, **variables: str) -> list[str]:
    """Return what the templates give in a process that `static-host run` starts; nothing is logged."""
    done = run("static-host", "run", "python", "show.py", *templates, cwd=project, **SETTINGS, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


PRELOADS = f"""\
<link rel="modulepreload" href="/static/shop/cart.2f6ab7bca603.js" integrity="{CART}">
<link rel="modulepreload" href="/static/shop/total.ae8d233c24d5.js" integrity="{TOTAL}">
<link rel="modulepreload" href="/static/shop/log.7b9adf7a1f47.js" integrity="{LOG}">"""


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_a_page(built: Path, interface: str) -> None:
    with run_server(cwd=built, DJANGO_INTERFACE=interface, **SETTINGS) as running:
        page = httpx.get(f"{running.url}/").text
        urls = re.findall(r'"(/static/[^"]*)":"sha384-', page)
        assert [httpx.get(running.url + url).status_code for url in urls] == [200] * 5
    importmap, *preloads, integrity = page.strip("\n").split("\n")
    assert importmap == (
        '<script type="importmap">{"imports":{'
        '"shop/cart.js":"/static/shop/cart.2f6ab7bca603.js","shop/lazy.js":"/static/shop/lazy.19ed795fa7d9.js",'
        '"shop/log.js":"/static/shop/log.7b9adf7a1f47.js","shop/total.js":"/static/shop/total.ae8d233c24d5.js",'
        '"three":"/static/node_modules/three.602c70e05b4f.js"},"integrity":{'
        f'"/static/shop/cart.2f6ab7bca603.js":"{CART}","/static/shop/lazy.19ed795fa7d9.js":"{LAZY}",'
        f'"/static/shop/log.7b9adf7a1f47.js":"{LOG}","/static/shop/total.ae8d233c24d5.js":"{TOTAL}",'
        f'"/static/node_modules/three.602c70e05b4f.js":"{THREE}"}}}}</script>'
    )
    lazy = f'<link rel="modulepreload" href="/static/shop/lazy.19ed795fa7d9.js" integrity="{LAZY}">'
    assert [*preloads, integrity] == [lazy, *PRELOADS.split("\n"), SITE]


def test_all_modules_of_the_project_are_in_a_map_without_names(built: Path) -> None:
    (text,) = show(built, "{% importmap %}")
    found = json.loads(text.removeprefix('<script type="importmap">').removesuffix("</script>"))
    assert found["imports"] == {
        "a</script>'\" 100%é.js": "/static/a%3C/script%3E'%22%20100%25%C3%A9.16355073a0c3.js",
        "main.js": "/static/main.59598345cd5c.js",
        "part.js": "/static/part.3eb92c086480.js",
        "shop/cart.js": "/static/shop/cart.2f6ab7bca603.js",
        "shop/lazy.js": "/static/shop/lazy.19ed795fa7d9.js",
        "shop/log.js": "/static/shop/log.7b9adf7a1f47.js",
        "shop/total.js": "/static/shop/total.ae8d233c24d5.js",
    }
    assert list(found["integrity"]) == list(found["imports"].values())
    assert '{"a\\u003C/script\\u003E\'\\" 100%\\u00e9.js":' in text


def test_a_name_of_any_characters_has_integrity(built: Path) -> None:
    name = """a</script>'\\" 100%é.js"""
    digest = "sha384-Uc+Cx8/9U1uCTd4PmUobCDzUleF7Fz8pVEsVR4L/hiU2qgc2IUEw7FQUmpWrDnhH"
    url = "/static/a%3C/script%3E&#x27;%22%20100%25%C3%A9.16355073a0c3.js"
    assert show(built, f'{{% static_integrity "{name}" %}}', f'{{% modulepreload "{name}" %}}') == [
        digest,
        f'<link rel="modulepreload" href="{url}" integrity="{digest}">',
    ]


@pytest.mark.parametrize("tag", ["importmap", "modulepreload"])
@pytest.mark.parametrize("name", ["none", "''", "1"])
def test_what_is_no_name_is_an_error(built: Path, tag: str, name: str) -> None:
    template = "{% load static_host %}{% " + f"{tag} {name}" + " %}"
    done = run("static-host", "run", "--", "python", "show.py", template, cwd=built, **SETTINGS)
    assert done.returncode == 1
    assert re.search(rf"ValueError: {tag}: (None|''|1|<.*>) is no name of a static file", done.stderr), done.stderr


def test_a_file_whose_name_has_an_equals_sign_is_that_file(unbuilt: Path, cache: Path) -> None:
    (unbuilt / "mysite/static/shop/a=b.js").write_text("export default 5;\n")
    build_tree(unbuilt, cache)
    (shown,) = show(unbuilt, "{% importmap 'shop/a=b.js' %}")
    assert re.search(r'"shop/a=b\.js":"/static/shop/a(=|%3D)b\.[0-9a-f]{12}\.js"', shown), shown


def test_urls_are_those_of_the_static_host(built: Path) -> None:
    host = "https://cdn.example.com"
    lines = show(built, "{% modulepreload 'shop/cart.js' %}{% importmap 'shop/log.js' %}", DJANGO_STATIC_HOST=host)
    log = f"{host}/static/shop/log.7b9adf7a1f47.js"
    importmap = f'{{"imports":{{"shop/log.js":"{log}"}},"integrity":{{"{log}":"{LOG}"}}}}'
    preloads = PRELOADS.replace('"/static/', f'"{host}/static/')
    assert "\n".join(lines) == f'{preloads}<script type="importmap">{importmap}</script>'


def test_a_name_that_is_unknown_has_no_integrity_and_is_logged_as_by_the_static_tag(built: Path) -> None:
    done = run("static-host", "run", "python", "show.py", "[{% static_integrity 'no.js' %}]", cwd=built, **SETTINGS)
    assert (done.returncode, done.stdout) == (0, "[]\n")
    assert done.stderr == "{% static 'no.js' %} is not in the manifest; its URL has no fingerprint\n"


def test_a_name_that_is_unknown_is_an_error_where_it_is_one_for_the_static_tag(unbuilt: Path, cache: Path) -> None:
    append_settings(unbuilt, "WHITENOISE_MANIFEST_STRICT = True")
    build_tree(unbuilt, cache)
    for tag in ("static_integrity", "importmap", "modulepreload"):
        done = run("static-host", "run", "python", "show.py", f"{{% {tag} 'no.js' %}}", cwd=unbuilt, **SETTINGS)
        assert "ValueError: Missing staticfiles manifest entry for 'no.js'" in done.stderr


def test_the_build_reports_a_name_that_has_no_file(unbuilt: Path, cache: Path) -> None:
    (unbuilt / "mysite/templates/page.html").write_text("{% load static_host %}\n{% static_integrity 'no.js' %}")
    done = run("static-host", "build", cwd=unbuilt, DJANGO_STATIC_CACHE=str(cache), **SETTINGS)
    assert done.returncode != 0
    assert "mysite/templates/page.html, line 2: no.js does not exist" in done.stderr


def test_in_development_urls_are_those_of_the_files_and_there_is_no_integrity(unbuilt: Path) -> None:
    with run_server("static-host", "dev", cwd=unbuilt, ready=r"ready on ([^,]+),", **SETTINGS) as running:
        page = httpx.get(f"{running.url}/").text
    assert page == (
        '\n<script type="importmap">{"imports":{"shop/cart.js":"/static/shop/cart.js",'
        '"shop/lazy.js":"/static/shop/lazy.js","shop/log.js":"/static/shop/log.js",'
        '"shop/total.js":"/static/shop/total.js","three":"/static/node_modules/three.js"}}</script>\n'
        '<link rel="modulepreload" href="/static/shop/lazy.js">\n'
        '<link rel="modulepreload" href="/static/shop/cart.js">\n\n'
    )


def test_a_tree_of_an_older_version_has_no_integrity_which_is_logged_once(unbuilt: Path, cache: Path) -> None:
    build_tree(unbuilt, cache)
    path = unbuilt / "staticfiles/staticfiles.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps({key: known[key] for key in ("paths", "version", "hash")}))
    link = '<link rel="modulepreload" href="/static/shop/cart.2f6ab7bca603.js">'
    importmap = '{"imports":{"shop/log.js":"/static/shop/log.7b9adf7a1f47.js"}}'
    tags = (
        "{% importmap 'shop/l*g.js' %}",
        "{% modulepreload 'shop/cart.js' %}",
        "[{% static_integrity 'site.css' %}]",
    )
    done = run("static-host", "run", "python", "show.py", *tags, cwd=unbuilt, **SETTINGS)
    assert done.stdout == f'<script type="importmap">{importmap}</script>\n{link}\n[]\n'
    assert done.stderr == (
        "the manifest of the static files has no integrity and no imports of modules: "
        "a build of this version of static-host makes one that has\n"
    )


def test_a_storage_of_the_project_s_own_has_the_integrity_of_its_files(unbuilt: Path, cache: Path) -> None:
    add_own_storage(unbuilt)
    append_settings(unbuilt, "STATIC_ROOT = BASE_DIR / 'staticfiles'")
    (unbuilt / "mysite/static/broken.js").write_text("(")
    build_tree(unbuilt, cache)
    unchanged = "sha384-RbbWAU8USQNrHRnrYElVSFNh3BbBmIG69tPQY8qTR3lKbi1B6H/ngD5NbYxDTSpy"
    assert show(unbuilt, "{% modulepreload 'shop/lazy.js' %}", "{% static_integrity 'shop/log.js' %}") == [
        f'<link rel="modulepreload" href="/static/shop/lazy.mine.js" integrity="{unchanged}">',
        LOG,
    ]


def make_environment_with_django(directory: Path) -> str:
    """Return the interpreter of an environment with Django and our small package, and nothing else."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    (target,) = directory.glob("lib/python*/site-packages")
    for name in ("django", "asgiref", "sqlparse"):
        (target / name).symlink_to(Path(django.__file__).parents[1] / name)
    shutil.copytree(Path(static_host_django.__file__).parent, target / "static_host_django")
    return str(directory / "bin/python")


def test_a_project_without_the_overlay_has_the_tags_by_the_package(unbuilt: Path, cache: Path, tmp_path: Path) -> None:
    append_settings(
        unbuilt,
        "INSTALLED_APPS += ['static_host_django']",
        "STATIC_ROOT = BASE_DIR / 'staticfiles'",
        "import os",
        "if os.environ.get('STORAGE'): STORAGES = {'staticfiles': {'BACKEND': os.environ['STORAGE']}}",
        "DEBUG = bool(os.environ.get('DEBUG'))",
    )
    build_tree(unbuilt, cache)
    python = make_environment_with_django(tmp_path / "own")
    with (unbuilt / "show.py").open("a") as file:
        file.write("print(sorted({'whitenoise', 'static_host', 'static_host_django'} & set(sys.modules)))\n")

    def call(**variables: str) -> list[str]:
        tags = "{% static_integrity 'shop/log.js' %}|{% modulepreload 'shop/log.js' %}"
        environment = make_environment({**SETTINGS, **variables})
        command = [python, "-W", "error", "show.py", tags]
        done = subprocess.run(command, cwd=unbuilt, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    plain = '|<link rel="modulepreload" href="/static/shop/log.js">'
    loaded = "['static_host_django']"
    assert call() == [plain, loaded]
    manifest = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    link = f'{LOG}|<link rel="modulepreload" href="/static/shop/log.7b9adf7a1f47.js" integrity="{LOG}">'
    assert call(STORAGE=manifest) == [link, loaded]
    assert call(STORAGE=manifest, DEBUG="1") == [plain, loaded]
    assert show(unbuilt, "{% static_integrity 'shop/log.js' %}")[0] == LOG  # in the overlay, too


def test_check_finds_nothing_wrong_with_the_package_among_the_applications(unbuilt: Path, cache: Path) -> None:
    append_settings(unbuilt, "INSTALLED_APPS += ['static_host_django']")
    build_tree(unbuilt, cache)
    checked = run("static-host", "manage", "check", cwd=unbuilt, **SETTINGS)
    assert (checked.returncode, checked.stdout) == (0, "System check identified no issues (0 silenced).\n")


def test_a_library_of_the_project_s_own_with_this_name_stays(unbuilt: Path) -> None:
    (unbuilt / "mysite/templatetags").mkdir()
    (unbuilt / "mysite/templatetags/static_host.py").write_text(
        "from django.template import Library\nregister = Library()\nregister.simple_tag(lambda: 'own', name='own')\n"
    )
    append_settings(unbuilt, "INSTALLED_APPS += ['mysite']")
    done = run("static-host", "run", "python", "show.py", "{% own %}", cwd=unbuilt, **SETTINGS)
    assert done.stdout == "own\n", done.stderr
    assert run("static-host", "manage", "check", cwd=unbuilt, **SETTINGS).returncode == 0


FORMS = """
import django
django.setup()
from django import forms
from django.forms import Script
from js_asset import ImportMap, Media
from static_host_django.scripts import build_importmap, static_integrity_lazy

log = Script("shop/log.js", type="module", integrity=static_integrity_lazy("shop/log.js"))

class Form(forms.Form):
    class Media:
        js = [log]

print(Form().media)
print(Media(js=[log], importmap=ImportMap(**build_importmap("shop/log.js"))))
"""


def test_media_of_forms_have_integrity(built: Path) -> None:
    script = f'<script src="/static/shop/log.7b9adf7a1f47.js" integrity="{LOG}" type="module"></script>\n'
    done = run("static-host", "run", "python", "-W", "error", "-c", FORMS, cwd=built, **SETTINGS)
    assert (done.returncode, done.stderr) == (0, "")
    url = "/static/shop/log.7b9adf7a1f47.js"
    assert done.stdout == (
        f'{script}<script type="importmap">{{"imports": {{"shop/log.js": "{url}"}}, "integrity": {{"{url}": "{LOG}"}}}}'
        f"</script>\n{script}"
    )


JINJA = """
import django
django.setup()
from django.template.backends.jinja2 import Jinja2
from static_host_django import scripts

engine = Jinja2({"NAME": "jinja", "DIRS": [], "APP_DIRS": False, "OPTIONS": {}})
engine.env.globals.update(static_integrity=scripts.static_integrity, importmap=scripts.render_importmap)
print(engine.from_string("{{ static_integrity('shop/log.js') }} {{ importmap('three=part.js', nonce='n&') }}").render())
"""


def test_templates_of_jinja_call_the_functions(built: Path) -> None:
    done = run("static-host", "run", "python", "-W", "error", "-c", JINJA, cwd=built, **SETTINGS)
    part = "/static/part.3eb92c086480.js"
    digest = "sha384-c4A9rVTmTirFd2F1FTC4/VUofLG83QrehTX/nF40s1F0Rpj4OgHomHxbbQXEeU45"
    importmap = f'{{"imports":{{"three":"{part}"}},"integrity":{{"{part}":"{digest}"}}}}'
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f'{LOG} <script type="importmap" nonce="n&amp;">{importmap}</script>\n'


CSP = """
from csp.constants import NONCE
MIDDLEWARE = ["csp.middleware.CSPMiddleware", *MIDDLEWARE]
CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"script-src": [NONCE]}}
"""


def test_elements_have_the_nonce_of_django_csp(unbuilt: Path, cache: Path) -> None:
    append_settings(unbuilt, CSP)
    build_tree(unbuilt, cache)
    with run_server(cwd=unbuilt, **SETTINGS) as running:
        page = httpx.get(f"{running.url}/")
    (nonce,) = re.findall(r"script-src 'nonce-([^']+)'", page.headers["content-security-policy"])
    assert page.text.count(f' nonce="{nonce}">') == page.text.count("<script") + page.text.count("<link") == 5


LAZY_NONCE = """
import django
django.setup()
from django.template import engines
from django.utils.functional import SimpleLazyObject

class LazyNonce(SimpleLazyObject):
    def __bool__(self):
        return False

text = "{% load static_host %}{% modulepreload 'site.css' %}"
print(engines["django"].from_string(text).render({"csp_nonce": LazyNonce(lambda: "of Django 6")}))
"""


def test_a_nonce_that_is_false_until_it_is_used_is_used(unbuilt: Path) -> None:
    done = run("static-host", "run", "python", "-c", LAZY_NONCE, cwd=unbuilt, **SETTINGS)
    assert done.stdout == '<link rel="modulepreload" href="/static/site.css" nonce="of Django 6">\n', done.stderr
