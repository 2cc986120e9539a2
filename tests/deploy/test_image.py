"""The container image, built and run by a real engine: responses, contents, shutdown, and images built on it."""

from __future__ import annotations

import http.client
import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.containers import (
    HARDENED,
    ROOT,
    build_image,
    build_next_image,
    exit_code_when_stopped,
    find_compose_tool,
    find_published_port,
    inspect_container,
    make_image,
    read_logs,
    read_readme_block,
    reserve_image_name,
    run_command,
    run_container,
    run_for_exit_code,
)
from tests.support.processes import find_free_port, run
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("engine")]

TEMPLATE = "app/static_host_site/templates/site/inspector.html"
DJANGO = "django~=6.0"
TOOL = "/opt/static-host/bin/python"
IMMUTABLE = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Site:
    """The bundled site, as docker-compose runs it."""

    project: str
    image: str
    port: int

    def compose(self, *arguments: str, **variables: str) -> str:
        own = {"IMAGE": self.image, "PORT": str(self.port)}
        return run_command(
            *find_compose_tool(), "--project-name", self.project, *arguments, variables={**own, **variables}
        )

    @property
    def container(self) -> str:
        return self.compose("ps", "--quiet", "web").strip()


@pytest.fixture(scope="session")
def site(image: str) -> Iterator[Site]:
    """Runs ``docker-compose up --build`` until the site accepts requests."""
    site = Site(f"static-host-test-{secrets.token_hex(4)}", image, find_free_port())
    try:
        site.compose("up", "--build", "--detach")
        wait_until(lambda: _listens(site.port), lambda: site.compose("logs"))
        yield site
    finally:
        site.compose("down", "--volumes")


@pytest.fixture(scope="session")
def project(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image of a new project with one more dependency, built on the base image by the README's Dockerfile."""
    directory = tmp_path_factory.mktemp("project")
    assert run("django-admin", "startproject", "mysite", str(directory), cwd=directory).returncode == 0
    (directory / "requirements.txt").write_text(f"{DJANGO}\ndj-database-url==3.1.2\n")
    with build_image(directory, image) as name:
        yield name


def test_compose_serves_the_inspector_and_its_files(site: Site) -> None:
    status, _, page = get(site.port, "/")
    assert status == 200
    assert b"<title>Delivery inspector \xc2\xb7 django-static-host</title>" in page
    path = re.search(rb'href="(/static/inspector/inspector\.[0-9a-f]{12}\.css)"', page)
    assert path
    status, headers, body = get(site.port, path[1].decode(), accept_encoding="gzip, br")
    assert status == 200
    assert headers["content-encoding"] == "br"
    assert headers["cache-control"] == IMMUTABLE
    assert headers["content-type"] == "text/css; charset=utf-8"
    assert headers["content-length"] == str(len(body))


def test_compose_runs_no_cdn_unless_it_is_asked_to(site: Site) -> None:
    label = f"label=com.docker.compose.project={site.project}"
    names = run_command(
        "docker", "ps", "--all", "--filter", label, "--format", '{{.Label "com.docker.compose.service"}}'
    )
    assert sorted(names.split()) == ["migrate", "web"]


def test_compose_migrates_the_database_first(site: Site) -> None:
    site.compose("exec", "-T", "web", "static-host", "manage", "migrate", "--check")


def test_variables_pass_through_compose_where_they_are_set(site: Site) -> None:
    shown = site.compose(
        *("run", "--rm", "--no-deps", "-T", "web", "python", "-c"),
        "import json, os; print(json.dumps({n: v for n, v in os.environ.items() if n[:4] in ('AWS_', 'DJAN')}))",
        AWS_REGION="eu-central-1",
        DJANGO_STATIC_HOST="https://cdn.example.com",
        DJANGO_STATIC_STORE="s3://bucket/mysite",
        DJANGO_DEBUG="",
    )
    assert json.loads(shown) == {
        "AWS_REGION": "eu-central-1",
        "DJANGO_DEBUG": "",
        "DJANGO_PYTHON": "python",
        "DJANGO_SITE_DATA": "/var/lib/static-host/data",
        "DJANGO_STATIC_CACHE": "/var/cache/static-host",
        "DJANGO_STATIC_HOST": "https://cdn.example.com",
        "DJANGO_STATIC_ROOT": "/var/lib/static-host/tree",
        "DJANGO_STATIC_STORE": "s3://bucket/mysite",
    }


def test_the_service_has_no_privileges_and_writes_only_its_data(site: Site) -> None:
    script = """
import json, os, pathlib
def outcome(path):
    try:
        pathlib.Path(path, "written").touch()
    except OSError as error:
        return os.strerror(error.errno)
    return "written"
status = dict(line.split(":\\t") for line in pathlib.Path("/proc/1/status").read_text().splitlines())
facts = {name: status[name] for name in ("Uid", "Gid", "CapEff", "CapBnd", "NoNewPrivs")}
places = ("/srv", "/opt/static-host", "/var/lib/static-host/tree", "/var/lib/static-host/data", "/tmp")
places += ("/var/lib/static-host/spool",)
print(json.dumps(facts | {place: outcome(place) for place in places}))
"""
    assert json.loads(site.compose("exec", "-T", "web", "python", "-c", script)) == {
        "Uid": "10001\t10001\t10001\t10001",
        "Gid": "10001\t10001\t10001\t10001",
        "CapEff": "0000000000000000",
        "CapBnd": "0000000000000000",
        "NoNewPrivs": "1",
        "/srv": "Read-only file system",
        "/opt/static-host": "Read-only file system",
        "/var/lib/static-host/tree": "Read-only file system",
        "/var/lib/static-host/data": "written",
        "/tmp": "written",
        "/var/lib/static-host/spool": "written",
    }


def test_the_health_check_asks_the_server(site: Site) -> None:
    container = site.container
    status, headers, body = get(site.port, "/healthz", host="10.0.0.7")
    assert (status, headers["cache-control"], body) == (200, "private, no-store, max-age=0", b"ok\n")
    kind, *command = inspect_container(container)["Config"]["Healthcheck"]["Test"]
    assert kind == "CMD"
    assert run_for_exit_code("docker", "exec", container, *command) == 0
    assert run_for_exit_code("docker", "exec", "--env", "PORT=1", container, *command) == 1
    wait_until(lambda: _health(container) == "healthy", lambda: json.dumps(inspect_container(container)["State"]))


def test_it_runs_and_is_checked_where_no_shell_can_be_run(image: str) -> None:
    config = inspect_container(image)["Config"]
    assert (config["Entrypoint"], config["Cmd"]) == (None, ["static-host", "serve"])
    kind, *command = config["Healthcheck"]["Test"]
    assert kind == "CMD"
    no_shell = [f"--volume=/dev/null:/usr/bin/{shell}:ro" for shell in ("bash", "dash")]
    with run_container(image, *HARDENED, *no_shell) as container:
        wait_until(lambda: "ready on http://0.0.0.0:8000" in read_logs(container), lambda: read_logs(container))
        assert run_for_exit_code("docker", "exec", container, "sh", "-c", "true") == 126
        assert run_for_exit_code("docker", "exec", container, *command) == 0
        assert get(find_published_port(container), "/healthz")[0] == 200
        assert exit_code_when_stopped(container) == 0


def test_another_command_takes_the_servers_place_without_a_shell(image: str) -> None:
    printed = run_command("docker", "run", "--rm", "--entrypoint", "static-host", image, "check", "--json")
    assert json.loads(printed)["findings"]


def test_the_image_publishes_its_release(image: str) -> None:
    place = ("--read-only", "--tmpfs", "/tmp", "--env", "DJANGO_STATIC_STORE=file:///tmp/store")
    printed = run_command("docker", "run", "--rm", *place, image, "static-host", "publish", "--json")
    made = json.loads(printed)
    assert made["store"] == "file:///tmp/store"
    assert made["sent"] == made["files"] > 100


def test_the_image_holds_no_compiler_no_cache_and_no_tests(image: str) -> None:
    script = """
import importlib.util, json, os, pathlib, shutil
tools = ("cc", "gcc", "g++", "clang", "ld", "make", "curl")
names = ("conftest.py", "test_image.py", "Dockerfile", "pyproject.toml", "run.txt", "pip-ephem-wheel-cache")
walk = [os.path.join(at, n) for top in ("etc", "home", "opt", "root", "srv", "src", "tmp", "var", "wheel")
        for at, directories, files in os.walk("/" + top) for n in directories + files]
print(json.dumps({
    "tools": [tool for tool in tools if shutil.which(tool)],
    "caches": [str(path) for top in ("/root/.cache", "/var/cache/static-host") for path in pathlib.Path(top).glob("*")],
    "sources": [path for path in walk if os.path.basename(path).startswith(names)],
    "packages": [name for name in ("setuptools", "tests", "pytest") if importlib.util.find_spec(name)],
}))
"""
    facts = run_command("docker", "run", "--rm", "--user", "0", image, TOOL, "-c", script)
    assert json.loads(facts) == {"tools": [], "caches": [], "sources": [], "packages": []}


def test_what_the_server_imports_is_compiled(image: str) -> None:
    script = """
import os, sys
import static_host.checks.command, static_host.server.serve, static_host_site.urls, uvloop, websockets.legacy.server
kept = {module.__cached__ for module in sys.modules.values() if getattr(module, "__cached__", None)}
print(len(kept) > 500, sorted(path for path in kept if not os.path.exists(path)))
"""
    variables = ("--env", "DJANGO_SETTINGS_MODULE=static_host_site.settings")
    setup = "import django; django.setup()"
    assert run_command("docker", "run", "--rm", *variables, image, TOOL, "-c", setup + script) == "True []\n"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_stops_when_asked_with_a_connection_open(image: str, workers: str) -> None:
    with run_container(image, *HARDENED, "--env", f"WEB_CONCURRENCY={workers}") as container:
        wait_until(lambda: "ready on http://0.0.0.0:8000" in read_logs(container), lambda: read_logs(container))
        client = http.client.HTTPConnection("127.0.0.1", find_published_port(container), timeout=10)
        client.request("GET", "/healthz")
        assert client.getresponse().read() == b"ok\n"
        assert exit_code_when_stopped(container) == 0
        assert read_logs(container).endswith("static-host: stopped\n")
        client.close()


def test_it_stops_when_asked_while_it_starts(image: str, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(20)\n")
    container = run_command(
        "docker", "create", "--env", "DJANGO_SETTINGS_MODULE=slow", "--env", f"DJANGO_PYTHON={TOOL}", image
    ).strip()
    try:
        run_command("docker", "cp", str(tmp_path / "slow.py"), f"{container}:/srv/slow.py")
        run_command("docker", "start", container)
        wait_until(lambda: "importing" in read_logs(container), lambda: read_logs(container))
        assert exit_code_when_stopped(container) == 0
    finally:
        run_command("docker", "rm", "--force", "--volumes", container)


def test_an_edited_template_installs_nothing_anew_and_its_image_replaces_the_old_one(
    image: str, tmp_path: Path
) -> None:
    kept = ("app", "static_build", "Dockerfile", ".dockerignore", "Makefile", "LICENSE", "README.md")
    for name in (*kept, "pyproject.toml", "requirements"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tmp_path / name)
    template = (tmp_path / TEMPLATE).read_bytes()
    with reserve_image_name() as name:
        (tmp_path / TEMPLATE).write_bytes(template + secrets.token_hex().encode())
        output = make_image(tmp_path, name)
        edited = inspect_container(name)
        step = re.search(r"^#(\d+) \[dependencies .*/pip install --require-hashes", output, re.MULTILINE)
        assert step
        assert f"\n#{step[1]} CACHED\n" in output
        layers = inspect_container(image)["RootFS"]["Layers"]
        assert edited["RootFS"]["Layers"][:-2] == layers[:-2], "only the project and its tree are new"
        assert edited["RootFS"]["Layers"][-2] != layers[-2]

        child = run_command("docker", "build", "--quiet", "-", stdin=f"FROM {name}\nENV CHILD=1\n").strip()
        try:
            (tmp_path / TEMPLATE).write_bytes(template)
            make_image(tmp_path, name)
            assert run_for_exit_code("docker", "image", "inspect", edited["Id"]) == 1, (
                "the replaced image is left behind"
            )
            assert inspect_container(child)["RepoTags"] == [], "an image that was built on ours is not ours to remove"
        finally:
            run_command("docker", "image", "rm", "--force", child)


def test_a_new_project_is_an_image_on_ours(project: str) -> None:
    script = "import json; print(json.load(open('/var/lib/static-host/tree/staticfiles.json'))['paths']['%s'])"
    with run_container(project, *HARDENED) as container:
        wait_until(lambda: "ready on" in read_logs(container), lambda: read_logs(container))
        assert "Django project mysite.settings" in read_logs(container)
        port = find_published_port(container)
        assert b"The install worked successfully" in get(port, "/", host="localhost")[2]
        name = run_command("docker", "exec", container, "python", "-c", script % "admin/css/base.css").strip()
        assert re.fullmatch(r"admin/css/base\.[0-9a-f]{12}\.css", name)
        assert f' href="/static/{name}"'.encode() in get(port, "/admin/login/", host="localhost")[2]
        status, headers, _ = get(port, f"/static/{name}", accept_encoding="br")
        assert (status, headers["content-encoding"], headers["cache-control"]) == (200, "br", IMMUTABLE)
        assert get(port, "/static/inspector/inspector.css")[0] == 404, "the tree is still the bundled site's"


def test_a_project_is_checked_in_its_image(project: str) -> None:
    module = """
from django.utils.csp import CSP
from mysite.settings import *

ALLOWED_HOSTS = ["example.com"]
MIDDLEWARE = [*MIDDLEWARE, "django.middleware.csp.ContentSecurityPolicyMiddleware"]
SECURE_CSP = {"default-src": [CSP.SELF], "script-src": [CSP.SELF, CSP.NONCE], "img-src": []}
"""
    printed = run_command(
        *("docker", "run", "--rm", "--interactive", "--env", "DJANGO_STATIC_HOST=https://cdn.example.com"),
        *("--env", "PYTHONPATH=/tmp", "--env", "DJANGO_SETTINGS_MODULE=checked", project),
        *("sh", "-c", "cat > /tmp/checked.py && exec static-host check --json"),
        stdin=module,
    )
    findings = {finding["check"]: finding for finding in json.loads(printed)["findings"]}
    assert findings["csp"] == {
        "level": "warning",
        "check": "csp",
        "found": "the policy of django.middleware.csp.ContentSecurityPolicyMiddleware does not allow "
        "https://cdn.example.com: browsers block styles, images from there",
        "remedy": "Add https://cdn.example.com to default-src.",
    }
    assert findings["django"]["found"] == "Django's system checks find no error"


def test_a_projects_image_keeps_our_promises(project: str) -> None:
    config = inspect_container(project)["Config"]
    assert config["User"] == "10001"
    assert config["Labels"]["org.opencontainers.image.title"] == "a project on django-static-host"
    script = """
import json, os, dj_database_url
root = "/var/lib/static-host"
releases = [name for name in os.listdir(f"{root}/.tree.releases") if name not in ("lock", "record.json")]
print(json.dumps([
    dj_database_url.__file__.startswith("/opt/project/"),
    os.readlink(f"{root}/tree") == f".tree.releases/{releases[0]}", len(releases),
    os.listdir("/var/cache/static-host"), os.access("/srv/manage.py", os.W_OK),
]))
"""
    assert json.loads(run_command("docker", "run", "--rm", project, "python", "-c", script)) == [
        *(True, True, 1),
        *([], False),
    ]


def test_a_project_with_uv_is_an_image_and_its_secret_is_not_kept(image: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests/projects/plain/mysite", tmp_path / "mysite")
    settings = tmp_path / "mysite/settings.py"
    settings.write_text(f"{settings.read_text()}\nimport os\nSECRET_KEY = os.environ['SECRET_KEY']\n")
    facts = f'[project]\nname = "mysite"\nversion = "1"\nrequires-python = ">=3.13"\ndependencies = ["{DJANGO}"]\n'
    (tmp_path / "pyproject.toml").write_text(facts)
    lock = "pip install --quiet uv && cd /srv && UV_PYTHON=/usr/local/bin/python uv lock --quiet"
    run_command(*("docker", "run", "--rm", "--user", "0", "--volume", f"{tmp_path}:/srv", image, "sh", "-c", lock))
    recipe = read_readme_block("Dockerfile").replace("FROM django-static-host", f"FROM {image}")
    (tmp_path / "Dockerfile").write_text(recipe.replace("RUN static-host", "RUN SECRET_KEY=unused static-host"))
    with reserve_image_name() as name:
        run_command("docker", "build", "--tag", name, str(tmp_path))
        assert "unused" not in json.dumps(inspect_container(name)["Config"])
        with run_container(name, *HARDENED, "--env", "SECRET_KEY=x") as container:
            wait_until(lambda: "ready on" in read_logs(container), lambda: read_logs(container))
            assert "/srv/.venv/bin/python" in read_logs(container)
            assert get(find_published_port(container), "/echo/")[2] == b"GET /echo/ 0"


def test_a_team_s_own_image_needs_two_lines(image: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tests/projects/plain/mysite", tmp_path / "mysite")
    lines = read_readme_block("containerfile").replace("--from=django-static-host", f"--from={image}")
    own = f"FROM python:3.13-slim\nWORKDIR /code\nRUN pip install {DJANGO}\nCOPY . .\nENV DJANGO_SETTINGS_MODULE="
    end = 'RUN static-host build\nCMD ["static-host", "serve"]\n'
    (tmp_path / "Dockerfile").write_text(f"{own}mysite.settings\n{lines}{end}")
    with reserve_image_name() as name:
        run_command("docker", "build", "--tag", name, str(tmp_path))
        with run_container(name, "--publish", "127.0.0.1::8000") as container:
            wait_until(lambda: "ready on" in read_logs(container), lambda: read_logs(container))
            port = find_published_port(container)
            assert get(port, "/echo/")[2] == b"GET /echo/ 0"
            assert get(port, "/static/digits.txt")[2] == b"0123456789"


def test_old_pages_find_their_files_in_the_next_image(image: str, tmp_path: Path) -> None:
    """The README's Dockerfile with the lines that carry: an image without a previous one, then one from it."""
    shutil.copytree(ROOT / "tests/projects/plain/mysite", tmp_path / "mysite")
    with build_next_image(tmp_path, image) as one:
        style = tmp_path / "mysite/static/site.css"
        style.write_text(style.read_text() + "/* the second release */\n")
        with build_next_image(tmp_path, image, one) as two:
            listed = json.loads(run_command("docker", "run", "--rm", two, "static-host", "releases", "--json"))[
                "releases"
            ]
            assert [(each["files_alone"], each["origin"]) for each in listed] == [
                (16, ""),
                (1, "/previous/var/lib/static-host/tree"),
            ]
            assert listed[0]["time"] == 1780000000
            assert abs(listed[1]["time"] - time.time()) < 3600
            old = run_command("docker", "run", "--rm", one, "cat", "/var/lib/static-host/tree/site.e8e374d844cc.css")
            with run_container(two, *HARDENED) as container:
                wait_until(lambda: "ready on" in read_logs(container), lambda: read_logs(container))
                status, headers, body = get(find_published_port(container), "/static/site.e8e374d844cc.css")
                assert (status, headers["cache-control"], body.decode()) == (200, IMMUTABLE, old)


def get(port: int, path: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
    """Send a request to the published port; return header names in lower case, and the body as it was sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def _health(container: str) -> str:
    return str(inspect_container(container)["State"]["Health"]["Status"])


def _listens(port: int) -> bool:
    try:
        return get(port, "/healthz")[0] == 200
    except OSError:
        return False
