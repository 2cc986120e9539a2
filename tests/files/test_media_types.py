"""File names and the media types that they stand for."""

from __future__ import annotations

import pytest

from static_host.files.media_types import guess_media_type


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        (b"a.txt", "text/plain"),
        (b"A.PNG", "image/png"),
        (b"a/b.html", "text/html"),
        (b"a.tar.gz", "application/gzip"),
        (b"a.svgz", "application/gzip"),
        (b"a.html.br", "application/br"),
        (b"a", "application/octet-stream"),
        (b"", "application/octet-stream"),
        (b"a.unknown", "application/octet-stream"),
        (b"html", "application/octet-stream"),
        (b"a.html/b", "application/octet-stream"),
        (b"\xff.css", "text/css"),
        (b"data:text/html,a.png", "image/png"),
        (b"data:text/html;x,a", "application/octet-stream"),
        (b"http://[a/b.png", "image/png"),
        (b"x:[a.png", "image/png"),
    ],
)
def test_a_name_stands_for_a_type(name: bytes, media_type: str) -> None:
    assert guess_media_type(name) == media_type
