"""Object stores for tests: a server that speaks S3's protocol, and one that can be told to misbehave."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import httpx

from tests.support.processes import SCRIPTS, find_free_port, make_environment
from tests.support.waiting import wait_until


def make_credentials(endpoint: str) -> dict[str, str]:
    """Return the variables of a store at that address."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "something",
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def run_moto() -> Iterator[dict[str, str]]:
    """Run moto's server with one bucket, ``bucket``; give the variables that lead there."""
    variables = make_credentials(f"http://127.0.0.1:{find_free_port()}")
    port = variables["AWS_ENDPOINT_URL"].rpartition(":")[2]
    command = [str(SCRIPTS / "moto_server"), "-H", "127.0.0.1", "-p", port]
    process = subprocess.Popen(command, env=make_environment({}), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        make_bucket(f"{variables['AWS_ENDPOINT_URL']}/bucket", {})
        yield variables
    finally:
        process.kill()
        process.wait()


def make_bucket(url: str, fields: dict[str, str]) -> None:
    """Make a bucket as soon as the store listens; the request has these fields."""
    answers: list[httpx.Response] = []

    def is_answered() -> bool:
        with suppress(httpx.TransportError):
            answers.append(httpx.put(url, headers=fields))
        return bool(answers)

    wait_until(is_answered, f"{url} does not listen")
    assert answers[0].is_success, answers[0].text


@contextmanager
def serve_in_thread(server: ThreadingHTTPServer) -> Iterator[None]:
    """Have it answer in a thread."""
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextmanager
def run_portal(page: bytes) -> Iterator[str]:
    """Run what answers every question with one page; give its address."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(page)

        do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - as the base class has it

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serve_in_thread(server):
        yield f"http://127.0.0.1:{server.server_port}"


class Bucket(ThreadingHTTPServer):
    """The bucket ``bucket`` of what lies in `directory`, read-only but for PUT, in S3's protocol.

    `asked` are the keys that were asked for, ``?prefix`` for a list; `fault` may change what is answered: it is given
    a key and a body, and returns another body, or a status, or None for silence until the end. `pace` is how many
    bytes a second are sent of an object; 0: all at once.
    """

    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), _BucketHandler)
        self.directory = directory
        self.requested_keys: list[str] = []
        self.fault: Callable[[str, bytes], bytes | int | None] = lambda key, body: body
        self.is_over = Event()
        self.bytes_per_second = 0

    @property
    def variables(self) -> dict[str, str]:
        return make_credentials(f"http://127.0.0.1:{self.server_port}")

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone away is no news."""


class _BucketHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bucket

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        key = unquote(parts.path).removeprefix("/bucket").removeprefix("/")
        if "list-type" in query:
            key = f"?{query['prefix'][0]}"
            body: bytes | None = self._list_keys(query["prefix"][0])
        else:
            path = self.server.directory / key
            body = path.read_bytes() if path.is_file() else None
        self.server.requested_keys.append(key)
        if body is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        answer = self.server.fault(key, body)
        if answer is None:
            self.server.is_over.wait()
        elif isinstance(answer, int):
            self._answer(answer, b"<Error><Code>Fault</Code></Error>")
        else:
            self._answer(200, answer, 0 if "list-type" in query else self.server.bytes_per_second)

    do_HEAD = do_GET  # noqa: N815 - as the base class has it

    def do_PUT(self) -> None:
        key = unquote(urlsplit(self.path).path).removeprefix("/bucket/")
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.requested_keys.append(f"PUT {key}")
        answer = self.server.fault(f"PUT {key}", body)
        if isinstance(answer, int):
            self._answer(answer, b"<Error><Code>AccessDenied</Code></Error>")
            return
        path = self.server.directory / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        self._answer(200, b"")

    def _list_keys(self, prefix: str) -> bytes:
        rows = ""
        for path in sorted(self.server.directory.rglob("*")):
            key = path.relative_to(self.server.directory).as_posix()
            if path.is_file() and key.startswith(prefix):
                facts = path.stat()
                stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(facts.st_mtime))
                rows += f"<Contents><Key>{escape(key)}</Key><LastModified>{stamp}.000Z</LastModified>"
                rows += f'<ETag>"{facts.st_mtime_ns}"</ETag><Size>{facts.st_size}</Size></Contents>'
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>".encode()

    def _answer(self, status: int, body: bytes, pace: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{md5(body).hexdigest()}"')
        self.send_header("Last-Modified", formatdate(usegmt=True))
        self.end_headers()
        if self.command != "HEAD":
            step = pace // 20 or len(body) or 1
            for start in range(0, len(body), step):
                self.wfile.write(body[start : start + step])
                if pace:
                    self.server.is_over.wait(0.05)


@contextmanager
def run_bucket(directory: Path) -> Iterator[Bucket]:
    """Run a bucket."""
    server = Bucket(directory)
    with serve_in_thread(server):
        try:
            yield server
        finally:
            server.is_over.set()
