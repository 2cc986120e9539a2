"""Intermediaries (RFC 9110 §3.7), as CDNs are: they pass requests on to a deployment, or not, and may have TLS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.deployments import Answer, Deployment, Headers, serve_deployment


def remove_zstd(_: str, fields: Headers) -> Headers:
    """Ask the origin as a CDN does that knows br and gzip, one at a time."""
    coding = fields["accept-encoding"]
    return {"accept-encoding": coding if coding in ("br", "gzip") else "identity"}


class Intermediary(Deployment):
    """It passes on what is asked for below `below`; paths that begin with `moved` lead to `location`.

    `asking` makes of a path and a request's fields those that the `origin` is asked with; `fields` are those of the
    requests that came.
    """

    def __init__(self, origin: str, asking: Callable[[str, Headers], Headers]) -> None:
        super().__init__("", {})
        self.origin = origin
        self.rewrite_fields = asking
        self.stripped_prefix = self.moved_prefix = ""
        self.location = "http://elsewhere.example/"
        self.fields: list[Mapping[str, str]] = []

    def answer(self, path: str, fields: Mapping[str, str]) -> Answer:
        self.fields.append(fields)
        if self.moved_prefix and path.startswith(self.moved_prefix):
            return 302, {"location": self.location}, b""
        url = self.origin + path.removeprefix(self.stripped_prefix)
        with httpx.stream("GET", url, headers=self.rewrite_fields(path, dict(fields))) as answer:
            body = b"".join(answer.iter_raw())
        sent = {name: value for name, value in answer.headers.items() if name == "content-encoding"}
        return answer.status_code, sent, body


@contextmanager
def run_intermediary(
    origin: str = "", asking: Callable[[str, Headers], Headers] = remove_zstd, certificate: Path | None = None
) -> Iterator[Intermediary]:
    """Run it on a port of 127.0.0.1."""
    standing = Intermediary(origin, asking)
    with serve_deployment(standing, certificate):
        yield standing
