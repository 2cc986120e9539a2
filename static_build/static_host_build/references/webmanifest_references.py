"""References in a web application manifest: its icons, those of its shortcuts, its screenshots.

Rule: ``src`` names an image relative to the manifest (W3C Application Manifest, image resources). Every other URL in
it (``start_url``, ``scope``) is that of a page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from static_host_build.references.reference import Reference, UnreadableError

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[{}\[\],:]', re.DOTALL)
_IMAGES = frozenset(("icons", "screenshots"))


def find_references(text: str) -> list[Reference]:
    """Return the references in a manifest, in order. Raises UnreadableError."""
    try:
        json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise UnreadableError(error.msg, text, error.pos) from None
    except (ValueError, RecursionError):  # a number of over 4,300 digits; brackets in brackets
        raise UnreadableError("it is too large for JSON", text, 0) from None
    return list(_find_images(text))


def _find_images(text: str) -> Iterator[Reference]:
    keys: list[str] = []  # the key of each open object or array
    key, before = "", ""
    for match in _TOKEN.finditer(text):
        piece = match[0]
        if piece[0] == '"':
            if before == ":" and key == "src" and not _IMAGES.isdisjoint(keys):
                yield Reference(match.start() + 1, match.end() - 1, json.loads(piece, strict=False), escape=_escape)
            elif before in ("{", ",") and keys:
                key = json.loads(piece, strict=False)
        elif piece in "{[":
            keys.append(key)
            key = ""
        elif piece in "}]":
            keys.pop()
        before = piece


def _escape(url: str) -> str:
    return json.dumps(url, ensure_ascii=False)[1:-1]
