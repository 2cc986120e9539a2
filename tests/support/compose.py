"""The CDN for a laptop: the repository's docker-compose.yml on a real engine."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from tests.support.containers import find_compose_tool, run_command
from tests.support.processes import find_free_port
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Laptop:
    """An image with its CDN, as docker-compose runs them: the bundled site, or a project of one's own."""

    project: str
    image: str
    port: int
    cdn_port: int

    @property
    def url(self) -> str:
        return f"http://localhost:{self.cdn_port}"

    def compose(self, *arguments: str, **variables: str) -> str:
        own = {"IMAGE": self.image, "PORT": str(self.port), "CDN_PORT": str(self.cdn_port)}
        command = (*find_compose_tool(), "--project-name", self.project, "--profile", "cdn", *arguments)
        return run_command(*command, variables={**own, **variables})

    def ask(self, path: str, **headers: str) -> tuple[int, httpx.Headers, bytes]:
        """Ask the CDN; the body comes back as it was sent. Without `accept_encoding` the field is not sent."""
        with httpx.Client(base_url=self.url, timeout=30) as client:
            del client.headers["accept-encoding"]
            own = {name.replace("_", "-"): value for name, value in headers.items()}
            with client.stream("GET", path, headers=own) as response:
                return response.status_code, response.headers, b"".join(response.iter_raw())

    def find_named_path(self, pattern: str) -> str:
        """Return the path of a file that the page names."""
        found = re.search(rf'"{self.url}(/static/{pattern})"', self.ask("/")[2].decode())
        assert found
        return found[1]

    def is_answering(self) -> bool:
        """Return whether a page comes through the CDN."""
        try:
            return self.ask("/")[0] == 200
        except httpx.TransportError:
            return False


@contextmanager
def run_laptop(image: str, *up: str) -> Iterator[Laptop]:
    """Run ``docker-compose --profile cdn up``, with further arguments; give it when a page comes through the CDN."""
    laptop = Laptop(f"static-host-test-{secrets.token_hex(4)}", image, find_free_port(), find_free_port())
    try:
        laptop.compose("up", "--detach", *up)
        wait_until(laptop.is_answering, lambda: laptop.compose("logs"), 40)
        yield laptop
    finally:
        laptop.compose("down", "--volumes")
