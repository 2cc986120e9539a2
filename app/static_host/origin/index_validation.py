"""Whether the resources of a foreign index, another server's or a store's, are valid here.

Rule: a resource is exactly as a build writes it, or it is not used. Its file names stay in its own folder, and what
goes into header fields is valid there. This checks no bytes: the fetch compares them with their digests.
"""

from __future__ import annotations

import re

from static_host.origin.representation import (
    DICTIONARY_CODING,
    SVGZ_IDENTITY_SUFFIX,
    Representation,
    Resource,
    format_file_name,
)

MAX_NAME_CHARACTERS = 1024
"""Maximum length of a name: no object store allows more, and few file systems do."""
_PLAIN_MATCH = re.compile(r"[!-~]{1,200}")
_TEXT = re.compile(r"[ -~]+")
_DIGEST = re.compile(r"[A-Za-z0-9_-]{24}")
_SHA_256 = re.compile(r"[A-Za-z0-9+/]{43}=")
_DELTA_SUFFIX = re.compile(r"(?:\.[^./\0]*)?\.dcz")
"""The part of a delta's file name that follows its resource's name."""
_SVGZ_FILES = {"identity": f"{{}}{SVGZ_IDENTITY_SUFFIX}", "gzip": "{}"}
"""Coding → file name pattern for an .svgz resource in a tree that other tools made."""


def is_valid_match(match: str) -> bool:
    """Whether a URL pattern can be sent in a header field, or is empty."""
    return match == "" or bool(_PLAIN_MATCH.fullmatch(match))


def is_valid_resource(name: str, resource: Resource) -> bool:
    """Whether a resource has the form that a build writes."""
    try:
        return bool(
            len(name) <= MAX_NAME_CHARACTERS
            and not {"", ".", ".."} & set(name.split("/"))
            and "\0" not in name
            and _TEXT.fullmatch(resource.media_type)
            and is_valid_match(resource.match)
            and "identity" in {r.coding for r in resource.representations}
            and all(_is_valid_representation(name, r) for r in resource.representations)
        )
    except (ValueError, TypeError, LookupError, AttributeError):
        return False


def _is_valid_representation(name: str, representation: Representation) -> bool:
    """Whether file, digests and length have valid forms; a delta's file may have another tool's name."""
    file, coding, dictionary = representation.file, representation.coding, representation.dictionary
    if coding == DICTIONARY_CODING:
        is_named = file.startswith(name) and bool(_DELTA_SUFFIX.fullmatch(file[len(name) :]))
        is_decodable = bool(_SHA_256.fullmatch(dictionary))
    else:
        of_others = _SVGZ_FILES[coding].format(name) if coding in _SVGZ_FILES else None
        is_named = file in (format_file_name(name, coding), of_others)
        is_decodable = dictionary == ""
    return bool(
        is_named
        and is_decodable
        and isinstance(representation.length, int)
        and representation.length >= 0
        and _DIGEST.fullmatch(representation.digest)
    )
