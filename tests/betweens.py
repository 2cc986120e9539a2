"""What stands between a client and a deployment, as CDNs do: it passes requests on, or not, and may have TLS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx


class Between(ThreadingHTTPServer):
    """Without zstd it passes on what is asked for below `below`; paths that begin with `moved` lead to `location`.

    `asked` are the header fields of the requests that came.
    """

    daemon_threads = True

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.origin = self.below = self.moved = ""
        self.location = "http://elsewhere.example/"
        self.asked: list[dict[str, str]] = []
        self._scheme = "http"
        if certificate:
            self._scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not trust the certificate goes away, which is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Between

    def do_GET(self) -> None:
        own = self.server
        own.asked.append({name.lower(): value for name, value in self.headers.items()})
        if own.moved and self.path.startswith(own.moved):
            self.send_response(302)
            self.send_header("Location", own.location)
            self.end_headers()
            return
        coding = self.headers.get("Accept-Encoding", "")
        headers = {"accept-encoding": coding if coding in ("br", "gzip") else "identity"}
        with httpx.stream("GET", own.origin + self.path.removeprefix(own.below), headers=headers) as answer:
            body = b"".join(answer.iter_raw())
        self.send_response(answer.status_code)
        if "content-encoding" in answer.headers:
            self.send_header("Content-Encoding", answer.headers["content-encoding"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def between(certificate: Path | None = None) -> Iterator[Between]:
    """Run it on a port of 127.0.0.1."""
    with Between(certificate) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
