"""100,000 random heads: the same bytes with the fast path and without it, whole and in pieces. No socket is needed."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from static_host.http.connection import HttpProtocol
from static_host.middleware.forwarded import ForwardedMiddleware, TrustedProxies
from static_host.middleware.static_files import StaticFilesMiddleware
from static_host.origin.responder import Responder
from static_host.origin.security import SecurityPolicy
from static_host.origin.tree import load_tree
from tests.support.memory_transport import exchange_in_memory
from tests.support.trees import make_tree
from tests.support.wire import parse_responses

HEADS_PER_SEED = 5_000
LINE, HOST = b"GET /static/a.txt HTTP/1.1", b"Host: a"
PIECES = (
    *(b"GET", b"HEAD", b"POST", b"get", b" ", b"  ", b"/", b"/page", b"/static/a.txt", b"/static/", b"//static/a.txt"),
    *(b"?a=1", b"#x", b"%61", b"%", b"..", b"http://a/static/a.txt", b" HTTP/1.1", b" HTTP/1.0", b" HTTP/2.0", b"*"),
    *(b"\r\n", b"\n", b"\r", b"\t", b":", b",", b";", b"\x00", b"\x0b", b"\x7f", b"\xe9", b"\r\n\r\n", b"\r\n ", b"0"),
    *(b"Host: a", b"Host: b", b"Host:", b"Connection: close", b"connection: Keep-Alive", b"Connection: upgrade, x"),
    *(b"Upgrade: websocket", b"Upgrade: h2c", b"Content-Length: 0", b"Content-Length: 5", b"content-length: +5"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Expect: 100-continue", b"hello"),
    *(
        b"5\r\nhello\r\n0\r\n\r\n",
        b"0\r\n\r\n",
        b"Accept-Encoding: br",
        b"ACCEPT-ENCODING: gzip;q=0",
        b"Range: bytes=2-3",
    ),
    *(b"If-None-Match: *", b"If-Match: x", b"range: bytes=2-3", b"Proxy-Connection: close", b"X-Request-ID: \x80"),
)
END = b"\r\n\r\nGET /static/end HTTP/1.1\r\nHost: a\r\n\r\n"


SCHEME_PIECES = (
    *(b"X-Forwarded-Proto: https", b"x-forwarded-proto: http", b"X-Forwarded-Proto: https, http", b"https", b"http"),
    *(
        b"X-Forwarded-Proto: ,https",
        b"X-Forwarded-Proto:",
        b"X-FORWARDED-PROTO:\thttps ",
        b"X-Forwarded-For: 203.0.113.7, 192.0.2.1",
        b"X-Forwarded-For: 203.0.113.7",
        b"X-TLS: on",
        b"x-tls: on,off",
    ),
    *(b"Host: evil.example", b"X-Forwarded-Host: www.example.org", b"X-TLS:", b"?a=%C3%BC;<"),
)
FACTS = {
    "hsts": "max-age=1",
    "referrer_policy": "origin",
    "opener_policy": "same-origin",
    "redirect_host": "",
    "allowed_hosts": ["a", ".example.org"],
    "uses_forwarded_host": False,
    "redirect_exempt": [["^page", 0]],
    "redirects": False,
    "proxy_header": [],
}
POLICIES: tuple[dict[str, Any], ...] = (
    {},
    {"proxy_header": ["x-forwarded-proto", "https"]},
    {"redirects": True},
    {"redirects": True, "hsts": "", "proxy_header": ["x-tls", "on"], "uses_forwarded_host": True},
)


def make_heads(chance: random.Random, pieces: tuple[bytes, ...] = PIECES) -> bytes:
    """Return one to three requests that are nearly right, and one that is."""
    requests = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        lines = [LINE, HOST, b"Accept-Encoding: br"]
        for _ in range(chance.choice((0, 0, 1, 1, 2))):
            lines.insert(chance.randrange(len(lines) + 1), chance.choice(pieces))
            number = chance.randrange(len(lines))
            if chance.random() < 0.25:
                place = chance.randrange(len(lines[number]) + 1)
                lines[number] = lines[number][:place] + chance.choice(pieces) + lines[number][place:]
            if chance.random() < 0.2:
                del lines[number]
        requests.append(b"\r\n".join(lines))
    return b"\r\n\r\n".join(requests) + END


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Respond with the request."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    text = b"%s %s %s" % (scope["method"].encode(), scope["raw_path"], body)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


class App:
    """The origin and a page behind it, and a proxy before it."""

    def __init__(self, responder: Responder, trusted: tuple[str, ...]) -> None:
        self.responder = responder
        self.proxies = TrustedProxies(trusted)
        self.respond = ForwardedMiddleware(StaticFilesMiddleware(answer, responder), self.proxies)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.respond(scope, receive, send)


Connect = Callable[[], Any]


def make_connectors(responder: Responder, trusted: tuple[str, ...] = ()) -> Iterator[Connect]:
    """Yield what makes a connection with the fast path, and one to an application without static files of its own."""
    app = App(responder, trusted)
    for each in (app, app.respond.__call__):
        config = uvicorn.Config(
            each, http=HttpProtocol, log_config=None, proxy_headers=False, ws="none", interface="asgi3"
        )
        config.load()
        state = uvicorn.Server(config).server_state
        state.default_headers = [(b"date", b"now")]
        yield lambda config=config, state=state: HttpProtocol(config, state, {})  # type: ignore[misc]


@pytest.fixture
def responder(tmp_path: Path) -> Responder:
    return Responder(
        load_tree(make_tree(tmp_path / "tree", {"a.txt": {"identity": b"0123456789", "br": b"br"}})), "/static/"
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_fast_path_and_the_other_one_send_the_same_bytes(
    responder: Responder, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    chance = random.Random(seed)

    async def compare() -> None:
        fast, other = make_connectors(responder)
        for _ in range(HEADS_PER_SEED):
            data = make_heads(chance)
            by_fast_path = await exchange_in_memory(fast(), data)
            assert by_fast_path == await exchange_in_memory(other(), data), data
            if b"HEAD" not in data and b"Upgrade" not in data:
                parse_responses(by_fast_path)
            if chance.random() < 0.2 and b"ontent-" not in data and b"ransfer-" not in data:  # a body may come too late
                cuts = sorted(chance.sample(range(1, len(data)), chance.choice((1, 1, 2, 5))))
                pieces = [data[first:end] for first, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
                assert await exchange_in_memory(fast(), *pieces) == by_fast_path, pieces

    asyncio.run(compare())


@pytest.mark.parametrize("trusted", [(), ("192.0.2.1",)], ids=["a client", "a proxy"])
@pytest.mark.parametrize("policy", range(len(POLICIES)))
def test_both_ways_agree_on_which_requests_are_secure(
    responder: Responder, policy: int, trusted: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    chance = random.Random(policy)
    responder.security = SecurityPolicy.from_facts({**FACTS, **POLICIES[policy]})
    found: set[bytes] = set()

    async def compare() -> None:
        fast, other = make_connectors(responder, trusted)
        for _ in range(HEADS_PER_SEED // 2):
            data = make_heads(chance, (*PIECES, *SCHEME_PIECES * 4))
            by_fast_path = await exchange_in_memory(fast(), data)
            assert by_fast_path == await exchange_in_memory(other(), data), data
            found.update(each for each in (b"max-age=1\r", b" 301 ", b" 200 ") if each in by_fast_path)

    asyncio.run(compare())
    assert b" 200 " in found or responder.security.is_redirecting
    assert (b" 301 " in found) == responder.security.is_redirecting
    assert (b"max-age=1\r" in found) == bool(responder.security.hsts and (trusted or policy == 1))
