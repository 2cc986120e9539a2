"""Validators: the text of a variable → the value of a setting.

Rule: each raises ValueError. Its message ends a sentence that begins with the variable and its value.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_network
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from static_host_django.media_type import is_media_type

STORE_SCHEMES = ("s3", "gs", "az", "file")
"""Schemes of object stores."""
PREVIOUS_SCHEMES = ("http", "https", *STORE_SCHEMES)
"""Schemes of the sources of earlier releases."""
UNIX_PREFIX = "unix:"
"""What HOST begins with if it names a Unix socket."""
MAX_UNIX_PATH_BYTES = 107

_HOST = re.compile(
    r"""(?: (?: (?P<scheme> https? ) : )? // )?
        (?P<authority> (?: \[ [0-9a-f:.]+ \] | [a-z0-9] (?: [a-z0-9._-]* [a-z0-9] )? ) (?: : (?P<port> [0-9]{1,5} ) )? )
        (?P<path> (?: / (?: [a-z0-9._~!$&'()*+,;=:@-] | %[0-9a-f]{2} )* )* )""",
    re.IGNORECASE | re.VERBOSE,
)


def parse_static_host(value: str) -> str:
    """Return the normal form of DJANGO_STATIC_HOST: "", ``//``, ``//host[/path]`` or ``http[s]://host[/path]``.

    No trailing slash after a host. A bare host follows the page's own scheme (RFC 3986 §4.2).
    """
    if value in ("", "//"):
        return value
    match = _match_address(value)
    scheme = f"{match['scheme'].lower()}:" if match["scheme"] else ""
    return f"{scheme}//{match['authority'].lower()}{match['path'].rstrip('/')}"


def _match_address(value: str) -> re.Match[str]:
    """Return the parts of a host, or of an http(s) URL. Raises ValueError."""
    match = _HOST.fullmatch(value)
    if not match or int(match["port"] or 0) > 65535:
        raise ValueError(_explain_invalid_host(value))
    if {".", ".."} & set(match["path"].split("/")):
        raise ValueError("its path has a dot segment")
    return match


_RESERVED_HEADER_NAMES = re.compile(
    r"accept.*|authorization|cf-ray|connection|content-.*|cookie|date|expect|host|if-.*|origin|range|referer|sec-.*|te|"
    r"traceparent|tracestate|trailer|transfer-encoding|upgrade|user-agent|via|x-amz-cf-id|x-amzn-trace-id|x-forwarded-.*"
    r"|x-queue-start|x-request-(?:id|start)",
    re.IGNORECASE,
)
"""Names of header fields that have another meaning, or whose values the access log shows."""


def _explain_invalid_host(value: str) -> str:
    scheme, separator, _ = value.lower().partition("://")
    authority = re.sub(r"^(\w+:)?//", "", value).partition("/")[0]
    reasons = {
        "it has a space": bool(re.search(r"\s", value)),
        "its scheme is neither http nor https": bool(scheme and separator) and scheme not in ("http", "https"),
        "it has credentials": "@" in authority,
        "it has a query": "?" in value,
        "it has a fragment": "#" in value,
        "it names no host": value.startswith("/") and not value.startswith("//"),
        "its host is not in its ASCII form (xn--…)": not authority.isascii(),
        "its path is not in its ASCII form (%…)": not value.isascii(),
    }
    return next((reason for reason, applies in reasons.items() if applies), "it is not a host name")


def validate_url_prefix(value: str | None) -> str | None:
    """Return the URL path of a static prefix. Raises ValueError."""
    if value is None:
        return None
    if not re.fullmatch(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]+/)+", value) or {".", ".."} & set(value.split("/")):
        raise ValueError("it must begin and end with a slash, and name at least one path segment")
    return value


def validate_sendfile_roots(value: tuple[str, ...]) -> tuple[str, ...]:
    """Return pairs of a URL prefix and a directory, with ``=`` between them. Raises ValueError."""
    for pair in value:
        prefix, _, directory = pair.partition("=")
        if not directory.startswith("/"):
            raise ValueError(f"{pair!r} does not name a path, then =, then the absolute path of a directory")
        validate_url_prefix(prefix)
    if len({pair.partition("=")[0] for pair in value}) < len(value):
        raise ValueError("one path stands for two directories")
    return value


def validate_path(value: str) -> str:
    """Return a URL path below ``/``."""
    if not re.fullmatch(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+/?", value) or {".", ".."} & set(value.split("/")):
        raise ValueError("it is not a path below /")
    return value


def validate_secrets(value: SecretStr | None) -> SecretStr | None:
    """Return one secret, or two separated by a comma."""
    parts = value.get_secret_value().split(",") if value else []
    if len(parts) > 2 or not all(re.fullmatch(r"\s*[!-+\--~]{16,256}\s*", part) for part in parts):
        raise ValueError("there are more than two, or one is too short or contains a space")
    return value


def validate_header_name(value: str) -> str:
    """Return the name of a header field that has no other meaning."""
    if _RESERVED_HEADER_NAMES.fullmatch(value):
        raise ValueError("this field has another meaning, or appears in the access log")
    return value


def validate_pattern(value: str) -> str:
    """Return a regular expression."""
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"it is not a regular expression: {error}") from None
    return value


def split_list(value: object) -> object:
    """Return the parts of a comma-separated list."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def validate_relative_names(value: tuple[str, ...]) -> tuple[str, ...]:
    """Return names below the static root."""
    for name in value:
        if not name.isprintable() or {"", ".", ".."} & set(name.removesuffix("/").split("/")):
            raise ValueError(f"{name!r} is not a path below the static root")
    return value


def validate_fallback(value: str) -> str:
    """Return the name of a file below the static root, or nothing."""
    if value and value.endswith("/"):
        raise ValueError("it is the name of a directory")
    validate_relative_names((value,) if value else ())
    return value


def parse_media_types(value: tuple[str, ...]) -> tuple[str, ...]:
    """Return pairs of an extension or a file name, in lower case, and a media type, with ``=`` between them."""
    pairs = [
        (name.strip().lower(), media_type.strip()) for name, _, media_type in (pair.partition("=") for pair in value)
    ]
    for name, media_type in pairs:
        if not name.strip(".") or "/" in name or not name.isprintable() or name.rfind(".") > 0 == name.find("."):
            raise ValueError(f"{name!r} is neither an extension, such as .foo, nor a file name")
        if not is_media_type(media_type):
            raise ValueError(f"{media_type!r}, for {name}, is not a media type")
    if len(dict(pairs)) < len(pairs):
        raise ValueError("one extension or file name has two media types")
    return tuple(f"{name}={media_type}" for name, media_type in pairs)


def parse_networks(value: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return addresses and networks, also ``private``; or ``*`` alone; or nothing, if nothing is set."""
    if value is None:
        return None
    if "*" in value and len(value) > 1:
        raise ValueError("* trusts every address, so it must be the only entry")
    plain = tuple(_strip_brackets(part) for part in value)
    for part in plain:
        if part not in ("*", "private"):
            ip_network(part)
    return plain


def parse_listen_host(value: str) -> str:
    """Return an address to listen on; of IPv6 the shortest form, without the brackets that it has in URLs."""
    if value.startswith(UNIX_PREFIX):
        path = value.removeprefix(UNIX_PREFIX)
        if not path.startswith("/") or len(path.encode()) > MAX_UNIX_PATH_BYTES:
            raise ValueError(f"the path of a Unix socket begins with / and has {MAX_UNIX_PATH_BYTES} bytes at most")
        return value
    plain = _strip_brackets(value)
    if ":" not in plain and plain == value:
        return value
    try:
        return IPv6Address(plain).compressed
    except ValueError:
        raise ValueError("only an IPv6 address has colons or brackets; PORT sets the port") from None


def validate_pem_path(value: Path | None) -> Path | None:
    """Return the path of a PEM file, absolute. Raises ValueError for the text of one."""
    if value is not None and "-----BEGIN" in str(value):
        raise ValueError("it is the text of a PEM file")
    return value.absolute() if value is not None else None


def parse_file_mode(value: object) -> object:
    """Return the number that octal digits stand for; any other value unchanged. Raises ValueError."""
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"0?[0-7]{3}", value.strip()):
        raise ValueError("it is not a mode in octal digits")
    return int(value, 8)


def _strip_brackets(value: str) -> str:
    return value[1:-1] if value.startswith("[") and value.endswith("]") else value


def validate_sources(value: tuple[str, ...]) -> tuple[str, ...]:
    """Return sources of earlier releases, each a directory or a URL. Raises ValueError."""
    for source in value:
        scheme, separator, rest = source.partition("://")
        if separator and scheme not in PREVIOUS_SCHEMES:
            raise ValueError(f"{scheme}:// is not supported")
        if separator and "@" in rest.partition("/")[0]:
            raise ValueError("it has credentials")
        if separator and {"?", "#"} & set(rest):
            raise ValueError(f"{source} has a query or a fragment")
        if scheme in ("http", "https") and separator:
            _match_address(source)
    return value


def parse_store_url(value: str) -> str:
    """Return the URL of an object store, without a slash at its end."""
    scheme, _, rest = value.partition("://")
    if value and (scheme not in STORE_SCHEMES or not rest.strip("/")):
        raise ValueError("it is not the URL of an object store")
    return "".join(validate_sources((value,))).rstrip("/")


def normalize_log_format(value: object) -> object:
    """Return ``text`` or ``json`` in lower case; any other value unchanged."""
    plain = value.strip().lower() if isinstance(value, str) else value
    return plain if plain in ("text", "json") else value


def mask_credentials(value: str) -> str:
    """Return a value for an error message, with the credentials of URLs masked, and private keys."""
    if "PRIVATE KEY" in value:
        return "…"
    return re.sub(r"//[^/\s,]*@", "//…@", value)


def parse_age(value: object) -> object:
    """Return seconds for a number with a unit, such as ``30d``. Raises ValueError."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([0-9]{1,6})\s*([hdw])\s*", value)
    if not match:
        raise ValueError("it is not a number with a unit")
    return int(match[1]) * {"h": 3600, "d": 86400, "w": 604800}[match[2]]


def validate_codings(value: tuple[str, ...]) -> tuple[str, ...]:
    """Return content codings that the build can make in one tree."""
    unknown = sorted(set(value) - {"br", "zstd", "gzip", "zopfli"})
    if unknown or {"gzip", "zopfli"} <= set(value):
        raise ValueError(f"{unknown[0]!r} is not supported" if unknown else "gzip and zopfli make the same coding")
    return value


def validate_page_codings(value: tuple[str, ...]) -> tuple[str, ...]:
    """Return content codings of pages, each once."""
    unknown = sorted(set(value) - {"br", "zstd", "gzip"})
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not supported")
    return tuple(dict.fromkeys(value))


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_list)]
