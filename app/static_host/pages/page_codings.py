"""Which content coding a page gets (RFC 9110 §8.4, §12.5.3), and what its fields say then.

Rule: a response of Django's is encoded if its media type compresses, from `MIN_LENGTH` bytes on, unless it has a coding
already, is a part (206, 416), or has a field that forbids it (``Cache-Control: no-transform``) or describes its bytes.
An event stream is left alone. The client's weights decide first, then the order of DJANGO_PAGE_CODINGS.

A strong entity tag becomes a weak one with a mark, because the bytes are no longer the view's (§8.8.1). The view sees
its own tag in If-None-Match and If-Match. So it revalidates, and detects lost updates, as without a coding.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus

from static_host.conf.settings import Settings
from static_host.origin.negotiation import CODINGS, Weights, parse_accept_encoding
from static_host.origin.representation import DICTIONARY_CODING
from static_host.pages.encoders import Encoder, open_encoder
from static_host.pages.page_dictionaries import NO_DICTIONARIES

MIN_LENGTH = 500
"""Bytes of a body below which a coding saves nothing: it fits into one packet."""
Fields = list[tuple[bytes, bytes]]
OpenEncoder = Callable[[], Encoder]

_is_compressible = re.compile(
    rb"(?i)(?:text/(?!event-stream)[\w.+-]+|(?:application|image|model|message)/[\w.-]+\+(?:json|xml|yaml|text)"
    rb"|application/(?:json|xml|javascript|x-javascript|ecmascript|ndjson|x-ndjson|jsonl|json-seq|yaml|x-yaml|toml|sql"
    rb"|graphql|rtf|wasm|x-www-form-urlencoded|x-sh|x-tex|postscript)"
    rb"|image/(?:bmp|x-icon|vnd\.microsoft\.icon)|font/(?:ttf|otf|collection)"
    rb")[ \t]*(?:;|\Z)"
).match
_has_no_transform = re.compile(rb"(?i)(?:^|[\s,])no-transform(?:[\s,]|$)").search
_EXCLUDING = frozenset(
    (b"content-encoding", b"content-range", b"content-md5", b"digest", b"content-digest", b"repr-digest", b"signature")
)
"""Fields of a response that is encoded already, is a part, or whose bytes are described."""
_BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.NOT_MODIFIED)
_OF_BYTES = (b"content-length", b"accept-ranges")
"""Fields that do not hold for encoded bytes."""
ENTITY_TAG_MARK = b'~page"'
_MARKED = re.compile(rb'W/("[^"]*)~page"')
_PRECONDITIONS = (b"if-none-match", b"if-match")


class PageCodings:
    """The codings of DJANGO_PAGE_CODINGS, the preferred one first, and the most padding (DJANGO_PAGE_PADDING)."""

    def __init__(self, codings: Sequence[str], max_padding_bytes: int) -> None:
        self._places = [(CODINGS.index(coding), coding) for coding in codings]
        self._identity = CODINGS.index("identity")
        self._place_of_dcz = CODINGS.index(DICTIONARY_CODING)
        self._max_padding_bytes = max_padding_bytes
        self.dictionaries = NO_DICTIONARIES
        """Those of the tree that is served."""

    @classmethod
    def from_settings(cls, settings: Settings) -> PageCodings:
        """Return the codings that the settings ask for."""
        return cls(settings.page_codings, settings.page_padding)

    def describe(
        self, method: str, request: Fields, status: int, fields: Fields, length: int
    ) -> tuple[Fields, OpenEncoder | None]:
        """Return the fields of a response, and what opens its encoder, if it is encoded. The length -1 is not known."""
        if not self._places:
            return fields, None
        if status == HTTPStatus.NOT_MODIFIED:
            return _describe_not_modified(request, fields), None
        if status in _BODILESS or not _can_be_encoded(method, fields, length):
            return fields, None
        accepted = _combine(request, b"accept-encoding")
        weights = parse_accept_encoding(accepted)
        dictionary = None
        if is_document(method, request, fields):
            available = _combine(request, b"available-dictionary")
            if link := self.dictionaries.find_link(available):
                fields = [*fields, (b"link", link)]
            if available is not None:
                fields = _add_vary(fields, b"Available-Dictionary")
                best = max(weights[place] for place, _ in self._places)
                is_accepted = 0 < weights[self._place_of_dcz] >= best
                dictionary = self.dictionaries.find(available) if is_accepted else None
        fields = _add_vary(fields, b"Accept-Encoding")
        coding = DICTIONARY_CODING if dictionary else self._select(weights)
        if not coding:
            return fields, None
        fields = [_mark(*field) for field in fields if field[0] not in _OF_BYTES]
        fields.append((b"content-encoding", coding.encode()))
        return fields, partial(open_encoder, coding, self._max_padding_bytes, dictionary)

    def _select(self, weights: Weights) -> str:
        """Return the coding for a client; an empty string if it prefers the bytes themselves."""
        place, coding = max(self._places, key=lambda each: weights[each[0]])
        return coding if weights[place] and weights[place] >= weights[self._identity] else ""


UNENCODED = PageCodings((), 0)
"""No coding at all."""


def restore_entity_tags(request: Fields) -> Fields:
    """Return the fields of a request with the entity tags that the view has given."""
    return [
        (name, _MARKED.sub(rb'\1"', value)) if name in _PRECONDITIONS and ENTITY_TAG_MARK in value else (name, value)
        for name, value in request
    ]


def _can_be_encoded(method: str, fields: Fields, length: int) -> bool:
    media_type = b""
    if method == "HEAD":
        length = -1
    for name, value in fields:
        if name in _EXCLUDING or (name == b"cache-control" and _has_no_transform(value)):
            return False
        if name == b"content-type":
            media_type = value
        elif name == b"content-length" and length < 0:
            length = int(value[:18]) if value.isdigit() else 0
    return (length < 0 or length >= MIN_LENGTH) and bool(_is_compressible(media_type))


def is_document(method: str, request: Fields, fields: Fields) -> bool:
    """Whether a browser opens a document: only that can have a dictionary of documents."""
    return (
        method in ("GET", "HEAD")
        and (b"sec-fetch-dest", b"document") in request
        and any(name == b"content-type" and value[:9].lower() == b"text/html" for name, value in fields)
    )


def _combine(request: Fields, name: bytes) -> bytes | None:
    """Return the value of a field; several lines are a list (RFC 9110 §5.3)."""
    lines = [value for each, value in request if each == name]
    return b",".join(lines) if lines else None


def _add_vary(fields: Fields, added: bytes) -> Fields:
    """Return the fields with another field's name in Vary (RFC 9110 §12.5.5)."""
    varies = b",".join([value for name, value in fields if name == b"vary"])
    named = {each.strip().lower() for each in varies.split(b",")}
    if b"*" in named or added.lower() in named:
        return fields
    others = [field for field in fields if field[0] != b"vary"]
    return [*others, (b"vary", b"%b, %b" % (varies, added) if varies.strip() else added)]


def _mark(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Return a field; a strong entity tag as a weak one with the mark."""
    if name == b"etag" and value.startswith(b'"') and value.endswith(b'"', 1):
        return name, b"W/%b%b" % (value[:-1], ENTITY_TAG_MARK)
    return name, value


def _describe_not_modified(request: Fields, fields: Fields) -> Fields:
    """Return the fields of a 304, which names the entity tag that the client has, and varies as the page does."""
    marked = {tag + b'"' for tag in _MARKED.findall(_combine(request, b"if-none-match") or b"")}
    if (b"sec-fetch-dest", b"document") in request and _combine(request, b"available-dictionary") is not None:
        fields = _add_vary(fields, b"Available-Dictionary")
    fields = _add_vary(fields, b"Accept-Encoding")
    return [_mark(name, value) if value in marked else (name, value) for name, value in fields]
