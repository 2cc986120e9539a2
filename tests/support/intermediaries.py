"""Intermediaries (RFC 9110 §3.7) such as CDNs: they pass requests on to a deployment or redirect, and may have TLS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.deployments import Answer, Deployment, Headers, serve_deployment


def remove_zstd(_: str, fields: Headers) -> Headers:
    """Rewrite the request as a CDN does that asks for br or gzip, one at a time."""
    coding = fields["accept-encoding"]
    return {"accept-encoding": coding if coding in ("br", "gzip") else "identity"}


class Intermediary(Deployment):
    """Passes requests on to `origin`, without `stripped_prefix`; redirects paths below `moved_prefix` to `location`.

    `rewrite_fields` takes a path and the request's fields, and returns the fields for the origin. `fields` are those of
    the requests that arrived.
    """

    def __init__(self, origin: str, rewrite_fields: Callable[[str, Headers], Headers]) -> None:
        super().__init__("", {})
        self.origin = origin
        self.rewrite_fields = rewrite_fields
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
    origin: str = "", rewrite_fields: Callable[[str, Headers], Headers] = remove_zstd, certificate: Path | None = None
) -> Iterator[Intermediary]:
    """Run an intermediary on a port of 127.0.0.1."""
    intermediary = Intermediary(origin, rewrite_fields)
    with serve_deployment(intermediary, certificate):
        yield intermediary
