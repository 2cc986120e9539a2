"""Django's own test suite with real requests: ``python -m tests.real.over_a_port TREE RUNTESTS [ARGUMENT]…``.

Strategy: Django's test client calls a handler in its own process. Here that handler sends the request over a socket to
this project's server: uvicorn, the front with the static tree TREE, the bridge, then Django's WSGI handler. The
server's threads are in the same process, so that the test's settings, mocks, signals and database connections are those
of the view; its language and time zone are handed over. What the test gets back is the response that the view made,
with status, header fields, cookies and body replaced by those that came over the socket. `LiveServerTestCase` gets the
same server in place of wsgiref's.

Rule: of every request, whatever the test looks at, Django must get what the client sent, and the client every header
field that Django gave, and none that nobody asked for.
"""

from __future__ import annotations

import itertools
import runpy
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import quote

import uvicorn
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connections
from django.http import HttpResponseBase
from django.test import client as django_client
from django.test.testcases import LiveServerThread
from django.utils import timezone, translation

from static_host import health
from static_host.asgi import Front
from static_host.conf.settings import Settings
from static_host.origin.responder import Responder
from static_host.origin.tree import load_tree
from static_host.project.wsgi_bridge import WSGIWorker
from static_host.server.listener import open_listener
from static_host.server.serve import build_uvicorn_config
from tests.real.messages import (
    SAFE,
    SENT,
    Environ,
    Fields,
    added,
    as_a_browser_would,
    body_of,
    changed,
    due,
    fields,
    received,
)

Start = Callable[..., Any]
Application = Callable[[Environ, Start], Iterable[bytes]]
PREFIX = "/of-the-front/"
"""Where the front has its static files; Django's tests have their own below ``/static/``."""
CALL = "HTTP_X_CALL"
"""The environ's name of the field that tells which call of the test client a request is."""


class Server:
    """This project's server for a WSGI application, with the interface of wsgiref's that `LiveServerThread` uses."""

    responder: Responder

    def __init__(
        self, address: tuple[str, int], *_: Any, connections_override: dict[str, Any] | None = None, **__: Any
    ) -> None:
        self.listener = open_listener(*address)
        self.server_address: tuple[str, int] = self.listener.getsockname()[:2]
        self._shared = connections_override or {}

    def set_app(self, application: Application) -> None:
        """Take the application, which gets the shared database connections in each of its threads."""

        def call(environ: Environ, start_response: Start) -> Iterable[bytes]:
            for alias, connection in self._shared.items():
                connections[alias] = connection
            return application(environ, start_response)

        settings, readiness = Settings(), health.Readiness()
        routes = health.build_routes(settings.health_path, settings.ready_path, readiness)
        django = WSGIWorker(call, threads=4, backlog=100)
        front = Front(settings, self.responder, readiness, None, django, routes=routes)
        config = build_uvicorn_config(front, settings)
        config.lifespan = "off"
        self._server = uvicorn.Server(config)

    def serve_forever(self) -> None:
        self._server.run(sockets=[self.listener])

    def shutdown(self) -> None:
        self._server.should_exit = True

    def server_close(self) -> None:
        """Nothing is left: `serve_forever` closes what it opened."""


class Call:
    """One call of the test client's handler, as the WSGI application that answers its request.

    `wrong` tells what of the request did not reach it as it was sent; `given` are the header fields of its response.
    """

    def __init__(self, handler: django_client.ClientHandler, environ: Environ) -> None:
        self.environ = environ
        self.connections = [connections[alias] for alias in connections]
        self.response: Any = None
        self.error: BaseException | None = None
        self.is_over = Event()
        self.wrong: list[str] = []
        self.given: Fields = Counter()
        self._handler = handler
        self._language = translation.get_language()
        self._time_zone = timezone.get_current_timezone()

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        self.wrong = [*changed(self.environ, environ)]
        self._take_over(environ)

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            self.given = Counter((name.lower(), value.strip()) for name, value in headers)
            return start_response(status, headers, *error)

        try:
            return WSGIHandler.__call__(self, environ, start)  # type: ignore[arg-type]
        except BaseException as error:
            self.error = error
            self.is_over.set()
            raise

    def _take_over(self, environ: Environ) -> None:
        """Take from the test what HTTP does not carry, as ``SCRIPT_NAME`` and ``REMOTE_USER`` of the environ."""
        for name, value in self.environ.items():
            if name not in SENT and not name.startswith(("HTTP_", "wsgi.")):
                environ[name] = value
        for connection in self.connections:
            connections[connection.alias] = connection
        translation.activate(self._language) if self._language else translation.deactivate_all()
        timezone.activate(self._time_zone)

    def request_class(self, environ: Environ) -> WSGIRequest:
        """Return the request, which `WSGIHandler` asks for."""
        request = WSGIRequest(environ)
        request._dont_enforce_csrf_checks = not self._handler.enforce_csrf_checks  # type: ignore[attr-defined]
        return request

    def get_response(self, request: WSGIRequest) -> HttpResponseBase:
        """Return the response, which `WSGIHandler` asks for."""
        self.response = response = self._handler.get_response(request)
        response.wsgi_request = request  # type: ignore[attr-defined]
        close = response.close

        def closed() -> None:
            try:
                close()
            finally:
                self.is_over.set()

        response.close = closed  # type: ignore[method-assign]
        return response

    def differences(self, answer: HTTPResponse, body: bytes) -> list[str]:
        """Return what the client got otherwise than Django gave it, and Django otherwise than the client."""
        got = Counter((name.lower(), value) for name, value in answer.getheaders())
        expected = due(self.given, answer.status)
        lost = (f"{name}: {value} was lost" for name, value in expected - got)
        wrong = [*self.wrong, *lost, *added(got - expected, answer.status)]
        if answer.status != self.response.status_code:
            wrong.append(f"status {self.response.status_code} became {answer.status}")
        if body != body_of(self.response, self.environ["REQUEST_METHOD"], body):
            wrong.append(f"the body became {body!r}")
        return wrong


class Port:
    """The one server of the test client's calls; `requests` is how many it had."""

    def __init__(self) -> None:
        self.requests = 0
        self._calls: dict[str, Call] = {}
        self._numbers = itertools.count()
        self._server = Server(("127.0.0.1", 0))
        self._server.set_app(self._application)
        Thread(target=self._server.serve_forever, daemon=True).start()

    def handle(self, handler: django_client.ClientHandler, environ: Environ) -> HttpResponseBase:
        """Take the place of ``ClientHandler.__call__``."""
        if handler._middleware_chain is None:  # type: ignore[attr-defined]
            handler.load_middleware()
        call = Call(handler, as_a_browser_would(environ))
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
        for connection in call.connections:
            connection.inc_thread_sharing()
        try:
            return self._exchanged(call)
        finally:
            for connection in call.connections:
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
            for name, value in fields({**call.environ, CALL: number}):
                client.putheader(name, str(value).encode("latin-1"))
            client.endheaders(call.environ["wsgi.input"].read())
            answer = client.getresponse()
            body = answer.read()
        finally:
            client.close()
        assert number not in self._calls, f"the server itself answered {answer.status} {answer.reason}"
        assert call.is_over.wait(30), "the response was not closed"
        return answer, body

    def _application(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        return self._calls.pop(environ.pop(CALL))(environ, start_response)


def main(tree: str, runtests: str, *arguments: str) -> None:
    """Run Django's ``runtests.py`` with real requests; the last line tells how many there were."""
    Server.responder = Responder(load_tree(Path(tree)), PREFIX)
    port = Port()
    handle: Any = lambda handler, environ: port.handle(handler, environ)  # noqa: E731 - a method is bound
    django_client.ClientHandler.__call__ = handle  # type: ignore[method-assign]
    LiveServerThread.server_class = Server  # type: ignore[assignment]
    sys.argv = [runtests, *arguments]
    sys.path.insert(0, str(Path(runtests).parent))
    try:
        runpy.run_path(runtests, run_name="__main__")
    finally:
        print(f"{port.requests} requests went over a port")


if __name__ == "__main__":
    main(*sys.argv[1:])
