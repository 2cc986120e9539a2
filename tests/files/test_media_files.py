"""Uploads over a socket, with the fast path and without it: the same bytes."""

from __future__ import annotations

import asyncio
import errno
import gc
import itertools
import logging
import os
import random
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from static_host.files import beneath, media_files
from static_host.files.beneath import RootDirectory
from static_host.files.media_files import MediaFiles
from static_host.files.media_headers import build_error
from static_host.files.openat2 import has_resolve_cached
from static_host.files.short_files import MAX_SHORT_BYTES
from static_host.middleware import media_files as middleware
from static_host.middleware.media_files import MediaFilesMiddleware
from static_host.origin.responder import Responder
from static_host.origin.response_cache import ResponseCache
from static_host.origin.tree import load_tree
from tests.support.in_process import serve_in_process
from tests.support.media import LONG_AGO, App, make_media, serve_both_ways, write
from tests.support.page_path import until
from tests.support.required import required
from tests.support.trees import make_tree
from tests.support.wire import parse_responses

POLICY = (
    b"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
LONG = random.Random(1).randbytes(3_000_000)
NOT_FOUND = (
    b"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 10\r\n"
    b"cache-control: private, no-store, max-age=0\r\nx-content-type-options: nosniff\r\n\r\nNot Found\n"
)
TRAVERSALS = [
    *(b"/media/", b"/media/.", b"/media/..", b"/media/../", b"/media//", b"/media/./a.txt", b"/media//a.txt"),
    *(b"/media/../secret", b"/media/..//secret", b"/media/./../secret", b"/media/sub/../../secret"),
    *(b"/media/sub/..", b"/media/sub/../a.txt", b"/media/sub/./b.txt", b"/media/sub//b.txt", b"/media/sub/"),
    *(b"/media/sub", b"/media/a.txt/", b"/media/a.txt/.", b"/media/a.txt/..", b"/media/a.txt//"),
    *(b"/media/%2e%2e/secret", b"/media/%2E%2E/secret", b"/media/.%2e/secret", b"/media/%2e./secret"),
    *(b"/media/..%2fsecret", b"/media/..%2Fsecret", b"/media/%2e%2e%2fsecret", b"/media%2f..%2fsecret"),
    *(b"/media/%2fetc/passwd", b"/media//etc/passwd", b"/media/%2f%2fetc/passwd", b"/media/%252e%252e/secret"),
    *(b"/media/%252e%252e%252fsecret", b"/media/..%252fsecret", b"/media/%c0%ae%c0%ae/secret"),
    *(b"/media/..%c0%afsecret", b"/media/%e0%80%ae%e0%80%ae/secret", b"/media/..%ef%bc%8fsecret"),
    *(b"/media/..\\secret", b"/media/..%5csecret", b"/media/%2e%2e%5csecret", b"/media/sub\\b.txt"),
    *(b"/media/sub%5cb.txt", b"/media/..;/secret", b"/media/.../secret", b"/media/....//secret"),
    *(b"/media/a.txt%00", b"/media/a.txt%00.png", b"/media/%00", b"/media/..%00/secret", b"/media/sub%00/b.txt"),
    *(b"/media/.hidden", b"/media/%2ehidden", b"/media/sub/.hidden", b"/media/.git/config", b"/media/.well-known/x"),
    *(b"/media/out/secret", b"/media/out.txt", b"/media/up/secret", b"/media/loop", b"/media/dangling"),
    *(b"/media/pipe", b"/media/null", b"/media/proc/environ", b"/media/descriptor", b"/media/nothing"),
    *(b"/media/" + b"x" * 300, b"/media/" + b"x/" * 3000, b"/media/" + b"../" * 3000, b"/media/" + b"%2e%2e/" * 3000),
]


def get(path: bytes, *lines: bytes, method: bytes = b"GET") -> bytes:
    return b"\r\n".join([method + b" " + path + b" HTTP/1.1", b"Host: a", *lines, b"", b""])


def tag(path: Path) -> bytes:
    facts = path.stat()
    return f"{facts.st_ino:x}-{facts.st_mtime_ns:x}-{facts.st_size:x}".encode()


def run_both_ways(
    directory: Path, media: MediaFiles, talk: Callable[[Callable[..., Awaitable[bytes]]], Awaitable[None]]
) -> None:
    """Run `talk`, whose requests go both ways, twice on the fast one, and have the same response."""

    async def main() -> None:
        async with serve_both_ways(directory, media) as (fast, other):

            async def ask(path: bytes, *lines: bytes, method: bytes = b"GET") -> bytes:
                data = get(path, *lines, method=method)
                received = await other(data)
                for _ in range(3):  # from the disk, then prepared, then cached
                    assert await fast(data) == received
                return received

            await talk(ask)

    asyncio.run(main())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "media"
    write(root, "a.txt", b"0123456789")
    write(root, "sub/b.txt", b"b")
    write(root, "sub/.hidden", b"hidden")
    write(root, ".hidden", b"hidden")
    write(root, ".git/config", b"hidden")
    write(root, ".well-known/x", b"hidden")
    write(root, "long.mp4", LONG)
    (tmp_path / "secret").write_bytes(b"secret")
    return root


@pytest.fixture
def traps(root: Path) -> Iterator[None]:
    links: dict[str, str | Path] = {
        "out": root.parent,
        "out.txt": root.parent / "secret",
        "up": "..",
        "loop": "loop",
        "dangling": "x",
        "null": "/dev/null",
        "proc": "/proc/self",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "pipe")
    with (root.parent / "secret").open() as file:
        (root / "descriptor").symlink_to(f"/proc/self/fd/{file.fileno()}")
        yield


def test_a_file_byte_for_byte(root: Path, tmp_path: Path) -> None:
    etag = tag(root / "a.txt")

    async def talk(ask: Any) -> None:
        ok = (
            b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 10\r\n"
            b'etag: "%s"\r\nlast-modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n'
            b"cache-control: max-age=0, must-revalidate\r\nx-content-type-options: nosniff\r\n"
            b"accept-ranges: bytes\r\n\r\n" % etag
        )
        assert await ask(b"/media/a.txt") == ok + b"0123456789"
        assert await ask(b"/media/%61.txt?x=1") == ok + b"0123456789"
        assert await ask(b"/media/a.txt", b"Accept-Encoding: br, gzip") == ok + b"0123456789"
        assert await ask(b"/media/a.txt", method=b"HEAD") == ok
        assert await ask(b"/media/a.txt", b"Range: bytes=1-2", method=b"HEAD") == ok
        assert await ask(b"/media/a.txt", b'If-None-Match: "%s"' % etag) == (
            b'HTTP/1.1 304 Not Modified\r\netag: "%s"\r\nlast-modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n'
            b"cache-control: max-age=0, must-revalidate\r\nx-content-type-options: nosniff\r\n\r\n" % etag
        )
        assert await ask(b"/media/a.txt", b"Range: bytes=2-4") == (
            b"HTTP/1.1 206 Partial Content\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 3\r\n"
            b'content-range: bytes 2-4/10\r\netag: "%s"\r\nlast-modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n'
            b"cache-control: max-age=0, must-revalidate\r\nx-content-type-options: nosniff\r\n"
            b"accept-ranges: bytes\r\n\r\n234" % etag
        )
        unsatisfiable = await ask(b"/media/a.txt", b"Range: bytes=10-")
        assert unsatisfiable.startswith(b"HTTP/1.1 416 ")
        assert unsatisfiable.partition(b"\r\n")[2] == (
            b"content-type: text/plain; charset=utf-8\r\ncontent-length: 22\r\n"
            b"cache-control: private, no-store, max-age=0\r\ncontent-range: bytes */10\r\n"
            b"x-content-type-options: nosniff\r\n\r\nRange Not Satisfiable\n"
        )
        assert await ask(b"/media/a.txt", b'If-Match: "x"') == (
            b"HTTP/1.1 412 Precondition Failed\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 20\r\n"
            b"cache-control: private, no-store, max-age=0\r\nx-content-type-options: nosniff\r\n\r\n"
            b"Precondition Failed\n"
        )
        assert await ask(b"/media/nothing") == NOT_FOUND
        assert await ask(b"/media/nothing", method=b"HEAD") == NOT_FOUND.removesuffix(b"Not Found\n")

    run_both_ways(tmp_path / "tree", make_media(root), talk)


def test_the_fast_path_needs_no_thread(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    required("" if has_resolve_cached() else "the kernel has no RESOLVE_CACHED")
    monkeypatch.setattr(beneath, "CHECK_INTERVAL_SECONDS", 1e9)

    async def main() -> None:
        async with serve_both_ways(tmp_path / "tree", make_media(root)) as (fast, other):
            await other(get(b"/media/a.txt"))
            monkeypatch.delattr(MediaFiles, "respond")
            for _ in range(3):
                assert (await fast(get(b"/media/a.txt"))).endswith(b"0123456789")
                assert (await fast(get(b"/media/a.txt", method=b"HEAD"))).startswith(b"HTTP/1.1 200 OK")
                assert (await fast(get(b"/media/a.txt", b"Range: bytes=1-1"))).endswith(b"\r\n\r\n1")
                assert (await fast(get(b"/media/long.mp4"))).endswith(LONG[-9:])

    asyncio.run(main())


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE"])
def test_other_methods_are_not_allowed(root: Path, tmp_path: Path, method: bytes) -> None:
    async def talk(ask: Any) -> None:
        for path in (b"/media/a.txt", b"/media/nothing"):
            assert await ask(path, method=method) == (
                b"HTTP/1.1 405 Method Not Allowed\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 19\r\n"
                b"cache-control: private, no-store, max-age=0\r\nallow: GET, HEAD\r\n"
                b"x-content-type-options: nosniff\r\n\r\nMethod Not Allowed\n"
            )

    run_both_ways(tmp_path / "tree", make_media(root), talk)


@pytest.mark.usefixtures("traps")
def test_no_spelling_leads_to_anything_but_a_file_of_the_directory(root: Path, tmp_path: Path) -> None:
    assert len(set(TRAVERSALS)) >= 70

    async def talk(ask: Any) -> None:
        assert b"\r\n\r\n0123456789" in await ask(b"/media/a.txt")
        for path in TRAVERSALS:
            assert await ask(path) == NOT_FOUND, path

    run_both_ways(tmp_path / "tree", make_media(root), talk)


@pytest.mark.usefixtures("traps")
def test_paths_beside_the_prefix_are_the_projects(root: Path, tmp_path: Path) -> None:
    async def talk(ask: Any) -> None:
        for path in (
            b"/media",
            b"/mediax/a.txt",
            b"/x/../media/a.txt",
            b"/MEDIA/a.txt",
            b"/./media/a.txt",
            b"/%2fmedia/",
        ):
            assert (await ask(path)).endswith(b"\r\n\r\npage"), path

    run_both_ways(tmp_path / "tree", make_media(root), talk)


def test_links_within_the_directory_are_followed(root: Path, tmp_path: Path) -> None:
    (root / "link.txt").symlink_to("sub/b.txt")
    (root / "absolute.txt").symlink_to(root / "sub/b.txt")
    (root / "folder").symlink_to("sub")

    async def talk(ask: Any) -> None:
        for path in (b"/media/link.txt", b"/media/absolute.txt", b"/media/folder/b.txt"):
            assert (await ask(path)).endswith(b"\r\n\r\nb"), path

    run_both_ways(tmp_path / "tree", make_media(root), talk)


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("x.HTML", b"text/html; charset=utf-8"),
        ("x.svg", b"image/svg+xml"),
        ("x.xml", b"application/xml"),
        ("x.Js", b"text/plain; charset=utf-8"),
        ("x.css", b"text/plain; charset=utf-8"),
    ],
)
def test_what_a_browser_could_run_is_guarded_in_every_response(
    root: Path, tmp_path: Path, name: str, content_type: bytes
) -> None:
    write(root, name, b"<svg/>")
    etag = tag(root / name)

    async def talk(ask: Any) -> None:
        for lines, status in (
            ((), 200),
            ((b"Range: bytes=0-1",), 206),
            ((b"Range: bytes=0-1,3-4",), 206),
            ((b'If-None-Match: "%s"' % etag,), 304),
            ((b"Range: bytes=9-",), 416),
            ((b'If-Match: "x"',), 412),
        ):
            for method in (b"GET", b"HEAD"):
                (response,) = parse_responses(await ask(b"/media/" + name.encode(), *lines, method=method), [method])
                assert response.status == (status if method == b"GET" or status not in (206, 416) else 200)
                assert response.get_all(b"content-disposition") == [b"attachment"]
                assert response.get_all(b"content-security-policy") == [POLICY]
                assert response.get_all(b"x-content-type-options") == [b"nosniff"]
                if response.status == 200:
                    assert response.get_all(b"content-type") == [content_type]
                assert b"access-control-allow-origin" not in dict(response.fields)
                if b"3-4" in b"".join(lines) and method == b"GET":
                    assert b"Content-Type: " + content_type in response.body

    run_both_ways(tmp_path / "tree", make_media(root), talk)


def test_on_a_host_apart_nothing_is_guarded(root: Path, tmp_path: Path) -> None:
    write(root, "x.html", b"<p>")
    write(root, "x.js", b"1")

    async def talk(ask: Any) -> None:
        for path, content_type in ((b"/media/x.html", b"text/html"), (b"/media/x.js", b"text/javascript")):
            (response,) = parse_responses(await ask(path))
            assert response.get_all(b"content-type") == [content_type + b"; charset=utf-8"]
            assert not response.get_all(b"content-disposition")
            assert not response.get_all(b"content-security-policy")
            assert response.get_all(b"x-content-type-options") == [b"nosniff"]
            assert response.get_all(b"cache-control") == [b"max-age=60, must-revalidate"]

    run_both_ways(tmp_path / "tree", make_media(root, 60, is_inline=True), talk)


def test_a_file_that_was_modified_just_now_has_weak_validators(root: Path, tmp_path: Path) -> None:
    now = time.time()
    write(root, "new.txt", b"0123456789", now + 1000)  # it stays new while the test runs
    etag = tag(root / "new.txt")

    async def talk(ask: Any) -> None:
        (response,) = parse_responses(await ask_once(ask, b"/media/new.txt"))
        assert response.get_all(b"etag") == [b'W/"%s"' % etag]
        modified = response.get_all(b"last-modified")[0]
        for if_range in (b'W/"%s"' % etag, b'"%s"' % etag, modified):
            got = await ask_once(ask, b"/media/new.txt", b"Range: bytes=0-1", b"If-Range: " + if_range)
            assert got.startswith(b"HTTP/1.1 200 "), if_range
        assert (await ask_once(ask, b"/media/new.txt", b"Range: bytes=0-1")).startswith(b"HTTP/1.1 206 ")
        for none_match in (b'W/"%s"' % etag, b'"%s"' % etag):
            got = await ask_once(ask, b"/media/new.txt", b"If-None-Match: " + none_match)
            assert got.startswith(b"HTTP/1.1 304 ")
        assert (await ask_once(ask, b"/media/new.txt", b'If-Match: W/"%s"' % etag)).startswith(b"HTTP/1.1 412 ")
        assert (await ask_once(ask, b"/media/new.txt", b"If-Modified-Since: " + modified)).startswith(b"HTTP/1.1 200 ")

    async def ask_once(ask: Any, *arguments: bytes) -> bytes:
        return bytes(await ask(*arguments))

    media = make_media(root)
    run_both_ways_at(tmp_path / "tree", media, talk, now)
    assert not media._kept


def run_both_ways_at(directory: Path, media: MediaFiles, talk: Any, now: float) -> None:
    """Run `talk` at one moment: Last-Modified of a new file is the time of the response."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: now)
        run_both_ways(directory, media, talk)


@pytest.mark.parametrize(
    ("age", "is_weak", "shown"),
    [(0.0, True, 999), (0.999, True, 999), (1.0, False, 999), (-50.0, True, 999), (500.0, False, 500)],
)
def test_validators_are_strong_from_the_age_of_one_second_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, age: float, is_weak: bool, shown: int
) -> None:
    path = write(root, "a.txt", b"0123456789", LONG_AGO + 1000 - age)
    monkeypatch.setattr("time.time", lambda: LONG_AGO + 1000.0)
    response = make_media(root).respond("GET", b"/media/a.txt", [])
    fields = dict(response.headers)
    assert fields[b"etag"] == (b'W/"%s"' if is_weak else b'"%s"') % tag(path)
    seconds = LONG_AGO + shown - 1_699_999_980
    assert fields[b"last-modified"] == b"Tue, 14 Nov 2023 22:%02d:%02d GMT" % (13 + seconds // 60, seconds % 60)


def test_a_date_of_a_file_is_compared_as_one_of_a_clock(root: Path, tmp_path: Path) -> None:
    async def talk(ask: Any) -> None:
        for date, status in (
            (b"Tue, 14 Nov 2023 22:13:20 GMT", b"304"),
            (b"Tue, 14 Nov 2023 22:13:21 GMT", b"304"),
            (b"Tue, 14 Nov 2023 22:13:19 GMT", b"200"),
            (b"Mon, 01 Jan 1990 00:00:00 GMT", b"200"),
        ):
            assert (await ask(b"/media/a.txt", b"If-Modified-Since: " + date)).startswith(b"HTTP/1.1 " + status), date
        got = await ask(b"/media/a.txt", b"Range: bytes=0-1", b"If-Range: Tue, 14 Nov 2023 22:13:20 GMT")
        assert got.startswith(b"HTTP/1.1 206 ")

    run_both_ways(tmp_path / "tree", make_media(root), talk)


def test_times_before_1970_and_without_end_are_dates(root: Path) -> None:
    media = make_media(root)
    for modified in (-1, -5_000_000_000, 2**34 - 1):
        try:
            write(root, "old.txt", b"x", modified)
        except OSError:
            continue
        assert media.respond("GET", b"/media/old.txt", []).status == 200


@pytest.mark.parametrize("count", [2, 16, 17, 1000])
def test_many_ranges(root: Path, tmp_path: Path, count: int) -> None:
    ranges = b",".join(b"%d-%d" % (10 * number, 10 * number + 1) for number in range(count))

    async def talk(ask: Any) -> None:
        (response,) = parse_responses(await ask(b"/media/long.mp4", b"Range: bytes=" + ranges))
        if count > 16:
            assert (response.status, response.body) == (200, LONG)
        else:
            assert response.status == 206
            assert response.get_all(b"content-type")[0].startswith(b"multipart/byteranges; boundary=")
            assert response.body.count(b"Content-Range: bytes ") == count

    run_both_ways(tmp_path / "tree", make_media(root), talk)


@pytest.mark.parametrize("length", [0, 1, 32 << 10, MAX_SHORT_BYTES, MAX_SHORT_BYTES + 1])
def test_files_of_every_length(root: Path, tmp_path: Path, length: int) -> None:
    write(root, "x.bin", LONG[:length])

    async def talk(ask: Any) -> None:
        (response,) = parse_responses(await ask(b"/media/x.bin"))
        assert (response.status, response.body) == (200, LONG[:length])
        (response,) = parse_responses(await ask(b"/media/x.bin", b"Range: bytes=-5"))
        assert response.body in (LONG[max(0, length - 5) : length], b"")

    run_both_ways(tmp_path / "tree", make_media(root), talk)


def test_new_files_changed_ones_and_deleted_ones_are_seen_at_once(root: Path, tmp_path: Path) -> None:
    async def talk(ask: Any) -> None:
        assert await ask(b"/media/later.txt") == NOT_FOUND
        for text in (b"first", b"other", b"longer than that"):
            write(root, "later.txt", text)  # of the same age, and at first of the same length
            assert (await ask(b"/media/later.txt")).endswith(b"\r\n\r\n" + text)
        write(root, "next.txt", b"by a rename").rename(root / "later.txt")
        assert (await ask(b"/media/later.txt")).endswith(b"\r\n\r\nby a rename")
        (root / "later.txt").unlink()
        assert await ask(b"/media/later.txt") == NOT_FOUND
        (root / "later.txt").mkdir()
        assert await ask(b"/media/later.txt") == NOT_FOUND

    run_both_ways(tmp_path / "tree", make_media(root), talk)


def test_another_place_is_served_from_then_on(root: Path, tmp_path: Path) -> None:
    media, other = make_media(root), make_media(tmp_path / "other").place
    write(tmp_path / "other", "a.txt", b"another place")

    def count_roots() -> int:
        return sum(os.readlink(each) == str(root) for each in _list_descriptors())  # noqa: PTH115 - it may be none

    async def talk(ask: Any) -> None:
        assert (await ask(b"/media/a.txt")).endswith(b"0123456789")
        assert count_roots() == 1
        media.use(other)
        gc.collect()
        assert count_roots() == 0
        assert (await ask(b"/media/a.txt")).endswith(b"another place")
        media.use(None)
        assert (await ask(b"/media/a.txt")).endswith(b"page")

    run_both_ways(tmp_path / "tree", media, talk)


PIECES = (
    *(b"Range: bytes=0-1", b"Range: bytes=-1", b"Range: bytes=5-,0-2", b"range: bytes=99-", b"Range: lines=1"),
    *(b"If-None-Match: *", b'If-None-Match: "x"', b"If-Match: *", b'If-Match: "x"', b'If-Range: "x"'),
    *(b"If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT", b"If-Unmodified-Since: Mon, 01 Jan 1990 00:00:00 GMT"),
    *(b"Accept-Encoding: br", b"Connection: keep-alive", b"Connection: close", b"Cookie: a=b", b"X-Y: z", b"Expect: x"),
    *(b"Content-Length: 0", b"Upgrade: h2c", b"Host: b", b"If-Match: " + b"x" * 17000, b"Range: bytes=" + b"1-2," * 20),
)
PATHS = (
    *(b"/media/a.txt", b"/media/a.txt?x", b"/media/%61.txt", b"/media/sub/b.txt", b"/media/x.svg", b"/media/nothing"),
    *(b"/media/../a", b"/media/long.mp4", b"//media/a.txt", b"http://a/media/a.txt", b"/media/a.txt#x", b"/page"),
)


@pytest.mark.parametrize("seed", range(5))
def test_random_requests_have_the_same_response_both_ways(
    root: Path, tmp_path: Path, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    write(root, "x.svg", b"<svg/>")
    chance = random.Random(seed)

    async def main() -> None:
        async with serve_both_ways(tmp_path / "tree", make_media(root)) as (fast, other):
            for _ in range(150):
                requests = []
                for _ in range(chance.choice((1, 1, 2, 3))):
                    method = chance.choice((b"GET", b"GET", b"GET", b"HEAD", b"POST", b"OPTIONS"))
                    lines = chance.sample(PIECES, chance.choice((0, 0, 1, 1, 2, 3)))
                    requests.append(get(chance.choice(PATHS), *lines, method=method))
                data = b"".join(requests)
                assert await fast(data) == await other(data), data

    asyncio.run(main())


async def _begin_download(address: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, address)
    reader, writer = await asyncio.open_connection(sock=connection, limit=1024)
    writer.write(get(b"/media/huge.bin"))
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize("change", ["truncated", "grown", "deleted", "replaced"])
def test_a_file_may_change_while_it_is_sent(
    root: Path, tmp_path: Path, change: str, is_fast: bool, caplog: pytest.LogCaptureFixture
) -> None:
    huge = LONG * 10
    path = write(root, "huge.bin", huge)

    async def main() -> None:
        app = App(tmp_path / "tree", make_media(root))
        app.media.respond("HEAD", b"/media/a.txt", [])
        served: Any = app if is_fast else app.respond.__call__
        async with serve_in_process(served, interface="asgi3") as (address, _):
            reader, writer = await _begin_download(address)
            if change == "truncated":
                os.truncate(path, 1000)
            elif change == "grown":
                with path.open("ab") as file:
                    file.write(b"more" * 1000)
            elif change == "deleted":
                path.unlink()
            else:
                write(root, "next", b"x").rename(path)
            writer.write_eof()
            try:
                body = await reader.read()
            except ConnectionError:
                body = b""
            if change == "truncated":
                assert len(body) < len(huge)
            else:
                assert body == huge
            writer.close()

    asyncio.run(main())
    if change == "truncated":
        assert "bytes early" in caplog.text


def test_a_client_that_leaves_costs_no_descriptor(root: Path, tmp_path: Path) -> None:
    write(root, "huge.bin", LONG * 10)

    def count() -> int:
        return sum("huge.bin" in os.readlink(each) for each in _list_descriptors())  # noqa: PTH115 - it may be none

    async def main() -> None:
        app = App(tmp_path / "tree", make_media(root))
        app.media.respond("HEAD", b"/media/a.txt", [])
        for served in (app, app.respond.__call__):
            async with serve_in_process(served, interface="asgi3") as (address, state):
                for _ in range(5):
                    _, writer = await _begin_download(address)
                    assert count() > 0
                    writer.transport.abort()
                await until(lambda: not state.connections and not count())

    asyncio.run(main())
    gc.collect()
    assert count() == 0


def _list_descriptors() -> list[Path]:
    return [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]


def test_the_event_loop_reads_nothing_from_a_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel would have to wait, the fast path leaves the request."""
    required("" if has_resolve_cached() else "the kernel has no RESOLVE_CACHED")
    monkeypatch.setattr(beneath, "CHECK_INTERVAL_SECONDS", 1e9)
    media = make_media(root)
    media.respond("GET", b"/media/a.txt", [])

    def refuse(*_: object) -> int:
        raise BlockingIOError(errno.EAGAIN, "it would block")

    monkeypatch.setattr(os, "preadv", refuse)
    prepared = media.respond_cached("GET", b"/media/a.txt", [])
    assert prepared is not None
    assert prepared.read is not None
    assert prepared.read() is None
    assert media.respond_cached("GET", b"/media/a.txt", [(b"range", b"bytes=0-1")]) is None
    monkeypatch.undo()
    assert prepared.read() == b"0123456789"
    (root / "a.txt").unlink()
    assert prepared.read() is None


def test_what_cannot_be_read_is_an_error_and_logged(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    media = make_media(root)
    for number, status in ((errno.EACCES, 404), (errno.EIO, 503), (errno.EMFILE, 503)):
        error = OSError(number, os.strerror(number))

        def fail(*_: object, error: OSError = error, **__: object) -> Any:
            raise error

        monkeypatch.setattr(RootDirectory, "open_descriptor", fail)
        response = media.respond("GET", b"/media/a.txt", [])
        assert response.status == status
        assert dict(response.headers)[b"cache-control"] == b"private, no-store, max-age=0"
        assert os.strerror(number) in caplog.text
        assert media.respond_cached("GET", b"/media/a.txt", []) is None


def test_a_file_that_is_truncated_before_it_is_read_is_503(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    media = make_media(root)
    monkeypatch.setattr(os, "preadv", lambda *_: 3)
    assert media.respond("GET", b"/media/a.txt", []).status == 503
    assert dict(media.respond("GET", b"/media/a.txt", []).headers)[b"retry-after"] == b"5"


def test_heads_are_kept_within_a_bound(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_files, "MAX_KEPT_HEADS", 3)
    media = make_media(root)
    for number in range(10):
        write(root, f"{number}.txt", b"x")
        media.respond("GET", b"/media/%d.txt" % number, [])
        assert len(media._kept) <= 3


def test_a_slow_disk_delays_no_page(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While more files than there are threads wait for a disk, pages are served."""
    gate = threading.Event()
    respond = MediaFiles.respond

    def wait(self: MediaFiles, *arguments: Any) -> Any:
        gate.wait()
        return respond(self, *arguments)

    monkeypatch.setattr(MediaFiles, "respond", wait)

    async def main() -> None:
        async with serve_both_ways(tmp_path / "tree", make_media(root)) as (fast, other):
            waiting = [asyncio.ensure_future(other(get(b"/media/a.txt"))) for _ in range(40)]
            try:
                assert (await other(get(b"/page"))).endswith(b"page")
                assert (await fast(get(b"/page"))).endswith(b"page")
                assert not any(each.done() for each in waiting)
            finally:
                gate.set()
            assert all(each.endswith(b"0123456789") for each in await asyncio.gather(*waiting))

    asyncio.run(main())


def test_requests_that_wait_for_a_disk_are_bounded(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()

    def wait(*_: Any) -> Any:
        gate.wait()
        return build_error("GET", 404, b"x")

    monkeypatch.setattr(MediaFiles, "respond", wait)
    monkeypatch.setattr(middleware, "MAX_THREADS", 1)
    monkeypatch.setattr(middleware, "MAX_WAITING", 2)

    async def main() -> None:
        async with serve_both_ways(tmp_path / "tree", make_media(root)) as (_, other):
            requests = [asyncio.ensure_future(other(get(b"/media/a.txt"))) for _ in range(5)]
            try:
                done = [await each for each in itertools.islice(asyncio.as_completed(requests), 2)]
            finally:
                gate.set()
            assert [each[:12] for each in done] == [b"HTTP/1.1 503"] * 2
            assert sorted(each[:12] for each in await asyncio.gather(*requests))[:3] == [b"HTTP/1.1 404"] * 3

    asyncio.run(main())


def test_a_response_that_says_not_modified_is_kept_until_the_file_is_another(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    required("" if has_resolve_cached() else "the kernel has no RESOLVE_CACHED")
    monkeypatch.setattr(beneath, "CHECK_INTERVAL_SECONDS", 1e9)
    media = make_media(root)
    cache = ResponseCache(Responder(load_tree(make_tree(tmp_path / "tree", {"a.txt": b"a"})), "/static/"), media)
    media.respond("GET", b"/media/a.txt", [])
    head = get(b"/media/a.txt", b'If-None-Match: "%s"' % tag(root / "a.txt"))
    first = cache.respond(head)
    assert first is not None
    assert first.status == 304
    assert cache.find(head) is first
    assert first.read is not None
    assert first.read() == b""
    write(root, "a.txt", b"another one")
    assert first.read() is None
    after = cache.respond(head)
    assert after is not None
    assert after.status == 200


def test_the_response_of_a_changed_file_takes_the_place_of_the_former(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    required("" if has_resolve_cached() else "the kernel has no RESOLVE_CACHED")
    monkeypatch.setattr(beneath, "CHECK_INTERVAL_SECONDS", 1e9)
    media = make_media(root)
    cache = ResponseCache(Responder(load_tree(make_tree(tmp_path / "tree", {"a.txt": b"a"})), "/static/"), media)
    media.respond("GET", b"/media/a.txt", [])
    head = get(b"/media/a.txt")
    first = cache.respond(head)
    assert cache.find(head) is first
    write(root, "a.txt", b"another one")
    for _ in range(3):
        found = cache.find(head)
        if found is None or found.read is None or found.read() is None:
            cache.respond(head)
    found = cache.find(head)
    assert found is not None
    assert found is not first
    assert found.read is not None
    assert found.read() == b"another one"


def make_reader(media: MediaFiles) -> Callable[[], Any]:
    """Return what reads /media/a.txt on the fast path."""
    media.respond("GET", b"/media/a.txt", [])
    prepared = media.respond_cached("GET", b"/media/a.txt", [])
    assert prepared is not None
    assert prepared.read is not None
    return prepared.read


@pytest.mark.parametrize(("age", "is_kept"), [(0.5, False), (1.5, True)])
def test_a_body_is_kept_once_the_file_has_not_changed_for_a_second(
    root: Path, monkeypatch: pytest.MonkeyPatch, age: float, is_kept: bool
) -> None:
    """Two changes within a tick of the clock, after which both times are set back, leave all facts as they were."""
    required("" if has_resolve_cached() else "the kernel has no RESOLVE_CACHED")
    monkeypatch.setattr(beneath, "CHECK_INTERVAL_SECONDS", 1e9)
    changed = (root / "a.txt").stat().st_ctime
    monkeypatch.setattr("time.time", lambda: changed + age)
    media = make_media(root)
    assert make_reader(media)() == b"0123456789"
    assert media._bodies.stored_bytes == (10 if is_kept else 0)


def test_a_file_that_is_replaced_between_a_look_and_a_read_is_left_to_a_thread(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    required("" if has_resolve_cached() else "the kernel has no RESOLVE_CACHED")
    monkeypatch.setattr(beneath, "CHECK_INTERVAL_SECONDS", 1e9)
    read = make_reader(make_media(root))
    stat_cached = RootDirectory.stat_cached

    def replace_after(self: RootDirectory, name: bytes) -> os.stat_result:
        facts = stat_cached(self, name)
        write(root, "next.txt", b"9876543210").rename(root / "a.txt")
        return facts

    monkeypatch.setattr(RootDirectory, "stat_cached", replace_after)
    assert read() is None


def test_a_web_socket_below_the_prefix_is_refused(root: Path) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def never(*_: Any) -> Any:
        raise AssertionError

    scope = {"type": "websocket", "path": "/media/a.txt", "raw_path": b"/media/a.txt", "headers": []}
    asyncio.run(MediaFilesMiddleware(never, make_media(root))(scope, never, send))
    assert sent == [{"type": "websocket.close", "code": 1000}]
    assert scope["static_host.handler"] == "media"


def test_an_entity_tag_is_short(root: Path) -> None:
    etag = dict(make_media(root).respond("GET", b"/media/a.txt", []).headers)[b"etag"]
    assert re.fullmatch(rb'"[0-9a-f]+-[0-9a-f]+-a"', etag)
    assert len(etag) < 48
