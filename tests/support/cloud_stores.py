"""Google's and Azure's object stores, each as a server on this machine that speaks its protocol, behind a gate.

gs: moto's server behind Google's dialect (`google_storage`). az: Azurite, Microsoft's own (``make azurite``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event
from urllib.parse import unquote

from tests.support import google_storage
from tests.support.processes import find_free_port, make_environment
from tests.support.required import required
from tests.support.stores import make_bucket, serve_in_thread

KINDS = ("gs", "az")
AZURITE = Path(__file__).parents[1] / "azurite/node_modules/azurite/dist/src/blob/main.js"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The one account of Azurite, as its documentation has it."""


class Gate(ThreadingHTTPServer):
    """What passes requests on to the store at `port`, as long as `lets` says so; others wait until the end."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _GateHandler)
        self.port = port
        self.passed_lines: list[str] = []
        self.is_passed: Callable[[str], bool] = lambda line: True
        self.is_over = Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone away is no news."""


class _GateHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gate

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        line = f"{self.command} {unquote(self.path)}"
        if not self.server.is_passed(line):
            self.server.is_over.wait()
            self.close_connection = True
            return
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)) as store:
            store.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                store.putheader(name, value)
            store.endheaders(body)
            answer = store.getresponse()
            data = answer.read()
        self.server.passed_lines.append(line)
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "content-length", "keep-alive", "transfer-encoding"):
                self.send_header(name, value)
        length = answer.getheader("content-length") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        self.wfile.write(data)

    do_DELETE = do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - as the base class has it


@dataclass(frozen=True)
class Cloud:
    """A store with one bucket, ``bucket``; `variables` lead there through the gate."""

    kind: str
    gate: Gate
    variables: dict[str, str]
    wrong_variables: dict[str, str]
    """The variables that differ where the credentials are wrong."""
    unreachable_variables: dict[str, str]
    """Those that differ where nobody listens."""

    def url(self, path: str = "") -> str:
        return f"{self.kind}://bucket/{path}".rstrip("/")


@contextmanager
def run_cloud(kind: str) -> Iterator[Cloud]:
    """Run a store of that kind."""
    if kind == "az" and not (AZURITE.is_file() and shutil.which("node")):
        required("Azurite is not installed: make azurite")
    port = find_free_port()
    process = subprocess.Popen(
        _command(kind, port), env=make_environment({}), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    gate = Gate(port)
    with serve_in_thread(gate):
        try:
            _make_bucket(kind, port)
            yield _describe_cloud(kind, gate)
        finally:
            gate.is_over.set()
            process.kill()
            process.wait()


def _command(kind: str, port: int) -> list[str]:
    return {
        "gs": [sys.executable, "-m", google_storage.__name__, str(port)],
        "az": ["node", str(AZURITE), "--inMemoryPersistence", "--disableTelemetry", "--blobPort", str(port)],
    }[kind]


def _describe_cloud(kind: str, gate: Gate) -> Cloud:
    address, nobody = f"http://127.0.0.1:{gate.server_port}", "http://127.0.0.1:9"
    if kind == "gs":
        variables = {"GOOGLE_BASE_URL": address, "GOOGLE_BEARER_TOKEN": google_storage.TOKEN}
        return Cloud(kind, gate, variables, {"GOOGLE_BEARER_TOKEN": "nothing"}, {"GOOGLE_BASE_URL": nobody})
    endpoint = "AZURE_STORAGE_ENDPOINT"
    variables = {
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        endpoint: f"{address}/{ACCOUNT}",
    }
    return Cloud(kind, gate, variables, {"AZURE_STORAGE_ACCOUNT_KEY": "bm90aGluZw=="}, {endpoint: nobody})


def _make_bucket(kind: str, port: int) -> None:
    if kind == "az":
        make_bucket(f"http://127.0.0.1:{port}/{ACCOUNT}/bucket?restype=container", _sign_request())
    else:
        make_bucket(f"http://127.0.0.1:{port}/bucket", {"authorization": f"Bearer {google_storage.TOKEN}"})


def _sign_request() -> dict[str, str]:
    """Return the headers of a request for a container.

    (https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key)
    """
    fields = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
    lines = ["PUT", *[""] * 11, *(f"{name}:{value}" for name, value in fields.items())]
    text = "\n".join([*lines, f"/{ACCOUNT}/{ACCOUNT}/bucket", "restype:container"])
    signature = hmac.digest(base64.b64decode(KEY), text.encode(), hashlib.sha256)
    return {**fields, "authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}"}
