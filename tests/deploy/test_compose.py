"""A team's project by deploy/compose on a real engine: migrations, a page, uploads, a Celery task, secrets."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

import httpx
import pytest
import yaml

from tests.support.containers import (
    HARDENED,
    ROOT,
    find_compose_tool,
    find_published_port,
    inspect_container,
    read_logs,
    read_readme_block,
    reserve_image_name,
    run_command,
    run_container,
    run_for_exit_code,
)
from tests.support.processes import find_free_port
from tests.support.projects import copy_project
from tests.support.required import required
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(600)

COMPOSE = ROOT / "deploy/compose"
SERVERS = Path(__file__).parent / "servers"
CDN = "https://cdn.example.com"
PHOTO = secrets.token_bytes(3_000_000)
SERVICES = ["broker", "db", "migrate", "web", "worker"]


@dataclass(frozen=True)
class Team:
    """The project of a team, as docker-compose runs it."""

    directory: Path
    name: str
    image: str
    port: int

    def compose(self, *arguments: str) -> str:
        files = ("--file", "docker-compose.yml", "--file", "images.yml")
        variables = {"IMAGE": self.image, "PORT": str(self.port), "DJANGO_STATIC_HOST": CDN}
        command = (*find_compose_tool(), "--project-name", self.name, *files, *arguments)
        return run_command(*command, cwd=self.directory, variables=variables)

    def find_container(self, service: str) -> str:
        return self.compose("ps", "--all", "--quiet", service).strip()

    def ask(self, path: str, photo: bytes = b"") -> httpx.Response:
        url = f"http://localhost:{self.port}{path}"
        return httpx.post(url, files={"photo": ("photo.jpg", photo)}, timeout=30) if photo else httpx.get(url)

    def is_answering(self) -> bool:
        try:
            return self.ask("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def wait_for_answers(self) -> None:
        wait_until(self.is_answering, lambda: self.compose("logs"))


# --- The files ---


def test_the_image_is_made_as_readme_says_but_for_the_secrets() -> None:
    *same, last = (COMPOSE / "Dockerfile").read_text().splitlines(keepends=True)
    lines = [line for line in same if not line.startswith("#")]
    assert last == "RUN SECRET_KEY=unused DATABASE_PASSWORD=unused static-host build\n"
    assert "".join([*lines, "RUN static-host build\n"]) == read_readme_block("dockerfile")


def test_readme_shows_how_settings_read_a_secret() -> None:
    settings = ROOT / "tests/projects/guestbook/mysite/settings.py"
    assert read_readme_block("py") in settings.read_text()


# --- Containers ---


def read_steps() -> list[str]:
    """Return the lines of README's block that copies deploy/compose."""
    (block,) = re.findall(r"^```sh\n(cp -R .*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    return str(block).splitlines()


@pytest.fixture(scope="module")
def team(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Does what README says, but for the names of images: copies deploy/compose, makes secrets, starts all."""
    directory = copy_project("guestbook", tmp_path_factory.mktemp("team"))
    copy, *prepare, up = read_steps()
    copy = copy.replace("../django-static-host", str(ROOT))
    run_command("sh", "-euc", "\n".join([copy, *prepare]), cwd=directory)
    recipe = (directory / "Dockerfile").read_text()
    (directory / "Dockerfile").write_text(recipe.replace("FROM django-static-host\n", f"FROM {image}\n"))
    with reserve_image_name() as servers, reserve_image_name() as own:
        run_command("docker", "build", "--tag", servers, str(SERVERS))
        images = {"services": {service: {"image": servers} for service in ("db", "broker")}}
        (directory / "images.yml").write_text(yaml.safe_dump(images))
        team = Team(directory, f"static-host-test-{secrets.token_hex(4)}", own, find_free_port())
        try:
            team.compose(*up.split()[1:])
            team.wait_for_answers()
            yield team
        finally:
            team.compose("down", "--volumes")


@pytest.fixture(scope="module")
def page(team: Team) -> str:
    """Uploads a photo; returns the page that has it."""
    sent = team.ask("/upload/", PHOTO)
    assert (sent.status_code, sent.text) == (200, "1 3000000"), team.compose("logs")
    return team.ask("/").text


def test_the_page_reads_the_migrated_database(page: str) -> None:
    assert page.count("<img ") == 1
    assert '<img src="/media/photo.jpg" alt="">' in page


def test_a_task_of_the_worker_renders_the_urls_of_pages(team: Team, page: str) -> None:
    (url,) = re.findall(r'href="([^"]+)"', page)
    assert re.fullmatch(rf"{CDN}/static/book\.[0-9a-f]{{12}}\.css", url)
    wait_until(lambda: team.ask("/mails/1").text, lambda: team.compose("logs"))
    assert team.ask("/mails/1").text == f"{url}\n"
    assert team.ask(url.removeprefix(CDN)).headers["cache-control"] == "public, max-age=31536000, immutable"


def test_the_worker_has_a_health_check_of_its_own(team: Team) -> None:
    worker = team.find_container("worker")
    kind, command = inspect_container(worker)["Config"]["Healthcheck"]["Test"]
    assert kind == "CMD-SHELL"
    assert run_for_exit_code("docker", "exec", worker, "sh", "-c", command) == 0
    assert run_for_exit_code("docker", "exec", "--env", "HOSTNAME=other", worker, "sh", "-c", command) != 0


@pytest.mark.usefixtures("page")
def test_uploads_are_there_after_a_container_is_replaced(team: Team) -> None:
    before = team.find_container("web")
    team.compose("rm", "--force", "--stop", "-v", "web")
    team.compose("up", "--detach", "--no-deps", "web")
    team.wait_for_answers()
    assert team.find_container("web") != before
    assert team.ask("/media/photo.jpg").content == PHOTO


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_has_no_privileges_and_no_secret_in_its_variables(team: Team, service: str) -> None:
    facts = inspect_container(team.find_container(service))
    host = facts["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["CapAdd"]) == (True, ["ALL"], None)
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert facts["Config"]["User"].partition(":")[0] in {"999", "10001"}
    values = [path.read_text().strip() for path in (team.directory / "secrets").glob("[A-Z]*")]
    assert len(values) == 2
    assert [value for value in values if value in str(facts)] == []


def test_no_secret_is_in_the_image(team: Team) -> None:
    """What ``docker save`` writes is everything: each layer, the configuration, the history."""
    values = [path.read_text().strip() for path in (team.directory / "secrets").glob("[A-Z]*")]
    in_a_file, in_the_history = "<title>Guest book</title>", "DATABASE_PASSWORD=unused"
    patterns = "\n".join([*values, in_a_file, in_the_history])
    script = 'docker save "$1" | LC_ALL=C grep --text --only-matching --fixed-strings --regexp="$2" | sort --unique'
    assert run_command("sh", "-c", script, "sh", team.image, patterns).split("\n") == [
        *(in_a_file, in_the_history),
        "",
    ]
    assert "unused" not in str(inspect_container(team.image)["Config"])
    listed = run_command("docker", "run", "--rm", team.image, "ls", "-A")
    assert not {"secrets", ".env"} & set(listed.split())


def test_an_upload_of_1_gb_takes_disk_and_no_memory(team: Team) -> None:
    """The server's copy and Django's own are 2 GB: where /tmp has them, the container is killed."""
    is_limited = run_command("docker", "info", "--format", "{{.MemoryLimit}}") == "true\n"
    required("" if is_limited else "the engine cannot limit memory")
    limits = ("--memory=512m", "--memory-swap=512m", "--env=SECRET_KEY=x", "--env=DATABASE_PASSWORD=x")
    with run_container(team.image, *HARDENED, *limits) as container:
        wait_until(lambda: "ready on" in read_logs(container), lambda: read_logs(container))
        sent = send_zeros(find_published_port(container), 1_000_000_000)
        assert re.fullmatch(r"200 /var/lib/static-host/spool/\w+\.upload\.bin 1000000000", sent), read_logs(container)
        state = inspect_container(container)["State"]
        assert (state["Running"], state["OOMKilled"]) == (True, False)
        script = "grep --no-filename VmHWM /proc/[0-9]*/status"
        peaks = [
            int(line.split()[1]) for line in run_command("docker", "exec", container, "sh", "-c", script).splitlines()
        ]
        assert len(peaks) >= 3  # the front, the process that forks, a worker
        assert max(peaks) < 128_000  # kB


def send_zeros(port: int, length: int) -> str:
    """Upload a file of zeros in a form; return the status and the text of the response."""
    head = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="zeros.bin"\r\n\r\n'
    tail = b"\r\n--x--\r\n"
    assert length % 1_000_000 == 0
    body = chain([head], repeat(bytes(1_000_000), length // 1_000_000), [tail])
    headers = {
        "content-type": "multipart/form-data; boundary=x",
        "content-length": str(len(head) + length + len(tail)),
    }
    sent = httpx.post(f"http://localhost:{port}/discard/", content=body, headers=headers, timeout=120)
    return f"{sent.status_code} {sent.text}"
