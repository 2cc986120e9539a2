"""A request of Django's test client as HTTP, an answer as a response of Django's, and whether they have changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from http.client import HTTPResponse
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote

from django.http import FileResponse, HttpResponseBase
from django.http.response import ResponseHeaders

Environ = dict[str, Any]
Fields = Counter[tuple[str, str]]
SENT = {"REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "CONTENT_LENGTH", "wsgi.url_scheme"}
MEANT = {"HTTP_HOST", "HTTP_X_FORWARDED_PROTO"}
"""Fields by which a client or a proxy says what the test client only has in the environ."""
ADDED = {"connection", "content-length", "date", "transfer-encoding"}
BODILESS = {204, 304}
SAFE = "/:@!$&'()*+,;=~"


def as_a_browser_would(environ: Environ) -> Environ:
    """Return an environ of the test client, in which a path begins with a slash and a query is ASCII."""
    query = quote(environ.get("QUERY_STRING", "").encode("latin-1"), safe=f"{SAFE}%?")
    return {**environ, "PATH_INFO": "/" + environ["PATH_INFO"].removeprefix("/"), "QUERY_STRING": query}


def fields(environ: Environ) -> Iterator[tuple[str, Any]]:
    """Yield the header fields of the request."""
    scheme, port = environ["wsgi.url_scheme"], environ["SERVER_PORT"]
    if "HTTP_HOST" not in environ:
        is_default = port == {"http": "80", "https": "443"}[scheme]
        yield "Host", environ["SERVER_NAME"] + ("" if is_default else f":{port}")
    if scheme == "https":
        yield "X-Forwarded-Proto", scheme
    for name, value in environ.items():
        if name.startswith("HTTP_") and value is not None and (value or name != "HTTP_COOKIE"):
            yield name.removeprefix("HTTP_").replace("_", "-"), value
    if environ.get("CONTENT_TYPE"):
        yield "Content-Type", environ["CONTENT_TYPE"]
    if "CONTENT_LENGTH" in environ:
        yield "Content-Length", environ["CONTENT_LENGTH"]


def changed(sent: Environ, received: Environ) -> Iterator[str]:
    """Yield what of a request did not reach the application as it was sent."""
    is_forwarded = sent.get("HTTP_X_FORWARDED_PROTO") == "https"
    sent = {**sent, "wsgi.url_scheme": "https"} if is_forwarded else sent
    for name in sent.keys() | received.keys():
        if (name in SENT or name.startswith("HTTP_")) and name not in MEANT:
            value = sent.get(name)
            before, after = str("" if value is None else value).strip(), received.get(name, "")
            if before != after:
                yield f"{name}: {before!r} became {after!r}"


def due(given: Fields, status: int) -> Fields:
    """Return what a client must get of a response's header fields: a 204 or 304 has no length (RFC 9110 §8.6)."""
    return Counter(field for field in given.elements() if field[0] != "content-length" or status not in BODILESS)


def added(fields: Fields, response: Any, status: int) -> Iterator[str]:
    """Yield the header fields of the answer that neither the application nor HTTP asked for."""
    for name, value in fields:
        if isinstance(response, FileResponse) and (name, value) == ("accept-ranges", "bytes"):
            continue  # the front sends parts of a file, if they are requested
        if name not in ADDED or (name == "content-length" and status in BODILESS):
            yield f"{name}: {value} was added"


def body_of(response: Any, method: str, streamed: bytes) -> bytes:
    """Return what a client must get of a response (RFC 9110 §6.4.1); of a stream, which is used up, what was got."""
    if method == "HEAD" or response.status_code in BODILESS:
        return b""
    return streamed if response.streaming else bytes(response.content)


def received(response: Any, answer: HTTPResponse, body: bytes) -> HttpResponseBase:
    """Return the response as it came over the socket."""
    response.status_code, response.reason_phrase = answer.status, answer.reason
    lines = [(name, value) for name, value in answer.getheaders() if name.lower() not in ADDED - {"content-length"}]
    response.headers = ResponseHeaders({name: value for name, value in lines if name.lower() != "set-cookie"})
    response.cookies = SimpleCookie()
    for value in (value for name, value in lines if name.lower() == "set-cookie"):
        response.cookies.load(value)
    for morsel in response.cookies.values():
        if morsel["max-age"].isdigit():
            morsel["max-age"] = int(morsel["max-age"])
    if response.streaming:
        response.streaming_content = [body]
    else:
        response.content = body
    return response  # type: ignore[no-any-return]
