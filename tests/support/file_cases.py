"""ONE table of cases for a view's response whose body is a file: run through the core, the front and real servers.

A case pins all fields, in lower case and in no order. The file is `CONTENT` unless the case says otherwise; the
boundary of a multipart body is written as BOUNDARY.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CONTENT = b"0123456789"
ETAG = 'etag: "abc"'
WEAK = 'etag: W/"abc"'
OLD = "last-modified: Wed, 15 Mar 2006 11:16:21 GMT"
OLD_DATE = OLD.partition(": ")[2]
OF_THIS_SECOND = "last-modified: Fri, 31 Dec 2100 23:59:59 GMT"
"""A date that is not over, whatever the time is."""
NEW_DATE = OF_THIS_SECOND.partition(": ")[2]
TYPE = "content-type: text/plain"
NAME = 'content-disposition: attachment; filename="a.txt"'
COOKIES = ("set-cookie: a=1", "set-cookie: b=2")
PARTS = "accept-ranges: bytes"
UNCACHEABLE = "cache-control: private, no-store, max-age=0"
MULTIPART = (
    b"\r\n--BOUNDARY\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-0/10\r\n\r\n0"
    b"\r\n--BOUNDARY\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89"
    b"\r\n--BOUNDARY--\r\n"
)


@dataclass(frozen=True)
class FileCase:
    """A request, a view's response, and what the client gets."""

    name: str
    request: tuple[str, ...]
    view: tuple[str, ...]
    status: int
    fields: tuple[str, ...]
    body: bytes = b""
    method: str = "GET"
    view_status: int = 200
    content: bytes = CONTENT


def get_lines(fields: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    """Return names and values."""
    return [(name.encode(), value.encode("latin-1")) for name, _, value in (line.partition(": ") for line in fields)]


def name_boundary(data: bytes) -> bytes:
    """Return a response, or a part of it, with the same boundary as in the table."""
    return re.sub(rb"(?<=--|y=)[0-9a-f]{32}", b"BOUNDARY", data)


def _whole(name: str, *request: str, view: tuple[str, ...] = (TYPE,), **more: object) -> FileCase:
    """The whole file, with status 200."""
    fields = (*view, "content-length: 10", PARTS)
    return FileCase(name, request, view, 200, fields, CONTENT, **more)  # type: ignore[arg-type]


def _part(name: str, *request: str, view: tuple[str, ...] = (TYPE,)) -> FileCase:
    """Its bytes 2 to 4, with status 206."""
    fields = (*view, "content-length: 3", "content-range: bytes 2-4/10", PARTS)
    return FileCase(name, ("range: bytes=2-4", *request), view, 206, fields, b"234")


def _unchanged(name: str, *request: str, view: tuple[str, ...], method: str = "GET") -> FileCase:
    fields = tuple(line for line in view if line not in (TYPE, NAME))
    return FileCase(name, request, view, 304, fields, method=method)


def _failed(name: str, *request: str, view: tuple[str, ...], kept: tuple[str, ...] = ()) -> FileCase:
    fields = ("content-type: text/plain; charset=utf-8", "content-length: 20", UNCACHEABLE, *kept)
    return FileCase(name, request, view, 412, fields, b"Precondition Failed\n")


def _beyond(name: str, *request: str, view: tuple[str, ...], kept: tuple[str, ...] = (), size: int = 10) -> FileCase:
    own = (
        "content-type: text/plain; charset=utf-8",
        "content-length: 22",
        UNCACHEABLE,
        f"content-range: bytes */{size}",
    )
    return FileCase(name, request, view, 416, (*own, *kept), b"Range Not Satisfiable\n")


def _own(name: str, *request: str, view: tuple[str, ...], status: int = 200, method: str = "GET") -> FileCase:
    """What the view says, as it says it."""
    body = b"" if method == "HEAD" else CONTENT
    return FileCase(name, request, view, status, (*view, "content-length: 10"), body, method, status)


ALL = (TYPE, ETAG, OLD, NAME, *COOKIES, "cache-control: private", "vary: cookie", "x-own: 1")
KEPT = (*COOKIES, "vary: cookie", "x-own: 1")
FIRST = "range: bytes=0-0"

FILE_CASES = [
    _whole("a plain request"),
    _whole("with all that a view may say", view=ALL),
    FileCase("without a type", (), (), 200, ("content-length: 10", PARTS), CONTENT),
    # Range
    _part("a range"),
    _part("a range of a response with all fields", view=ALL),
    FileCase("a suffix", ("range: bytes=-2",), (TYPE,), 206,
             (TYPE, "content-length: 2", "content-range: bytes 8-9/10", PARTS), b"89"),
    FileCase("an open range", ("range: bytes=7-",), (TYPE,), 206,
             (TYPE, "content-length: 3", "content-range: bytes 7-9/10", PARTS), b"789"),
    FileCase("a range beyond the end", ("range: bytes=8-99999",), (TYPE,), 206,
             (TYPE, "content-length: 2", "content-range: bytes 8-9/10", PARTS), b"89"),
    FileCase("a part of a file without a type", (FIRST,), (), 206,
             ("content-type: application/octet-stream", "content-length: 1", "content-range: bytes 0-0/10", PARTS),
             b"0"),
    FileCase("two ranges", ("range: bytes=0-0, -2",), (TYPE, ETAG, *COOKIES), 206,
             ("content-type: multipart/byteranges; boundary=BOUNDARY", f"content-length: {len(MULTIPART) + 3 * 24}",
              ETAG, *COOKIES, PARTS), MULTIPART),
    FileCase("two ranges that touch are one", ("range: bytes=3-4,2-2",), (TYPE,), 206,
             (TYPE, "content-length: 3", "content-range: bytes 2-4/10", PARTS), b"234"),
    _whole("another unit", "range: lines=2-4"),
    _whole("a malformed range", "range: bytes=4-2"),
    _whole("two fields with a range that is malformed together", FIRST, "range: bytes=2-4"),
    FileCase("1,000 ranges that overlap", (f"range: bytes={','.join(['2-3', '3-4'] * 500)}",), (TYPE,), 206,
             (TYPE, "content-length: 3", "content-range: bytes 2-4/10", PARTS), b"234"),
    FileCase("1,000 ranges apart", (f"range: bytes={','.join(f'{2 * n}-{2 * n}' for n in range(1000))}",), (TYPE,),
             200, (TYPE, "content-length: 4000", PARTS), b"x" * 4000, content=b"x" * 4000),
    _beyond("a range behind the end", "range: bytes=10-", view=ALL, kept=KEPT),
    _beyond("a number of 400 digits", f"range: bytes={'9' * 400}-", view=(TYPE,)),
    _beyond("the last 0 bytes", "range: bytes=-0", view=(TYPE,)),
    # If-Range
    _part("If-Range with the strong tag", 'if-range: "abc"', view=(TYPE, ETAG)),
    _part("If-Range with the date", f"if-range: {OLD_DATE}", view=(TYPE, OLD)),
    _part("If-Range with the date, beside a tag", f"if-range: {OLD_DATE}", view=(TYPE, ETAG, OLD)),
    _whole("If-Range with another tag", FIRST, 'if-range: "abd"', view=(TYPE, ETAG)),
    _whole("If-Range with the weak tag", FIRST, 'if-range: W/"abc"', view=(TYPE, WEAK)),
    _whole("If-Range with a strong tag for a weak one", FIRST, 'if-range: "abc"', view=(TYPE, WEAK)),
    _whole("If-Range without a validator", FIRST, 'if-range: "abc"'),
    _whole("If-Range with a date and without a validator", FIRST, f"if-range: {OLD_DATE}"),
    _whole("If-Range with a later date", FIRST, f"if-range: {NEW_DATE}", view=(TYPE, OLD)),
    _whole("If-Range with the date of this second", FIRST, f"if-range: {NEW_DATE}", view=(TYPE, OF_THIS_SECOND)),
    _whole("If-Range with nonsense", FIRST, "if-range: abc", view=(TYPE, ETAG, OLD)),
    _whole("a range beyond the end with another If-Range", "range: bytes=99-", 'if-range: "x"', view=(TYPE, ETAG)),
    # If-None-Match, If-Modified-Since
    _unchanged("If-None-Match with the tag", 'if-none-match: "abc"', view=ALL),
    _unchanged("If-None-Match with a list", 'if-none-match: "x", W/"abc"', "range: bytes=2-4", view=(TYPE, ETAG)),
    _unchanged("If-None-Match for a weak tag", 'if-none-match: "abc"', view=(TYPE, WEAK)),
    _unchanged("If-None-Match: *", "if-none-match: *", view=(TYPE,)),
    _unchanged("If-Modified-Since with the date", f"if-modified-since: {OLD_DATE}", view=(TYPE, OLD)),
    _unchanged("If-Modified-Since with a later date", f"if-modified-since: {NEW_DATE}", view=(TYPE, OLD)),
    _unchanged("HEAD with If-None-Match", 'if-none-match: "abc"', view=(TYPE, ETAG), method="HEAD"),
    _whole("If-None-Match with another tag", 'if-none-match: "x"', view=(TYPE, ETAG)),
    _whole("If-None-Match goes before a date", 'if-none-match: "x"', f"if-modified-since: {OLD_DATE}",
           view=(TYPE, ETAG, OLD)),
    _whole("If-Modified-Since with an earlier date", "if-modified-since: Wed, 15 Mar 2006 11:16:20 GMT",
           view=(TYPE, OLD)),
    _whole("If-Modified-Since without a date of the view's", f"if-modified-since: {OLD_DATE}"),
    _whole("If-Modified-Since and a date of the view's that is none", f"if-modified-since: {OLD_DATE}",
           view=(TYPE, "last-modified: yesterday")),
    _whole("an ETag of the view's that is none", 'if-none-match: "abc"', view=(TYPE, "etag: abc")),
    # If-Match, If-Unmodified-Since
    _whole("If-Match with the tag", 'if-match: "abc"', view=(TYPE, ETAG)),
    _part("If-Match: *", "if-match: *", view=(TYPE, ETAG)),
    _whole("If-Match without a validator", 'if-match: "abc"'),
    _whole("If-Unmodified-Since with the date", f"if-unmodified-since: {OLD_DATE}", view=(TYPE, OLD)),
    _failed("If-Match with another tag", 'if-match: "x"', view=ALL, kept=KEPT),
    _failed("If-Match with a weak tag", 'if-match: W/"abc"', view=(TYPE, WEAK)),
    _failed("If-Match fails before a range", 'if-match: "x"', FIRST, view=(TYPE, ETAG)),
    _failed("If-Unmodified-Since with an earlier date", "if-unmodified-since: Wed, 15 Mar 2006 11:16:20 GMT",
            view=(TYPE, OLD)),
    # what is sent as the view says
    _own("a content coding", FIRST, 'if-none-match: "abc"', view=(TYPE, ETAG, "content-encoding: gzip")),
    _own("Accept-Ranges: none", FIRST, view=(TYPE, "accept-ranges: none")),
    _own("ranges of the view's own", FIRST, view=(TYPE, "accept-ranges: bytes")),
    _own("a part of the view's own", FIRST, view=(TYPE, "content-range: bytes 0-9/100"), status=206),
    _own("a content coding that nothing is asked of", view=(TYPE, "content-encoding: gzip")),
    _own("Accept-Ranges: none that nothing is asked of", view=(TYPE, "accept-ranges: none")),
    _own("201 that nothing is asked of", view=(TYPE, ETAG), status=201),
    _own("201", FIRST, 'if-none-match: "abc"', view=(TYPE, ETAG, "location: /a"), status=201),
    _own("404", FIRST, view=(TYPE, *COOKIES), status=404),
    _own("500", FIRST, view=(TYPE,), status=500),
    _own("POST", FIRST, 'if-match: "x"', view=(TYPE, ETAG), method="POST"),
    _own("DELETE", FIRST, view=(TYPE, ETAG), method="DELETE"),
    _own("HEAD of a 404", view=(TYPE,), status=404, method="HEAD"),
    # HEAD
    FileCase("HEAD", (), ALL, 200, (*ALL, "content-length: 10", PARTS), method="HEAD"),
    FileCase("HEAD does not have ranges", (FIRST,), (TYPE,), 200, (TYPE, "content-length: 10", PARTS), method="HEAD"),
    FileCase("HEAD with a range beyond the end", ("range: bytes=99-",), (TYPE,), 200,
             (TYPE, "content-length: 10", PARTS), method="HEAD"),
]  # fmt: skip
