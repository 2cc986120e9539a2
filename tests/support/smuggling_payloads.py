"""Requests that one recipient takes for another than the next one does: their bytes, and what may come of them.

Each is followed by a marker, a request of its own. The keys of the tables say what a recipient may do by RFC 9112:

- "refused": one response of 4xx or 5xx, and the connection ends; the marker is not seen.
- "took ...": the application gets these bytes as the body; then the marker is answered.
- "no body": the application gets an empty body; what follows is no request, so it is refused.
- "waits": it is not complete; there is no response, and the marker is a part of it.
- "marker": nothing but the marker is answered.
"""

from __future__ import annotations

from collections.abc import Iterator

HIDDEN = b"GET /echo/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""A request in a body."""
HOST = b"Host: localhost\r\n"
POST = b"POST /echo/ HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
TOOK, TOOK_NOTHING, TOOK_HIDDEN = "took hello", "took ", "took " + HIDDEN.decode()
LENGTH = b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN
HIDDEN_CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)
WEB_SOCKET = (
    HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
H2C = HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"

CODINGS: dict[tuple[str, ...], list[bytes]] = {
    (TOOK,): [b"Transfer-Encoding: chunked", b"transfer-encoding:CHUNKED", b"TRANSFER-ENCODING:   Chunked  "],
    (TOOK, "refused"): [
        *(b"Transfer-Encoding:\tchunked", b"Transfer-Encoding: chunked\t", b"Transfer-Encoding:\r\n chunked"),
        *(b"X: a\nTransfer-Encoding: chunked", b"Transfer-Encoding: ,chunked", b"Transfer-Encoding: chunked,"),
    ],
    ("refused",): [
        *(b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: chunked\x0b", b"Transfer-Encoding:\x0cchunked"),
        *(b"Transfer-Encoding: chunked\x00", b"Transfer-Encoding: \x00chunked", b"Transfer-Encoding: chunked\xa0"),
        *(b"Transfer-Encoding: \xefchunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked"),
        *(b"Transfer-Encoding\x0b: chunked", b"Transfer-Encoding\x00: chunked", b"\x00Transfer-Encoding: chunked"),
        *(
            b" Transfer-Encoding: chunked",
            b"X: a\r\n Transfer-Encoding: chunked",
            b"X: a\r\n\tTransfer-Encoding: chunked",
        ),
        *(b"Transfer-Encoding: xchunked", b"Transfer-Encoding: chunkedx", b'Transfer-Encoding: "chunked"'),
        *(b"Transfer-Encoding: 'chunked'", b"Transfer-Encoding: chunked;x=y", b"Transfer-Encoding: chunked chunked"),
        *(b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: cow"),
        *(b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: cow, chunked", b"Transfer-Encoding:"),
        *(b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x"),
        *(b"Transfer-Encoding: chun\r\n ked", b"Transfer-Encoding\r: chunked", b"Transfer-Encoding:\rchunked"),
        *(b"X: a\rTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\r", b"Transfer-Encoding chunked"),
        *(b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"Content-Length: 5\r\nTransfer-Encoding: chunked"),
        *(b"Transfer-Encoding: Chunked\r\nContent-Length: 0", b"Content-Length: 15\r\nTransfer-Encoding: identity"),
        *(b"Transfer Encoding: chunked", b"Transfer-Encod\xe9ng: chunked", b"Transfer-Encoding:: chunked"),
    ],
    ("no body", "refused"): [
        b"Transfer_Encoding: chunked",
        b"Content-Encoding: chunked",
        b"X-Transfer-Encoding: chunked",
    ],
}
"""Lines of a head, behind which chunks stand."""
LENGTHS: dict[tuple[str, ...], list[bytes]] = {
    (TOOK,): [
        b"Content-Length: 5",
        b"content-length:5",
        b"CONTENT-LENGTH:   5  ",
        b"Content-Length: 5\r\nContent_Length: 0",
    ],
    (TOOK, "refused"): [
        *(b"Content-Length: 5, 5", b"Content-Length: 5,5", b"Content-Length: 5\r\nContent-Length: 5"),
        *(b"Content-Length: 0005", b"Content-Length:\t5\t", b"Content-Length:\r\n 5", b"X: a\nContent-Length: 5"),
    ],
    ("refused",): [
        *(b"Content-Length: +5", b"Content-Length: -5", b"Content-Length: 0x5", b"Content-Length: 5.0"),
        *(b"Content-Length: 5 5", b"Content-Length: 5;", b"Content-Length: 5, 6", b"Content-Length: five"),
        *(b"Content-Length: 5e0", b"Content-Length: 1_0", b"Content-Length: \xd9\xa5", b"Content-Length: 5\x00"),
        *(b"Content-Length: \x0b5", b"Content-Length: 5\x0b", b"Content-Length: \x005", b'Content-Length: "5"'),
        *(b"Content-Length:", b"Content-Length: ,5", b"Content-Length: 5,", b"Content-Length: 18446744073709551621"),
        *(b"Content-Length: 99999999999999999999999999", b"Content-Length : 5", b"Content-Length\t: 5"),
        *(b" Content-Length: 5", b"X: a\r\n Content-Length: 5", b"Content-Length: 5\r\nContent-Length: 6"),
        *(
            b"Content-Length: 6\r\nContent-Length: 5",
            b"Content-Length\x00: 5",
            b"Content-Length\r: 5",
            b"X: a\rContent-Length: 5",
        ),
    ],
    ("waits", "refused"): [b"Content-Length: 4294967301", b"Content-Length: 2000"],
    ("no body", "refused"): [b"Content_Length: 5", b"X-Content-Length: 5", b"Contents-Length: 5"],
}
"""Lines of a head, behind which "hello" stands."""
BODIES: dict[tuple[str, ...], list[bytes]] = {
    (TOOK,): [
        *(
            CHUNKS,
            b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            b"5;a=b\r\nhello\r\n0;c\r\n\r\n",
            b'5;a="b c"\r\nhello\r\n0\r\n\r\n',
        ),
        *(b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", b"5\r\nhello\r\n0\r\nHost: evil.example\r\n\r\n"),
    ],
    (TOOK_NOTHING,): [b"0\r\n\r\n"],
    (TOOK, "refused"): [
        *(b"05\r\nhello\r\n0\r\n\r\n", b"000000000000000000005\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n000\r\n\r\n"),
        *(
            b"5 \r\nhello\r\n0\r\n\r\n",
            b"5\t\r\nhello\r\n0\r\n\r\n",
            b"5 ;a\r\nhello\r\n0\r\n\r\n",
            b"5;\r\nhello\r\n0\r\n\r\n",
        ),
        *(
            b"5\nhello\n0\n\n",
            b"5\nhello\r\n0\r\n\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"5\r\nhello\r\n0\n\r\n",
            b"5\r\nhello\r\n0\r\n\n",
        ),
        *(b"5\r\nhello\r\n0\r\nContent-Length: 99\r\n\r\n", b"5\r\nhello\r\n0\r\nTransfer-Encoding: gzip\r\n\r\n"),
        *(b"5\r\nhello\r\n0\r\nA: b\nC: d\r\n\r\n", b"5;" + b"a" * 70_000 + b"\r\nhello\r\n0\r\n\r\n"),
        *(b"5\r\nhello\r\n0\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", b"5;a=\x7f\r\nhello\r\n0\r\n\r\n"),
    ],
    ("refused",): [
        *(
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b"-5\r\nhello\r\n0\r\n\r\n",
            b"+5\r\nhello\r\n0\r\n\r\n",
            b" 5\r\nhello\r\n0\r\n\r\n",
        ),
        *(
            b"5_0\r\nhello\r\n0\r\n\r\n",
            b"5.0\r\nhello\r\n0\r\n\r\n",
            b"5,\r\nhello\r\n0\r\n\r\n",
            b"g\r\nhello\r\n0\r\n\r\n",
        ),
        *(
            b"\r\nhello\r\n0\r\n\r\n",
            b";a\r\nhello\r\n0\r\n\r\n",
            b"\r\n5\r\nhello\r\n0\r\n\r\n",
            b"\x005\r\nhello\r\n0\r\n\r\n",
        ),
        *(
            b"5\x00\r\nhello\r\n0\r\n\r\n",
            b"\x0b5\r\nhello\r\n0\r\n\r\n",
            b"5h\r\nhello\r\n0\r\n\r\n",
            b"5\rhello\r\n0\r\n\r\n",
        ),
        *(
            b"10000000000000005\r\nhello\r\n0\r\n\r\n",
            b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
            b"5\r\rhello\r\n0\r\n\r\n",
        ),
        *(
            b"5\r\nhelloX\r\n0\r\n\r\n",
            b"5\r\nhelloXX0\r\n\r\n",
            b"5\r\nhello0\r\n\r\n",
            b"5\r\nhello\r0\r\n\r\n",
            b"5\r\nhell\r\n0\r\n\r\n",
        ),
        *(
            b"5\r\nhello\r\n-0\r\n\r\n",
            b"5\r\nhello\r\n0x0\r\n\r\n",
            b"5;\nabc\r\nhello\r\n0\r\n\r\n",
            b"5;a\rb\r\nhello\r\n0\r\n\r\n",
        ),
        *(b"5;a=\x00\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\n: a\r\n\r\n", b"5\r\nhello\r\n0\r\nA b: c\r\n\r\n"),
        *(
            b"5\r\nhello\r\n0\r\nX: \x00\r\n\r\n",
            b"5\r\nhello\r\n0\r\n" + HIDDEN,
            b"5\r\nhello\r\n0\r\nX\r\n\r\n",
            b"5\r\nhello\r\n0\r\nX : y\r\n\r\n",
        ),
    ],
    ("waits", "refused"): [
        b"7fffffff\r\nhello",
        b"7fffffffffffffff\r\nhello",
        b"ffffffffffffffff\r\nhello",
        b"1000\r\nhello",
    ],
}
"""What stands behind a head with chunks."""
REQUESTS: dict[tuple[str, ...], list[bytes]] = {
    (TOOK,): [POST + b"X: \xe9\r\nContent-Length: 5\r\n\r\nhello", POST + b"X:\r\nContent-Length: 5\r\n\r\nhello"],
    (TOOK, "refused"): [
        *(POST + b"Expect: %s\r\nContent-Length: 5\r\n\r\nhello" % each for each in (b"100-continue", b"100-Continue")),
        *(
            POST + b"Expect: %s\r\nContent-Length: 5\r\n\r\nhello" % each
            for each in (b"", b"200-ok", b"100-continue, x")
        ),
        *(
            POST + b"Expect: %s\r\nContent-Length: 5\r\n\r\nhello" % each
            for each in (b"100-continue\r\nExpect: y", b"1")
        ),
        *(b"\r\n" + POST + b"Content-Length: 5\r\n\r\nhello", b"\n" + POST + b"Content-Length: 5\r\n\r\nhello"),
        *(POST.replace(b"\r\n", b"\n") + b"Content-Length: 5\n\nhello", POST + b"Content-Length: 5\r\n\nhello"),
        POST + b"X: a\r\n b\r\nContent-Length: 5\r\n\r\nhello",
    ],
    (TOOK_HIDDEN,): [
        *(b"%s /echo/ HTTP/1.1\r\n" % method + HOST + LENGTH for method in (b"GET", b"DELETE", b"PUT", b"OPTIONS")),
        *(b"%s /echo/ HTTP/1.1\r\n" % method + HOST + HIDDEN_CHUNKS for method in (b"GET", b"PATCH")),
        *(b"GET /echo/ HTTP/1.1\r\n" + H2C + LENGTH, b"POST /echo/ HTTP/1.1\r\n" + H2C + HIDDEN_CHUNKS),
        *(
            b"POST /echo/ HTTP/1.1\r\n" + WEB_SOCKET + LENGTH,
            POST + b"Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n" + LENGTH,
        ),
    ],
    ("refused",): [
        *(b"GET /ws/ HTTP/1.1\r\n" + WEB_SOCKET + LENGTH, b"GET /ws/ HTTP/1.1\r\n" + WEB_SOCKET + HIDDEN_CHUNKS),
        *(b"CONNECT localhost:443 HTTP/1.1\r\n" + HOST + LENGTH, b"POST /echo/ HTTP/2.0\r\n" + HOST + LENGTH),
        *(POST + b"Content-Length: 3\r\n" + HIDDEN_CHUNKS, POST + b"Transfer-Encoding: gzip\r\n" + LENGTH),
        *(
            POST + HOST + LENGTH,
            b"POST /echo/ HTTP/1.1\r\n" + LENGTH,
            b"POST /echo/ HTTP/1.0\r\n" + HOST + HIDDEN_CHUNKS,
        ),
        *(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0", b"SSH-2.0-x\r\n", b"\x05\x01\x00", b"\x00"),
        *(
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)),
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        ),
        *(
            POST + b"%s\r\n\r\n" % line
            for line in (b"X: a\x00b", b"X\x00: a", b"X\xe9: a", b"X Y: a", b": a", b"X", b"(X): a")
        ),
        *(
            POST + b"%s\r\n\r\n" % line
            for line in (b"X\x0b: a", b"X\r: a", b"X: a\rb", b"X\r\n: a", b"\r: a", b"X\x7f: a", b"{}: a")
        ),
        *(b"POST /echo/ HTTP/1.1\r\n " + HOST + b"\r\n", b"POST /echo/\x00 HTTP/1.1\r\n" + HOST + b"\r\n"),
        *(b"POST /echo/ HTTP/1.1\r\r\n" + HOST + b"\r\n", b"\x0bPOST /echo/ HTTP/1.1\r\n" + HOST + b"\r\n"),
        *(b"POST /echo/\rHTTP/1.1\r\n" + HOST + b"\r\n", b"POST\x0b/echo/ HTTP/1.1\r\n" + HOST + b"\r\n"),
    ],
    ("marker",): [b"\r\n", b"\r\n\r\n"],
}
"""Whole requests."""


def list_payloads() -> Iterator[tuple[bytes, tuple[str, ...]]]:
    """Yield the bytes of each, and its possible outcomes."""
    for outcomes, lines in CODINGS.items():
        yield from ((POST + line + b"\r\n\r\n" + CHUNKS, outcomes) for line in lines)
    for outcomes, lines in LENGTHS.items():
        yield from ((POST + line + b"\r\n\r\nhello", outcomes) for line in lines)
    for outcomes, bodies in BODIES.items():
        yield from ((CHUNKED + body, outcomes) for body in bodies)
    for outcomes, requests in REQUESTS.items():
        yield from ((request, outcomes) for request in requests)
