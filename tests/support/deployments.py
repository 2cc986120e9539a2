"""A fake deployment for `static-host verify`: a page and its files as this origin sends them, or as CDNs do."""

from __future__ import annotations

import gzip
import ssl
import threading
import time
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import brotli

from tests.support.builds import compress_zstd

Headers = dict[str, str]
Answer = tuple[int, Headers, bytes]
CSS = "".join(f".column-{number} {{ grid-column: {number} / span 2; }}\n" for number in range(90)).encode()
ENCODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "br": brotli.compress,
    "zstd": compress_zstd,
    "gzip": lambda data: gzip.compress(data, mtime=0),
}
IMMUTABLE = "public, max-age=31536000, immutable"
TYPES = {
    "css": "text/css",
    "js": "text/javascript",
    "json": "application/json",
    "mp4": "video/mp4",
    "png": "image/png",
    "woff2": "font/woff2",
}


def answer_as_built(path: str, body: bytes, asked: Mapping[str, str]) -> Answer:
    """Return this origin's response for a file with these bytes to a request with the header fields `asked`."""
    wanted = [part.strip() for part in asked.get("accept-encoding", "").split(",")]
    codings = [coding for coding in ENCODERS if coding in wanted] if path.endswith(("css", "js")) else []
    sent = ENCODERS[codings[0]](body) if codings else body
    tag = f'"{urlsafe_b64encode(sha256(sent).digest()[:18]).decode()}"'
    headers = {
        "content-type": TYPES[path.rpartition(".")[2]],
        "etag": tag,
        "cache-control": IMMUTABLE if path.count(".") > 1 else "max-age=60, must-revalidate",
        "access-control-allow-origin": "*",
        **({"vary": "Accept-Encoding"} if path.endswith(("css", "js")) else {}),
    }
    if asked.get("if-none-match") == tag:
        return 304, headers, b""
    if asked.get("range") == "bytes=0-0":
        return 206, {**headers, "content-range": f"bytes 0-0/{len(sent)}"}, sent[:1]
    return 200, {**headers, **({"content-encoding": codings[0]} if codings else {})}, sent


Change = Callable[[str, Mapping[str, str], int, Answer], Answer]
"""Takes path, request fields, number of equal requests before, the origin's response; returns the response.

Status 0 closes the connection without a response.
"""


@dataclass
class Deployment:
    """Serves `page` and the `files` that it names; `change` may alter each response.

    `max_under_way` is the largest number of concurrent requests.
    """

    page: str
    files: dict[str, bytes]
    change: Change = lambda path, asked, before, answer: answer
    request_counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    cookies: list[str] = field(default_factory=list)
    under_way: int = 0
    max_under_way: int = 0
    slowness: float = 0.0
    url: str = ""

    def answer(self, path: str, fields: Mapping[str, str]) -> Answer:
        key = (path, fields.get("accept-encoding", "") + fields.get("range", ""))
        with _LOCK:
            before, self.request_counts[key] = self.request_counts[key], self.request_counts[key] + 1
            self.cookies += [fields["cookie"]] if "cookie" in fields else []
        if path == "/":
            plain: Answer = (200, {"content-type": "text/html", "cache-control": "private"}, self.page.encode())
        elif path in self.files:
            plain = answer_as_built(path, self.files[path], fields)
        else:
            plain = (404, {"content-type": "text/plain", "cache-control": "private, no-store, max-age=0"}, b"no\n")
        return self.change(path, fields, before, plain)


_LOCK = threading.Lock()


class _DeploymentHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    deployment: Deployment

    def do_GET(self) -> None:
        own = self.deployment
        with _LOCK:
            own.under_way += 1
            own.max_under_way = max(own.max_under_way, own.under_way)
        time.sleep(own.slowness)
        status, headers, body = own.answer(self.path, {name.lower(): value for name, value in self.headers.items()})
        with _LOCK:
            own.under_way -= 1  # before the client knows that it may ask again
        if not status:
            self.close_connection = True
            return
        self.send_response_only(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            if status != 304 or name != "content-length":
                self.send_header(name, value)
        self.end_headers()
        if status != 304:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
        pass


class _DeploymentServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that reject the certificate."""


@contextmanager
def serve_deployment(deployment: Deployment, certificate: Path | None = None) -> Iterator[Deployment]:
    """Serve the deployment on a port of 127.0.0.1, by TLS if there is a certificate."""
    handler = type("Handler", (_DeploymentHandler,), {"deployment": deployment})
    with _DeploymentServer(("127.0.0.1", 0), handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        deployment.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}"
        try:
            yield deployment
        finally:
            server.shutdown()
            thread.join()
