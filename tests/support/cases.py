"""ONE table of HTTP cases for the project "plain": run through the core, the ASGI adapter and a real socket.

A case pins literal text. Header names are in lower case; a value of None means that the field must be absent. ``body``
is the whole body; None leaves it to the runner, which always compares Content-Length with what arrived.
"""

from __future__ import annotations

from dataclasses import dataclass, field

IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATED = "max-age=60, must-revalidate"
UNCACHEABLE = "private, no-store, max-age=0"

DIGITS = "/static/digits.781e5e245d69.txt"
DIGITS_ETAG = '"hNiYd_DUBB77a_kaFvAkjy_V"'
DIGITS_DATE = "Wed, 15 Mar 2006 11:16:21 GMT"
CSS = "/static/site.e8e374d844cc.css"
CSS_IDENTITY = '"11PONsKYSbetyDbcMlpAF65Z"'
CSS_BR = '"W-beZnwQuOVuBP5mCaUfEqZF"'
CSS_ZSTD = '"CDEyUJ4smNkXCuRQrPzyOgvv"'
CSS_GZIP = '"X4iswDlHY_sx9U8i1jafBlDH"'
LARGE = "/static/large.bin"

COMMON_HEADERS = {
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
    "timing-allow-origin": "*",
    "x-content-type-options": "nosniff",
    "set-cookie": None,
}


@dataclass(frozen=True)
class Case:
    """A request and what must come back."""

    name: str
    path: str
    status: int
    headers: dict[str, str | None] = field(default_factory=dict)
    body: bytes | None = None
    request: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    by_socket: bool = True

    @property
    def expected(self) -> dict[str, str | None]:
        return {**COMMON_HEADERS, **self.headers}


def _accepting(value: str, coding: str | None, etag: str, *more: str) -> Case:
    lines = tuple(("accept-encoding", line) for line in (value, *more))
    shown = " and ".join((value, *more))[:40]
    wanted = {"content-encoding": coding, "etag": etag, "vary": "Accept-Encoding", "cache-control": IMMUTABLE}
    return Case(f"Accept-Encoding {shown!r} gives {coding or 'identity'}", CSS, 200, wanted, request=lines)


NEGOTIATION = [
    Case("without Accept-Encoding identity is sent", CSS, 200, {"content-encoding": None, "etag": CSS_IDENTITY}),
    _accepting("gzip, deflate, br, zstd", "br", CSS_BR),
    _accepting("gzip", "gzip", CSS_GZIP),
    _accepting("x-gzip", "gzip", CSS_GZIP),
    _accepting("br", "br", CSS_BR),
    _accepting("BR;Q=0.5", "br", CSS_BR),
    _accepting("zstd, gzip", "zstd", CSS_ZSTD),
    _accepting("br;q=0.5, gzip", "gzip", CSS_GZIP),
    _accepting("br;q=0.5,gzip;q=0.8", "gzip", CSS_GZIP),
    _accepting("gzip;q=0", None, CSS_IDENTITY),
    _accepting("gzip;q=0, br;q=0.000", None, CSS_IDENTITY),
    _accepting("br;q=0, gzip", "gzip", CSS_GZIP),
    _accepting("*", "br", CSS_BR),
    _accepting("br;q=0, *", "zstd", CSS_ZSTD),
    _accepting("*;q=0.5, gzip;q=0.4", "br", CSS_BR),
    _accepting("identity", None, CSS_IDENTITY),
    _accepting("identity, gzip;q=0.5", None, CSS_IDENTITY),
    _accepting("identity;q=0, gzip;q=0.1", "gzip", CSS_GZIP),
    _accepting("identity;q=0, *", "br", CSS_BR),
    _accepting("*;q=0, gzip", "gzip", CSS_GZIP),
    _accepting("identity;q=0.5, gzip;q=0.5", "gzip", CSS_GZIP),
    _accepting("", None, CSS_IDENTITY),
    _accepting("br-x, notbr, xgzip", None, CSS_IDENTITY),
    _accepting("br-x;q=1, gzip;q=0.2", "gzip", CSS_GZIP),
    _accepting("gzip ; q=0.5 , br ; q=0.4", "gzip", CSS_GZIP),
    _accepting("gzip;q=inf, br;q=0.1", "br", CSS_BR),
    _accepting("gzip;q=nan, br;q=2, deflate;q=-1", None, CSS_IDENTITY),
    _accepting("gzip;q=1.001", None, CSS_IDENTITY),
    _accepting(',,;;q=,"br",br=1,gzip gzip', None, CSS_IDENTITY),
    _accepting("gzip", "br", CSS_BR, "br"),
    _accepting("gzip, br", "gzip", CSS_GZIP, "br;q=0"),
    _accepting("x" * 8000, None, CSS_IDENTITY),
    _accepting("gzip;q=0.1," * 700 + "br", "br", CSS_BR),
    Case(
        "nothing acceptable is 406, and not kept",
        CSS,
        406,
        {"cache-control": UNCACHEABLE, "vary": "Accept-Encoding", "etag": None},
        b"Not Acceptable\n",
        (("accept-encoding", "identity;q=0"),),
    ),
    Case(
        "* with q=0 excludes identity too",
        CSS,
        406,
        {"vary": "Accept-Encoding"},
        request=(("accept-encoding", "*;q=0"),),
    ),
    Case(
        "identity excluded where there is nothing else",
        DIGITS,
        406,
        {"vary": "Accept-Encoding"},
        request=(("accept-encoding", "br, *;q=0"),),
    ),
    Case(
        "a file that does not compress does not vary",
        "/static/img/dot.f829b914fc47.png",
        200,
        {"vary": None, "content-type": "image/png", "content-length": "70", "content-encoding": None},
        request=(("accept-encoding", "gzip, br"),),
    ),
]


def _conditional(name: str, status: int, *request: tuple[str, str], method: str = "GET") -> Case:
    headers: dict[str, str | None] = {"etag": DIGITS_ETAG, "cache-control": IMMUTABLE}
    body = b"0123456789" if status == 200 else b""
    if status == 304:
        headers |= {"content-type": None, "content-length": None, "content-encoding": None}
    if status == 412:
        headers, body = {"cache-control": UNCACHEABLE, "etag": None, "vary": None}, b"Precondition Failed\n"
    return Case(name, DIGITS, status, headers, b"" if method == "HEAD" else body, request, method)


OTHER_DATE = "Mon, 27 Mar 2006 03:33:01 GMT"  # a date that content can have, later than DIGITS_DATE
_LATER = "Mon, 16 Nov 2026 08:49:37 GMT"
_EARLIER = "Sun, 06 Nov 1988 08:49:37 GMT"

CONDITIONAL = [
    _conditional("If-None-Match with the tag", 304, ("if-none-match", DIGITS_ETAG)),
    _conditional("If-None-Match with a weak tag", 304, ("if-none-match", f"W/{DIGITS_ETAG}")),
    _conditional("If-None-Match with *", 304, ("if-none-match", "*")),
    _conditional("If-None-Match with a list", 304, ("if-none-match", f'"a", W/"b,c" ,{DIGITS_ETAG}')),
    _conditional("If-None-Match on two lines", 304, ("if-none-match", '"a"'), ("if-none-match", DIGITS_ETAG)),
    _conditional("If-None-Match on HEAD", 304, ("if-none-match", DIGITS_ETAG), method="HEAD"),
    _conditional("If-None-Match with empty elements", 304, ("if-none-match", f', ,{DIGITS_ETAG}\t,, "a",')),
    *(
        _conditional(f"If-None-Match with the malformed list {value!r}", 200, ("if-none-match", value))
        for value in (
            f'"a" {DIGITS_ETAG}',
            f'"a"{DIGITS_ETAG}',
            f'"a"; {DIGITS_ETAG}',
            f"{DIGITS_ETAG}, a",
            f"a, {DIGITS_ETAG}",
            f"{DIGITS_ETAG} a",
            f'{DIGITS_ETAG}, "a',
            f'{DIGITS_ETAG}, "a b"',
            f'"a,{DIGITS_ETAG},b"',
            f"{DIGITS_ETAG}, *",
            f"*, {DIGITS_ETAG}",
            "**",
            f"w/{DIGITS_ETAG}",
            f"W/ {DIGITS_ETAG}",
            f"W/W/{DIGITS_ETAG}",
            ",",
        )
    ),
    _conditional("If-None-Match with another tag", 200, ("if-none-match", '"other"')),
    _conditional("If-None-Match with an unquoted tag", 200, ("if-none-match", DIGITS_ETAG.strip('"'))),
    _conditional("If-None-Match with half a tag", 200, ("if-none-match", DIGITS_ETAG[:-1])),
    _conditional("If-None-Match that is empty", 200, ("if-none-match", "")),
    _conditional("If-None-Match in lower case", 200, ("if-none-match", DIGITS_ETAG.lower())),
    _conditional("If-Modified-Since with the file's date", 304, ("if-modified-since", DIGITS_DATE)),
    _conditional("If-Modified-Since with a later date", 304, ("if-modified-since", _LATER)),
    _conditional("If-Modified-Since, RFC 850", 304, ("if-modified-since", "Monday, 16-Nov-26 08:49:37 GMT")),
    _conditional("If-Modified-Since, asctime", 304, ("if-modified-since", "Mon Nov 16 08:49:37 2026")),
    _conditional("If-Modified-Since, asctime, one digit", 304, ("if-modified-since", "Mon Nov  2 08:49:37 2026")),
    _conditional("If-Modified-Since with an earlier date", 200, ("if-modified-since", _EARLIER)),
    _conditional(
        "If-Modified-Since, RFC 850, last century", 200, ("if-modified-since", "Sunday, 06-Nov-88 08:49:37 GMT")
    ),
    _conditional("If-Modified-Since with rubbish", 200, ("if-modified-since", "yesterday")),
    _conditional("If-Modified-Since without a zone", 200, ("if-modified-since", _LATER.removesuffix(" GMT"))),
    _conditional("If-Modified-Since in another zone", 200, ("if-modified-since", _LATER.replace("GMT", "+0100"))),
    _conditional(
        "If-Modified-Since on a day that does not exist", 200, ("if-modified-since", "Mon, 31 Feb 2026 08:49:37 GMT")
    ),
    _conditional(
        "If-None-Match wins over If-Modified-Since", 200, ("if-none-match", '"other"'), ("if-modified-since", _LATER)
    ),
    _conditional("If-Match with the tag", 200, ("if-match", f'"x", {DIGITS_ETAG}')),
    _conditional("If-Match with *", 200, ("if-match", "*")),
    _conditional("If-Match with a weak tag", 412, ("if-match", f"W/{DIGITS_ETAG}")),
    _conditional("If-Match with the tag behind a weak one", 200, ("if-match", f'W/"a", {DIGITS_ETAG}')),
    *(
        _conditional(f"If-Match with the malformed list {value!r}", 412, ("if-match", value))
        for value in (f'"a" {DIGITS_ETAG}', f"{DIGITS_ETAG}, a", f"*, {DIGITS_ETAG}", DIGITS_ETAG.strip('"'), "")
    ),
    _conditional("If-Match with another tag", 412, ("if-match", '"other"')),
    _conditional("If-Match with another tag on HEAD", 412, ("if-match", '"other"'), method="HEAD"),
    _conditional("If-Unmodified-Since with a later date", 200, ("if-unmodified-since", _LATER)),
    _conditional("If-Unmodified-Since with an earlier date", 412, ("if-unmodified-since", _EARLIER)),
    _conditional("If-Unmodified-Since with the file's date", 200, ("if-unmodified-since", DIGITS_DATE)),
    _conditional("If-Unmodified-Since with another version's date", 412, ("if-unmodified-since", OTHER_DATE)),
    _conditional("If-Modified-Since with another version's date", 200, ("if-modified-since", OTHER_DATE)),
    _conditional("If-Unmodified-Since with rubbish", 200, ("if-unmodified-since", "x")),
    _conditional(
        "If-Match wins over If-Unmodified-Since", 200, ("if-match", DIGITS_ETAG), ("if-unmodified-since", _EARLIER)
    ),
    _conditional("If-Match is judged before If-None-Match", 412, ("if-match", '"x"'), ("if-none-match", DIGITS_ETAG)),
    Case(
        "304 of an encoded representation carries its own tag and Vary",
        CSS,
        304,
        {"etag": CSS_BR, "vary": "Accept-Encoding", "cache-control": IMMUTABLE, "content-encoding": None},
        b"",
        (("accept-encoding", "br"), ("if-none-match", CSS_BR)),
    ),
    *(
        Case(
            f"412 of a representation that varies says so, {name}",
            CSS,
            412,
            {"vary": "Accept-Encoding", "cache-control": UNCACHEABLE, "etag": None, "content-encoding": None},
            b"Precondition Failed\n",
            (("accept-encoding", coding), (name, value)),
        )
        for coding, name, value in (
            ("br", "if-match", CSS_GZIP),
            ("identity", "if-match", CSS_BR),
            ("gzip", "if-unmodified-since", _EARLIER),
        )
    ),
    Case(
        "the tag of another coding does not match",
        CSS,
        200,
        {"etag": CSS_GZIP},
        request=(("accept-encoding", "gzip"), ("if-none-match", CSS_BR)),
    ),
    Case(
        "304 without a fingerprint keeps the short age",
        "/static/digits.txt",
        304,
        {"etag": DIGITS_ETAG, "cache-control": REVALIDATED},
        b"",
        (("if-none-match", DIGITS_ETAG),),
    ),
]


def _range(value: str, body: bytes, content_range: str, *more: tuple[str, str]) -> Case:
    headers: dict[str, str | None] = {
        "content-range": content_range,
        "etag": DIGITS_ETAG,
        "cache-control": IMMUTABLE,
        "content-type": "text/plain; charset=utf-8",
        "accept-ranges": "bytes",
    }
    return Case(f"Range {value!r} is partial", DIGITS, 206, headers, body, (("range", value), *more))


def _whole(name: str, *request: tuple[str, str], method: str = "GET") -> Case:
    body = b"" if method == "HEAD" else b"0123456789"
    headers: dict[str, str | None] = {"content-range": None, "content-length": "10", "accept-ranges": "bytes"}
    return Case(name, DIGITS, 200, headers, body, request, method)


def _unsatisfiable(value: str) -> Case:
    headers: dict[str, str | None] = {"content-range": "bytes */10", "cache-control": UNCACHEABLE, "vary": None}
    return Case(
        f"Range {value!r} is unsatisfiable", DIGITS, 416, headers, b"Range Not Satisfiable\n", (("range", value),)
    )


_DIGITS_PART = (
    b"\r\n--hNiYd_DUBB77a_kaFvAkjy_V\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes %s/10\r\n\r\n%s"
)
_CSS_PART = (
    b"\r\n--11PONsKYSbetyDbcMlpAF65Z\r\nContent-Type: text/css; charset=utf-8\r\nContent-Range: bytes %s/4942\r\n\r\n%s"
)


def _multipart(value: str, *parts: tuple[bytes, bytes]) -> Case:
    headers: dict[str, str | None] = {
        "content-type": "multipart/byteranges; boundary=hNiYd_DUBB77a_kaFvAkjy_V",
        "content-range": None,
        "etag": DIGITS_ETAG,
        "cache-control": IMMUTABLE,
    }
    body = b"".join(_DIGITS_PART % part for part in parts) + b"\r\n--hNiYd_DUBB77a_kaFvAkjy_V--\r\n"
    return Case(f"Range {value!r} has several parts", DIGITS, 206, headers, body, (("range", value),))


_SIXTEEN_RANGES = "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30"
_SIXTEEN_PARTS = (
    *((b"0-0", b"@"), (b"2-2", b"h"), (b"4-4", b"r"), (b"6-6", b"e"), (b"8-8", b" "), (b"10-10", b"u")),
    *((b"12-12", b"f"), (b"14-14", b"8"), (b"16-16", b";"), (b"18-18", b"b"), (b"20-20", b"d"), (b"22-22", b" ")),
    *((b"24-24", b" "), (b"26-26", b"a"), (b"28-28", b"g"), (b"30-30", b"n")),
)


RANGES = [
    _range("bytes=0-0", b"0", "bytes 0-0/10"),
    _range("bytes=9-9", b"9", "bytes 9-9/10"),
    _range("bytes=2-5", b"2345", "bytes 2-5/10"),
    _range("bytes=7-", b"789", "bytes 7-9/10"),
    _range("bytes=0-", b"0123456789", "bytes 0-9/10"),
    _range("bytes=-3", b"789", "bytes 7-9/10"),
    _range("bytes=-30", b"0123456789", "bytes 0-9/10"),
    _range("bytes=8-800", b"89", "bytes 8-9/10"),
    _range("Bytes=0-1", b"01", "bytes 0-1/10"),
    _range("bytes= 0-1 ,", b"01", "bytes 0-1/10"),
    _range("bytes=0-99999999999999999999999999", b"0123456789", "bytes 0-9/10"),
    _range("bytes=00000000000000000000001-2", b"12", "bytes 1-2/10"),
    _range("bytes=0-4,3-7", b"01234567", "bytes 0-7/10"),
    _range("bytes=5-7,0-4", b"01234567", "bytes 0-7/10"),
    _range("bytes=0-9,2-3", b"0123456789", "bytes 0-9/10"),
    _range("bytes=2-3,0-9", b"0123456789", "bytes 0-9/10"),
    _range("bytes=1-7,2-3,4-5", b"1234567", "bytes 1-7/10"),
    _range("bytes=-8,4-5", b"23456789", "bytes 2-9/10"),
    _range("bytes=4-6,4-5", b"456", "bytes 4-6/10"),
    _range("bytes=3-4,50-60", b"34", "bytes 3-4/10"),
    _range("bytes=" + ",".join(["0-"] * 1000), b"0123456789", "bytes 0-9/10"),
    _range("bytes=1-2", b"12", "bytes 1-2/10", ("if-range", DIGITS_ETAG)),
    _range("bytes=1-2", b"12", "bytes 1-2/10", ("if-range", DIGITS_DATE)),
    _range("bytes=1-2", b"12", "bytes 1-2/10", ("if-range", f"{DIGITS_ETAG} \t ")),
    _range("bytes=1-2  ", b"12", "bytes 1-2/10"),
    _range("bytes=1-2", b"12", "bytes 1-2/10", ("if-none-match", '"other"')),
    _multipart("bytes=0-1,4-5", (b"0-1", b"01"), (b"4-5", b"45")),
    _multipart("bytes=8-,0-0", (b"8-9", b"89"), (b"0-0", b"0")),
    _multipart("bytes=7-8,0-4,1-2", (b"0-4", b"01234"), (b"7-8", b"78")),
    _multipart("bytes=0-3,5-9,6-7", (b"0-3", b"0123"), (b"5-9", b"56789")),
    Case(
        "as many separate ranges as are answered",
        CSS,
        206,
        {
            "content-type": "multipart/byteranges; boundary=11PONsKYSbetyDbcMlpAF65Z",
            "content-range": None,
            "etag": CSS_IDENTITY,
            "vary": "Accept-Encoding",
        },
        b"".join(_CSS_PART % part for part in _SIXTEEN_PARTS) + b"\r\n--11PONsKYSbetyDbcMlpAF65Z--\r\n",
        (("range", _SIXTEEN_RANGES),),
    ),
    Case(
        "one range more than are answered gives the whole",
        CSS,
        200,
        {"content-type": "text/css; charset=utf-8", "content-length": "4942", "content-range": None},
        request=(("range", _SIXTEEN_RANGES + ",32-32"),),
    ),
    Case(
        "ranges that touch count as one",
        CSS,
        206,
        {"content-type": "multipart/byteranges; boundary=11PONsKYSbetyDbcMlpAF65Z"},
        b"".join(_CSS_PART % part for part in (*_SIXTEEN_PARTS[:-1], (b"30-31", b"n:")))
        + b"\r\n--11PONsKYSbetyDbcMlpAF65Z--\r\n",
        (("range", _SIXTEEN_RANGES + ",31-31"),),
    ),
    Case(
        "416 of a representation that varies says so",
        CSS,
        416,
        {"vary": "Accept-Encoding", "content-range": "bytes */491", "cache-control": UNCACHEABLE},
        b"Range Not Satisfiable\n",
        (("accept-encoding", "br"), ("range", "bytes=491-")),
    ),
    _unsatisfiable("bytes=10-"),
    _unsatisfiable("bytes=10-20"),
    _unsatisfiable("bytes=-0"),
    _unsatisfiable("bytes=50-60,70-"),
    _unsatisfiable("bytes=99999999999999999999999999-"),
    _whole("Range with a space before =", ("range", "bytes =0-1")),
    _whole("Range with another unit", ("range", "items=0-1")),
    _whole("Range without a unit", ("range", "0-1")),
    _whole("Range that ends before it begins", ("range", "bytes=5-2")),
    _whole("Range of which one part is malformed", ("range", "bytes=0-1,x")),
    _whole("Range of nothing", ("range", "bytes=")),
    _whole("Range of a dash", ("range", "bytes=-")),
    _whole("Range with a sign", ("range", "bytes=+1-2")),
    _whole("Range in fractions", ("range", "bytes=0.5-2")),
    _whole("Range on HEAD", ("range", "bytes=0-1"), method="HEAD"),
    _whole("unsatisfiable Range on HEAD", ("range", "bytes=99-"), method="HEAD"),
    _whole("If-Range with another tag", ("range", "bytes=0-1"), ("if-range", '"other"')),
    _whole("If-Range with a weak tag", ("range", "bytes=0-1"), ("if-range", f"W/{DIGITS_ETAG}")),
    _whole("If-Range with another date", ("range", "bytes=0-1"), ("if-range", _LATER)),
    _whole("If-Range with rubbish", ("range", "bytes=0-1"), ("if-range", "x")),
    _whole("If-Range without Range", ("if-range", '"other"')),
    _conditional("304 goes before Range", 304, ("if-none-match", DIGITS_ETAG), ("range", "bytes=0-1")),
    _conditional("412 goes before Range", 412, ("if-match", '"other"'), ("range", "bytes=0-1")),
    Case(
        "Range of an encoded representation is a slice of it, under its own tag",
        CSS,
        206,
        {"content-encoding": "br", "etag": CSS_BR, "content-range": "bytes 0-9/491", "vary": "Accept-Encoding"},
        request=(("accept-encoding", "br"), ("range", "bytes=0-9")),
    ),
    Case(
        "several ranges of an encoded representation are ignored",
        CSS,
        200,
        {"content-encoding": "br", "content-length": "491", "content-range": None},
        request=(("accept-encoding", "br"), ("range", "bytes=0-1,5-6")),
    ),
    Case(
        "Range with identity, as a CDN asks",
        CSS,
        206,
        {
            "content-encoding": None,
            "etag": CSS_IDENTITY,
            "content-range": "bytes 0-15/4942",
            "content-length": "16",
            "vary": "Accept-Encoding",
        },
        b"@charset 'utf-8'",
        (("accept-encoding", "identity"), ("range", "bytes=0-15")),
    ),
    Case("an empty file", "/static/empty.txt", 200, {"content-length": "0"}, b""),
    Case(
        "Range of an empty file",
        "/static/empty.txt",
        416,
        {"content-range": "bytes */0"},
        request=(("range", "bytes=0-"),),
    ),
    Case("the end of an empty file", "/static/empty.txt", 200, {}, b"", (("range", "bytes=-5"),)),
    Case("the last byte of an empty file", "/static/empty.txt", 200, {}, b"", (("range", "bytes=-1"),)),
    Case(
        "no byte of an empty file",
        "/static/empty.txt",
        416,
        {"content-range": "bytes */0"},
        None,
        (("range", "bytes=-0"),),
    ),
    Case("a file too large for memory", LARGE, 200, {"content-length": "3000000", "vary": None}),
    Case(
        "Range of a file too large for memory",
        LARGE,
        206,
        {"content-range": "bytes 1000000-1999999/3000000", "content-length": "1000000"},
        request=(("range", "bytes=1000000-1999999"),),
    ),
    Case(
        "two ranges of a file too large for memory",
        LARGE,
        206,
        request=(("range", "bytes=0-0,2999999-"),),
    ),
]

METHODS = [
    Case(
        "HEAD", DIGITS, 200, {"content-length": "10", "etag": DIGITS_ETAG, "cache-control": IMMUTABLE}, b"", (), "HEAD"
    ),
    Case(
        "HEAD, encoded",
        CSS,
        200,
        {"content-encoding": "br", "content-length": "491"},
        b"",
        (("accept-encoding", "br"),),
        "HEAD",
    ),
    Case("HEAD, large", LARGE, 200, {"content-length": "3000000"}, b"", (), "HEAD"),
    Case("OPTIONS", DIGITS, 204, {"allow": "GET, HEAD, OPTIONS", "content-length": None}, b"", (), "OPTIONS"),
    Case(
        "OPTIONS of a missing file", "/static/nothing.woff2", 204, {"allow": "GET, HEAD, OPTIONS"}, b"", (), "OPTIONS"
    ),
    *(
        Case(
            f"{name} of more than 16 KB is refused",
            CSS,
            431,
            {"cache-control": UNCACHEABLE},
            b"Request Header Fields Too Large\n",
            ((name, "x, " * 3000), (name, "y, " * 3000)),
        )
        for name in ("accept-encoding", "range", "if-none-match")
    ),
    Case(
        "a CORS preflight",
        DIGITS,
        204,
        {
            "access-control-allow-methods": "GET, HEAD, OPTIONS",
            "access-control-allow-headers": "*",
            "access-control-max-age": "86400",
        },
        b"",
        (
            ("origin", "https://www.example.com"),
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", "range"),
        ),
        "OPTIONS",
    ),
    *(
        Case(
            f"{method} is not allowed",
            DIGITS,
            405,
            {"allow": "GET, HEAD, OPTIONS", "cache-control": UNCACHEABLE},
            b"Method Not Allowed\n",
            (("content-length", "0"),),
            method,
        )
        for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND")
    ),
]


def _missing(path: str, *, by_socket: bool = True, method: str = "GET") -> Case:
    headers: dict[str, str | None] = {
        "cache-control": UNCACHEABLE,
        "content-type": "text/plain; charset=utf-8",
        "content-length": "10",
    }
    body = b"" if method == "HEAD" else b"Not Found\n"
    return Case(f"{method} {path[:60]!r} is not found", path, 404, headers, body, (), method, by_socket)


def _found(
    path: str, content_type: str, cache_control: str, body: bytes | None = None, *, by_socket: bool = True
) -> Case:
    headers: dict[str, str | None] = {"content-type": content_type, "cache-control": cache_control}
    return Case(f"{path!r} is found", path, 200, headers, body, by_socket=by_socket)


TEXT = "text/plain; charset=utf-8"
MENU = "crème brûlée\n".encode()

PATHS = [
    _found(DIGITS, TEXT, IMMUTABLE, b"0123456789"),
    _found("/static/digits.txt", TEXT, REVALIDATED, b"0123456789"),
    _found("/static/digits.txt?v=2&x=%2e%2e/", TEXT, REVALIDATED, b"0123456789"),
    _found("/static/main.js", "text/javascript; charset=utf-8", REVALIDATED),
    _found("/static/caf%C3%A9%20menu.txt", TEXT, REVALIDATED, MENU),
    _found("/static/caf%c3%a9%20menu.txt", TEXT, REVALIDATED, MENU),
    _found("/static/café menu.txt", TEXT, REVALIDATED, MENU, by_socket=False),
    _found("/%73tatic/%64igits.txt", TEXT, REVALIDATED, b"0123456789"),
    _found("/static%2Fimg%2Fdot.png", "image/png", REVALIDATED),
    _found("/robots.txt", TEXT, REVALIDATED, b"User-agent: *\nAllow: /\n"),
    _found("/.well-known/security.txt", TEXT, REVALIDATED, b"Contact: mailto:security@example.com\n"),
    _found("http://example.com/static/digits.txt", TEXT, REVALIDATED, b"0123456789"),
    _missing("/static/"),
    _missing("/static/nothing.css"),
    _missing("/static/nothing.0123456789ab.css"),
    _missing("/static/nothing.css", method="HEAD"),
    _missing("/static/nothing.css", method="POST"),
    _missing("/static/img"),
    _missing("/static/img/"),
    _missing("/static//digits.txt"),
    _missing("/static/./digits.txt"),
    _missing("/static/img/../digits.txt"),
    _missing("/static/../mysite/settings.py"),
    _missing("/static/../../../../etc/passwd"),
    _missing("/static/%2e%2e/mysite/settings.py"),
    _missing("/static/..%2fmysite/settings.py"),
    _missing("/static/%252e%252e/mysite/settings.py"),
    _missing("/static/%2564igits.txt"),
    _missing("/static/digits%252etxt"),
    _missing("/static/caf%25C3%25A9%2520menu.txt"),
    _missing("/static/img%252Fdot.png"),
    _missing("/static/..%5cmysite%5csettings.py"),
    _missing("/static/..\\mysite\\settings.py"),
    _missing("/static//etc/passwd"),
    _missing("/static/digits.txt%00"),
    _missing("/static/digits.txt%00.css"),
    _missing("/static/digits.txt/"),
    _missing("/static/DIGITS.txt"),
    _missing("/static/%ff%fe"),
    _missing("/static/%"),
    _missing("/static/%zz"),
    _missing("/static/" + "a" * 20_000),
    _missing("/static/" + "%41" * 5_000),
    _missing("/static/" + "%" * 20_000),
    _missing("/static/" + "../" * 3_000),
    _missing("/static/site.css.br"),
    _missing("/static/site.css.gz"),
    _missing("/static/site.e8e374d844cc.css.br"),
    _missing("/static/staticfiles.json"),
    _missing("/static/static-host.index"),
    _missing("/static/.hidden.txt"),
    _missing("/static/.well-known/security.txt"),
    _missing("/static/\x00", by_socket=False),
]

CASES = [*NEGOTIATION, *CONDITIONAL, *RANGES, *METHODS, *PATHS]

NOT_OURS = [
    "/",
    "/static",
    "/staticpages/",
    "/Static/digits.txt",
    "//static/digits.txt",
    "/x/../static/digits.txt",
    "/digits.txt",
    "/favicon.ico",
    "/.well-known/other.txt",
    "/.hidden.txt",
    "/robots.txt/",
    "/robots.txtX",
    "/robots.tx",
    "/robots%252etxt",
    "/%2572obots.txt",
    "/%2573tatic/digits.txt",
    "/static%252Fdigits.txt",
    "/.well-known",
    "/.well-known/",
    "/.well-known/security.txtX",
    "/.well-known/security",
    "*",
    "xrobots.txt",
    "",
]
