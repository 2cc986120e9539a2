"""Whether an index from elsewhere, of another server or of a store, says what can be kept and served here.

Rule: a resource is as a build writes it, or it is of no use: its names lead nowhere but into its own folder, and what
goes into header fields is text that fits there. Its bytes are another matter: they are compared with the digests.
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
"""Characters of a name: no object store has longer ones, and few file systems have."""
_PLAIN_MATCH = re.compile(r"[!-~]{1,200}")
_TEXT = re.compile(r"[ -~]+")
_DIGEST = re.compile(r"[A-Za-z0-9_-]{24}")
_SHA_256 = re.compile(r"[A-Za-z0-9+/]{43}=")
_DELTA_SUFFIX = re.compile(r"(?:\.[^./\0]*)?\.dcz")
"""What a delta's file has behind its resource's name."""
_SVGZ_FILES = {"identity": f"{{}}{SVGZ_IDENTITY_SUFFIX}", "gzip": "{}"}
"""The files of an .svgz in a tree that other tools made."""


def is_valid_match(match: str) -> bool:
    """Whether a pattern can be sent in a field, or is none."""
    return match == "" or bool(_PLAIN_MATCH.fullmatch(match))


def is_valid_resource(name: str, resource: Resource) -> bool:
    """Whether a resource can be kept and served here."""
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
    """Other tools give deltas other names than the build does; none leads out of the resource's folder."""
    file, coding, dictionary = representation.file, representation.coding, representation.dictionary
    if coding == DICTIONARY_CODING:
        is_named = file.startswith(name) and bool(_DELTA_SUFFIX.fullmatch(file[len(name) :]))
        is_decodable = bool(_SHA_256.fullmatch(dictionary))
    else:
        is_named = file == format_file_name(name, coding) or file == _SVGZ_FILES.get(coding, "/").format(name)
        is_decodable = dictionary == ""
    return bool(
        is_named
        and is_decodable
        and isinstance(representation.length, int)
        and representation.length >= 0
        and _DIGEST.fullmatch(representation.digest)
    )
