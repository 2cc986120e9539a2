"""Django's own test suite with real requests: ``python -m tests.real.over_a_port INTERFACE TREE RUNTESTS [ARGUMENT]…``.

Strategy: Django's test client calls a handler in its own process. Here that handler sends the request over a socket to
this project's server: uvicorn, the front with the static tree TREE, a worker, then Django's handler for INTERFACE,
``wsgi`` or ``asgi``. The worker's threads are in the same process, so that the test's settings, mocks, signals and
database connections are those of the view; its language and time zone are handed over. What the test gets back is the
response that the view made, with status, header fields, cookies and body replaced by those that came over the socket.
`LiveServerTestCase` gets the same server in place of wsgiref's.

Rule: of every request, whatever the test looks at, Django must get what the client sent, and the client every header
field that Django gave, and none that nobody asked for.
"""

from __future__ import annotations

import itertools
import runpy
import sys
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.http import HttpResponseBase
from django.test import client as django_client
from django.test.testcases import LiveServerThread

from static_host.origin.responder import Responder
from static_host.origin.tree import load_tree
from tests.real.calls import CALL, ASGICall, Call, WSGICall, serve_asgi, serve_wsgi
from tests.real.live_servers import ASGIServer, Server, WSGIServer
from tests.real.messages import SAFE, as_a_browser_would, fields, received

PREFIX = "/of-the-front/"
"""Where the front has its static files; Django's tests have their own below ``/static/``."""


class Port:
    """The one server of the test client's calls; `requests` is how many it had."""

    def __init__(self, *, is_asgi: bool) -> None:
        self.requests = 0
        self._calls: dict[str, Any] = {}
        self._numbers = itertools.count()
        self._call_class = ASGICall if is_asgi else WSGICall
        self._server = self._start_asgi() if is_asgi else self._start_wsgi()
        Thread(target=self._server.serve_forever, daemon=True).start()

    def _start_wsgi(self) -> Server:
        server = WSGIServer(("127.0.0.1", 0))
        server.set_app(serve_wsgi(self._calls))
        return server

    def _start_asgi(self) -> Server:
        server = ASGIServer(("127.0.0.1", 0))
        server.set_asgi_app(serve_asgi(self._calls))
        return server

    def handle(self, handler: django_client.ClientHandler, environ: dict[str, Any]) -> HttpResponseBase:
        """Take the place of ``ClientHandler.__call__``."""
        call = self._call_class(handler, as_a_browser_would(environ))
        answer, body = self._shared(call)
        if call.error:
            raise call.error
        wrong = call.differences(answer, body)
        assert not wrong, wrong
        return received(call.response, answer, body)

    def _shared(self, call: Call) -> tuple[HTTPResponse, bytes]:
        """Exchange request and answer while the server's thread may use the test's database connections."""
        for signal in (request_started, request_finished):
            signal.disconnect(close_old_connections)
        for connection in call.connections.values():
            connection.inc_thread_sharing()
        try:
            return self._exchanged(call)
        finally:
            for connection in call.connections.values():
                connection.dec_thread_sharing()
            for signal in (request_started, request_finished):
                signal.connect(close_old_connections)

    def _exchanged(self, call: Call) -> tuple[HTTPResponse, bytes]:
        self.requests += 1
        number = str(next(self._numbers))
        self._calls[number] = call
        target = quote(call.environ["PATH_INFO"].encode("latin-1"), safe=SAFE)
        query = call.environ["QUERY_STRING"]
        client = HTTPConnection(*self._server.server_address, timeout=30)
        try:
            client.putrequest(
                call.environ["REQUEST_METHOD"],
                f"{target}?{query}" if query else target,
                skip_host=True,
                skip_accept_encoding=True,
            )
            for name, value in (*fields(call.environ), (CALL, number)):
                client.putheader(name, str(value).encode("latin-1"))
            client.endheaders(call.environ["wsgi.input"].read())
            answer = client.getresponse()
            body = answer.read()
        finally:
            client.close()
        assert number not in self._calls, f"the server itself answered {answer.status} {answer.reason}"
        assert call.is_over.wait(30), "the response was not closed"
        return answer, body


def main(interface: str, tree: str, runtests: str, *arguments: str) -> None:
    """Run Django's ``runtests.py`` with real requests; the last line tells how many there were."""
    is_asgi = {"wsgi": False, "asgi": True}[interface]
    Server.responder = Responder(load_tree(Path(tree)), PREFIX)
    port = Port(is_asgi=is_asgi)
    handle: Any = lambda handler, environ: port.handle(handler, environ)  # noqa: E731 - a method is bound
    django_client.ClientHandler.__call__ = handle  # type: ignore[method-assign]
    LiveServerThread.server_class = ASGIServer if is_asgi else WSGIServer  # type: ignore[assignment]
    sys.argv = [runtests, *arguments]
    sys.path.insert(0, str(Path(runtests).parent))
    try:
        runpy.run_path(runtests, run_name="__main__")
    finally:
        print(f"{port.requests} requests went over a port")


if __name__ == "__main__":
    main(*sys.argv[1:])
