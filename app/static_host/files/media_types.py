"""Media types by file name, and which of them a browser could run as the site.

Rule: the type depends on the last extension alone, in any case, and on no table of the machine. A name that ends with
an encoding's suffix (`.gz`) has the type of that archive: the bytes are sent as they are. Text has the charset UTF-8,
as the build's has. An unknown extension is `application/octet-stream`, which no browser shows.
"""

from __future__ import annotations

_TABLE = """
application/atom+xml atom
application/epub+zip epub
application/ecmascript es
application/geo+json geojson
application/gzip gz svgz tgz
application/hta hta
application/java-archive ear jar war
application/json json map
application/ld+json jsonld
application/manifest+json webmanifest
application/mathml+xml mathml mml
application/msword doc dot
application/octet-stream bin
application/pdf pdf
application/postscript ai eps ps
application/rdf+xml owl rdf
application/rss+xml rss
application/rtf rtf
application/vnd.apple.mpegurl m3u8
application/vnd.google-earth.kml+xml kml
application/vnd.google-earth.kmz kmz
application/vnd.mozilla.xul+xml xul
application/vnd.ms-excel xls
application/vnd.ms-fontobject eot
application/vnd.ms-powerpoint ppt
application/vnd.oasis.opendocument.graphics odg
application/vnd.oasis.opendocument.presentation odp
application/vnd.oasis.opendocument.spreadsheet ods
application/vnd.oasis.opendocument.text odt
application/vnd.openxmlformats-officedocument.presentationml.presentation pptx
application/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx
application/vnd.openxmlformats-officedocument.wordprocessingml.document docx
application/vnd.rar rar
application/wasm wasm
application/x-7z-compressed 7z
application/x-brotli br
application/x-bzip2 bz2
application/x-compress z
application/x-shockwave-flash spl swf
application/x-tar tar
application/x-xz xz
application/xhtml+xml xht xhtml
application/xml rng wsdl xbl xml xpdl xsd
application/xslt+xml xsl xslt
application/xspf+xml xspf
application/yaml yaml yml
application/zip zip
application/zstd zst
audio/aac aac
audio/aiff aif aifc aiff
audio/amr amr
audio/flac flac
audio/midi mid midi
audio/mp4 m4a m4b
audio/mpeg mp2 mp3
audio/ogg oga ogg opus spx
audio/wav wav
audio/webm weba
font/collection ttc
font/otf otf
font/ttf ttf
font/woff woff
font/woff2 woff2
image/apng apng
image/avif avif
image/bmp bmp
image/gif gif
image/heic heic
image/heif heif
image/jpeg jfif jpe jpeg jpg pjp pjpeg
image/jp2 jp2
image/jxl jxl
image/png png
image/svg+xml svg
image/tiff tif tiff
image/vnd.adobe.photoshop psd
image/webp webp
image/x-icon cur ico
message/rfc822 eml mht mhtml nws
model/gltf+json gltf
model/gltf-binary glb
model/obj obj
model/stl stl
text/calendar ics
text/css css
text/csv csv
text/html htm html shtm shtml
text/javascript cjs js jse jsm jsx mjs
text/markdown markdown md
text/plain log srt text txt
text/tab-separated-values tsv
text/vcard vcf
text/vtt vtt
text/x-component htc
video/3gpp 3gp 3gpp
video/mp4 m4v mp4
video/mp2t m2ts mts ts
video/mpeg mpeg mpg
video/ogg ogv
video/quicktime mov qt
video/webm webm
video/x-flv flv
video/x-matroska mkv
video/x-ms-wmv wmv
video/x-msvideo avi
"""
_TYPES = {
    extension.encode(): media_type
    for media_type, *extensions in map(str.split, _TABLE.split("\n")[1:-1])
    for extension in extensions
}
UNKNOWN_TYPE = "application/octet-stream"
TEXT_TYPE = "text/plain"

_SCRIPTS = frozenset(("application/ecmascript", "text/css", "text/javascript"))
_ACTIVE = frozenset(("application/hta", "application/x-shockwave-flash", "text/html", "text/x-component"))


def guess_media_type(name: bytes) -> str:
    """Return the media type of a file with this name, without a charset."""
    _, dot, extension = name.rpartition(b"/")[2].rpartition(b".")
    return _TYPES.get(extension.lower(), UNKNOWN_TYPE) if dot else UNKNOWN_TYPE


def is_script(media_type: str) -> bool:
    """Whether pages apply files of this type: scripts and stylesheets."""
    return media_type in _SCRIPTS


def is_active(media_type: str) -> bool:
    """Whether a browser that shows a file of this type may run what is in it: HTML, XML, SVG, messages, Flash."""
    is_xml = media_type.endswith(("/xml", "+xml"))
    return is_xml or media_type in _ACTIVE or media_type.startswith(("message/", "multipart/"))


def format_content_type(media_type: str) -> bytes:
    """Return the value of Content-Type: text has the charset UTF-8."""
    return f"{media_type}; charset=utf-8".encode() if media_type.startswith("text/") else media_type.encode()
