"""The response of a view whose body is a file: the table, through the function that decides."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from static_host.files.view_file import respond_with_file
from static_host.origin.body_cache import Body
from static_host.origin.response import Response, Slice
from tests.support.file_cases import CONTENT, FILE_CASES, OF_THIS_SECOND, FileCase, get_lines, name_boundary

CASES = pytest.mark.parametrize("case", FILE_CASES, ids=[case.name for case in FILE_CASES])


def read(part: Body | Slice) -> bytes:
    return os.pread(part.file.fileno(), part.length, part.offset) if isinstance(part, Slice) else bytes(part)


def respond(case: FileCase, source: Body | Slice) -> Response:
    lines = get_lines(case.view)
    return respond_with_file(case.method, get_lines(case.request), case.view_status, lines, len(case.content), source)


def check(case: FileCase, response: Response) -> None:
    assert response.status == case.status
    fields = [(name, name_boundary(value)) for name, value in response.headers]
    assert sorted(fields) == sorted(get_lines(case.fields))
    body = b"".join(map(read, response.body))
    assert name_boundary(body) == case.body
    lengths = [int(value) for name, value in fields if name == b"content-length"]
    assert lengths == ([] if case.status == 304 else lengths[:1])
    if case.method != "HEAD" and case.status != 304:
        assert lengths == [len(body)]


@CASES
def test_a_file_in_memory(case: FileCase) -> None:
    check(case, respond(case, case.content))


@CASES
def test_an_open_file_from_its_middle_on(tmp_path: Path, case: FileCase) -> None:
    (tmp_path / "file").write_bytes(b"before" + case.content + b"behind")
    with io.FileIO(tmp_path / "file") as file:
        check(case, respond(case, Slice(file, 6, len(case.content))))


@CASES
def test_the_content_length_of_the_view_is_not_believed(case: FileCase) -> None:
    lines = [(b"content-length", b"77"), *get_lines(case.view)]
    request = get_lines(case.request)
    check(case, respond_with_file(case.method, request, case.view_status, lines, len(case.content), case.content))


@pytest.mark.parametrize(("now", "status"), [(4133980799.9, 200), (4133980800.0, 206)])
def test_a_date_is_strong_when_its_second_is_over(monkeypatch: pytest.MonkeyPatch, now: float, status: int) -> None:
    monkeypatch.setattr("static_host.files.view_file.time.time", lambda: now)
    date = get_lines((OF_THIS_SECOND,))
    request = [(b"range", b"bytes=0-0"), (b"if-range", date[0][1])]
    assert respond_with_file("GET", request, 200, date, 10, CONTENT).status == status


@pytest.mark.parametrize(
    ("value", "status", "fields"),
    [
        ("", 200, [(b"content-length", b"0"), (b"accept-ranges", b"bytes")]),
        ("bytes=-1", 200, [(b"content-length", b"0"), (b"accept-ranges", b"bytes")]),
        ("bytes=0-", 416, [(b"content-range", b"bytes */0")]),
    ],
)
def test_an_empty_file(value: str, status: int, fields: list[tuple[bytes, bytes]]) -> None:
    response = respond_with_file("GET", [(b"range", value.encode())] if value else [], 200, [], 0, b"")
    assert response.status == status
    assert set(fields) <= set(response.headers)


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_has_none(status: int) -> None:
    assert respond_with_file("GET", [], status, [], 10, CONTENT) == Response(status, ())
