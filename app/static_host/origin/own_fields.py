"""Header fields of a project's own: which a static answer may have.

Rule: such a field replaces the server's own field of that name, or removes it. The fields that frame a message, tell
representations apart, or decide about conditional requests stay the server's: what it sends must be true of each
coding, and of 206 and 304, too. The index of another release is foreign input, so these rules hold there as well.
"""

from __future__ import annotations

import re

from static_host_django.media_type import is_media_type

Fields = tuple[tuple[str, str | None], ...]
"""Names in lower case and values, sorted by name; None removes the server's field of that name."""

MAX_VALUE_CHARACTERS = 8192
"""Maximum length of a value; clients and proxies refuse longer heads."""
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # RFC 9110 §5.6.2
_VALUE = re.compile(r"[!-~](?:[ -~\t]*[!-~])?")  # §5.5, without obs-text

_RESERVED = {
    "The server frames its messages itself (RFC 9112)": (
        *("connection", "content-length", "date", "keep-alive", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade"),
    ),
    "The server sends the right one for each content coding and each range": (
        *("accept-ranges", "content-digest", "content-encoding", "content-md5", "content-range", "digest", "etag"),
        *("last-modified", "repr-digest", "use-as-dictionary", "vary"),
    ),
    "Only a cache knows it (RFC 9111 §5.1)": ("age",),
    "Static files take GET, HEAD and OPTIONS, and redirect nowhere; use a view": ("allow", "location"),
    "Caches give a static answer to every visitor; set cookies in a view": ("set-cookie", "set-cookie2"),
    "Static files are public; protect them at the CDN, or send them from a view": (
        *("basic-auth", "proxy-authenticate", "www-authenticate"),
    ),
}
_REASONS = {name: reason for reason, names in _RESERVED.items() for name in names}

SINGLE_VALUE_NAMES = frozenset(
    {
        *("access-control-allow-credentials", "access-control-allow-origin", "access-control-max-age"),
        *("content-disposition", "content-location", "content-type", "cross-origin-embedder-policy"),
        *("cross-origin-embedder-policy-report-only", "cross-origin-opener-policy"),
        *("cross-origin-opener-policy-report-only", "cross-origin-resource-policy", "expires", "origin-agent-cluster"),
        *("service-worker-allowed", "sourcemap", "strict-transport-security", "x-content-type-options"),
        *("x-frame-options", "x-xss-protection"),
    }
)
"""Fields that are no lists: two values joined by a comma would mean nothing, or something else (RFC 9110 §5.3)."""


def explain_invalid_field(name: str, value: str | None) -> str:
    """Return why a field cannot be set, or removed if `value` is None, as a sentence; "" if it can."""
    if not _NAME.fullmatch(name):
        return f"{name!r} is not the name of a header field"
    if name.lower() in _REASONS:
        return f"{name} cannot be {'set' if value is not None else 'removed'}. {_REASONS[name.lower()]}"
    if value is None:
        is_type = name.lower() == "content-type"
        return f"{name} cannot be removed. A file has a media type; set another one" if is_type else ""
    if len(value) > MAX_VALUE_CHARACTERS:
        return f"the value of {name} has more than {MAX_VALUE_CHARACTERS} characters"
    if name.lower() == "content-type" and not is_media_type(value):
        return f"{value!r:.100} is not a media type"
    return "" if _VALUE.fullmatch(value) else f"the value of {name} is empty, or has characters other than ASCII"


def sort_fields(fields: dict[str, str | None]) -> Fields:
    """Return fields, whose names are in lower case, in the form of the index."""
    return tuple(sorted(fields.items(), key=lambda field: field[0]))


def parse_field_set(value: object) -> Fields:
    """Return fields from the JSON of an index. Raises ValueError if a build could not have written them."""
    if not isinstance(value, list) or not value:
        raise ValueError("not a list of fields")
    fields: dict[str, str | None] = {}
    for name, content in value:
        is_text = isinstance(name, str) and (content is None or isinstance(content, str))
        if not is_text or name != name.lower() or name == "content-type" or explain_invalid_field(name, content):
            raise ValueError("not a field of a project's own")
        fields[name] = content
    return sort_fields(fields)
