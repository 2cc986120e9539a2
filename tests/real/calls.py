"""A call of the test client's handler, whose request went over a socket, as the application that answers it.

Rule: what HTTP does not carry is taken over from the test: database connections, language, time zone, and what its
environ has besides a request, as ``REMOTE_USER``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from http.client import HTTPResponse
from threading import Event
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest, get_path_info
from django.db import connections
from django.http import HttpRequest, HttpResponseBase
from django.test.client import ClientHandler
from django.utils import timezone, translation

from static_host_django.asgi_types import ASGIApp, Scope
from tests.real.live_servers import share_connections
from tests.real.messages import SENT, Environ, Fields, added, body_of, changed, due

CALL = "X-Call"
"""The header field that tells which call of the test client a request is."""

REMOTE_USER = {"REMOTE_USER": "HTTP_REMOTE_USER"}
"""What Django's middleware reads through WSGI, and what through ASGI: a header field there."""


class Call:
    """One call of the test client's handler.

    `wrong` tells what of the request did not reach it as it was sent; `given` are the header fields of its response.
    """

    is_async: bool
    elsewhere: AbstractSet[str] = frozenset()
    """Names of the environ that are taken over by other means."""

    def __init__(self, handler: ClientHandler, environ: Environ) -> None:
        if handler._middleware_chain is None:  # type: ignore[attr-defined]
            handler.load_middleware(is_async=self.is_async)
        self.environ = environ
        self.connections = {alias: connections[alias] for alias in connections}
        self.response: Any = None
        self.error: BaseException | None = None
        self.is_over = Event()
        self.wrong: list[str] = []
        self.given: Fields = Counter()
        self._handler = handler
        self._language = translation.get_language()
        self._time_zone = timezone.get_current_timezone()

    def differences(self, answer: HTTPResponse, body: bytes) -> list[str]:
        """Return what the client got otherwise than Django gave it, and Django otherwise than the client."""
        got = Counter((name.lower(), value) for name, value in answer.getheaders())
        expected = due(self.given, answer.status)
        lost = (f"{name}: {value} was lost" for name, value in expected - got)
        wrong = [*self.wrong, *lost, *added(got - expected, self.response, answer.status)]
        if answer.status != self.response.status_code:
            wrong.append(f"status {self.response.status_code} became {answer.status}")
        if body != body_of(self.response, self.environ["REQUEST_METHOD"], body):
            wrong.append(f"the body became {body!r}")
        return wrong

    def _take_locale_over(self) -> None:
        translation.activate(self._language) if self._language else translation.deactivate_all()
        timezone.activate(self._time_zone)

    def _environ_besides_request(self) -> Iterator[tuple[str, Any]]:
        for name, value in self.environ.items():
            if name not in {*SENT, *self.elsewhere} and not name.startswith(("HTTP_", "wsgi.")):
                yield name, value

    def _configure(self, request: HttpRequest) -> None:
        request._dont_enforce_csrf_checks = not self._handler.enforce_csrf_checks  # type: ignore[attr-defined]

    def _take_response(self, response: HttpResponseBase, request: HttpRequest) -> None:
        self.response = response
        response.wsgi_request = request  # type: ignore[attr-defined]
        close = response.close

        def closed() -> None:
            try:
                close()
            finally:
                self.is_over.set()

        response.close = closed  # type: ignore[method-assign]

    def _fail(self, error: BaseException) -> None:
        self.error = error
        self.is_over.set()


class WSGICall(Call):
    """A call as a WSGI application."""

    is_async = False

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.wrong = [*changed(self.environ, environ)]
        environ.update(self._environ_besides_request())
        share_connections(self.connections)
        self._take_locale_over()

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            self.given = Counter((name.lower(), value.strip()) for name, value in headers)
            return start_response(status, headers, *error)

        try:
            return WSGIHandler.__call__(self, environ, start)  # type: ignore[arg-type]
        except BaseException as error:
            self._fail(error)
            raise

    def request_class(self, environ: Environ) -> WSGIRequest:
        """Return the request, which `WSGIHandler` asks for."""
        request = WSGIRequest(environ)
        self._configure(request)
        return request

    def get_response(self, request: WSGIRequest) -> HttpResponseBase:
        """Return the response, which `WSGIHandler` asks for."""
        response = self._handler.get_response(request)
        self._take_response(response, request)
        return response


class ASGICall(Call, ASGIHandler):
    """A call as an ASGI application, with the middleware of the test client's handler."""

    is_async = True
    elsewhere = frozenset({"SCRIPT_NAME"})

    def __init__(self, handler: ClientHandler, environ: Environ) -> None:
        renamed = {REMOTE_USER.get(name, name): value for name, value in environ.items()}
        Call.__init__(self, handler, renamed)
        self._middleware_chain = handler._middleware_chain  # type: ignore[attr-defined]

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the request, with what is taken over in the thread of its synchronous views."""
        await sync_to_async(share_connections)(self.connections)
        self._take_locale_over()

        async def send_on(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                lines = (
                    (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in message["headers"]
                )
                self.given = Counter((name, value.strip()) for name, value in lines)
            await send(message)

        try:
            await super().handle({**scope, **self._paths(scope)}, receive, send_on)
        except BaseException as error:
            self._fail(error)
            raise

    def _paths(self, scope: Scope) -> Environ:
        """Return the paths that a server has for an application below ``SCRIPT_NAME``."""
        script_name = self.environ["SCRIPT_NAME"]
        return {"root_path": script_name, "path": script_name.rstrip("/") + scope["path"]}

    def request_class(self, scope: Scope, body: Any) -> ASGIRequest:  # type: ignore[override]
        """Return the request, which `ASGIHandler` asks for."""
        request = ASGIRequest(scope, body)
        sent = {**self.environ, "PATH_INFO": get_path_info(self.environ)}
        self.wrong = [*changed(sent, {**request.META, "wsgi.url_scheme": request.scheme})]
        request.META.update(self._environ_besides_request())
        self._configure(request)
        return request

    async def run_get_response(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response, which `ASGIHandler` asks for."""
        response = await super().run_get_response(request)
        self._take_response(response, request)
        return response


def serve_wsgi(calls: dict[str, WSGICall]) -> Callable[..., Iterable[bytes]]:
    """Return the WSGI application that leaves each request to its call."""
    name = f"HTTP_{CALL.upper().replace('-', '_')}"
    return lambda environ, start_response: calls.pop(environ.pop(name))(environ, start_response)


def serve_asgi(calls: dict[str, ASGICall]) -> ASGIApp:
    """Return the ASGI application that leaves each request to its call."""
    field = CALL.lower().encode()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise ValueError(f"no calls of type {scope['type']}")
        number = next(value for name, value in scope["headers"] if name == field)
        headers = [(name, value) for name, value in scope["headers"] if name != field]
        await calls.pop(number.decode())({**scope, "headers": headers}, receive, send)

    return application
