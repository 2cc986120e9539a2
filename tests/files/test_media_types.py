from __future__ import annotations

import mimetypes

import pytest

from static_host.files import media_types
from static_host.files.media_headers import GUARD, select_type

ATTACHED = """
a.html a.HTML a.hTm a.htm a.shtml a.shtm a.xhtml a.xht a.svg a.SVG a.jpg.svg a.xml a.xsl a.xslt a.xsd a.rng a.wsdl a.rdf
a.owl a.atom a.rss a.kml a.xul a.xbl a.mathml a.mml a.xspf a.eml a.mht a.mhtml a.nws a.swf a.spl a.hta a.htc a.xpdl
"""
SCRIPTS = "a.js a.JS a.mjs a.cjs a.jsm a.jsx a.jse a.es a.css a.CSS a.min.js a.png.js"
POLICY = (
    b"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SHOWN = {
    "a.png": b"image/png",
    "a.PNG": b"image/png",
    "a.jpg": b"image/jpeg",
    "a.jpeg": b"image/jpeg",
    "a.gif": b"image/gif",
    "a.webp": b"image/webp",
    "a.avif": b"image/avif",
    "a.mp4": b"video/mp4",
    "a.m4a": b"audio/mp4",
    "a.webm": b"video/webm",
    "a.mp3": b"audio/mpeg",
    "a.pdf": b"application/pdf",
    "a.woff2": b"font/woff2",
    "a.txt": b"text/plain; charset=utf-8",
    "a.csv": b"text/csv; charset=utf-8",
    "a.json": b"application/json",
    "a.zip": b"application/zip",
    "a.tar.gz": b"application/gzip",
    "a.html.gz": b"application/gzip",
    "a.js.gz": b"application/gzip",
    "a.svgz": b"application/gzip",
    "a.svg.br": b"application/x-brotli",
    "a.docx": b"application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "a": b"application/octet-stream",
    "a.": b"application/octet-stream",
    "html": b"application/octet-stream",
    "a.html ": b"application/octet-stream",
    "a.html.": b"application/octet-stream",
    "a.html;x": b"application/octet-stream",
    "a.svg%00": b"application/octet-stream",
    "a.svg/b": b"application/octet-stream",
    "a.svg/b.png": b"image/png",
    "a.php": b"application/octet-stream",
    "a.\u017fvg": b"application/octet-stream",
    "data:text/html,x.png": b"image/png",
}


@pytest.mark.parametrize("name", ATTACHED.split())
def test_what_a_browser_could_run_is_an_attachment_without_rights(name: str) -> None:
    content_type, guard = select_type(name.encode(), is_inline=False)
    assert content_type != b"text/plain; charset=utf-8"
    assert guard == ((b"content-disposition", b"attachment"), (b"content-security-policy", POLICY))


@pytest.mark.parametrize("name", SCRIPTS.split())
def test_scripts_and_stylesheets_are_plain_text_besides(name: str) -> None:
    assert select_type(name.encode(), is_inline=False) == (b"text/plain; charset=utf-8", GUARD)


@pytest.mark.parametrize(("name", "content_type"), SHOWN.items())
def test_other_files_are_shown_as_what_they_are(name: str, content_type: bytes) -> None:
    assert select_type(name.encode(), is_inline=False) == (content_type, ())


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.html", b"text/html; charset=utf-8"),
        ("a.svg", b"image/svg+xml"),
        ("a.xml", b"application/xml"),
        ("a.js", b"text/javascript; charset=utf-8"),
        ("a.css", b"text/css; charset=utf-8"),
    ],
)
def test_on_a_host_apart_everything_is_what_it_is(name: str, content_type: bytes) -> None:
    assert select_type(name.encode(), is_inline=True) == (content_type, ())


def test_the_table_leaves_nothing_out_that_pythons_own_has_and_browsers_run() -> None:
    """Every extension that Python's table gives a type which a browser runs is one that is attached here."""
    own = mimetypes.MimeTypes().types_map
    for extension, media_type in {**own[False], **own[True]}.items():
        names = ("html", "xml", "script", "css", "message/", "multipart/", "flash")
        if any(each in media_type for each in names) and "openxml" not in media_type and "postscript" not in media_type:
            _, guard = select_type(f"a{extension}".encode(), is_inline=False)
            is_unknown = media_types.guess_media_type(f"a{extension}".encode()) == "application/octet-stream"
            assert guard or is_unknown, extension


def test_each_extension_has_one_type() -> None:
    lines = media_types._TABLE.split("\n")[1:-1]
    extensions = [extension for line in lines for extension in line.split()[1:]]
    assert len(extensions) == len(set(extensions))
    assert extensions == [extension.lower() for extension in extensions]
