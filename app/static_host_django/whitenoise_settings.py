"""The settings of WhiteNoise and of ServeStatic that a project has: what they ask for.

Rule: they count whether or not their middleware is in MIDDLEWARE, which does not run here. `WHITENOISE_X` counts before
`SERVESTATIC_X`. Variables of static-host win over both, so this module does not decide alone what is in effect.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from static_host_django.media_type import is_media_type

MIDDLEWARE = ("whitenoise.middleware.WhiteNoiseMiddleware", "servestatic.middleware.ServeStaticMiddleware")
"""Their own middleware, which is removed from MIDDLEWARE."""
PREFIXES = ("WHITENOISE_", "SERVESTATIC_")
CODING_SETTINGS = {"USE_BROTLI": "br", "USE_GZIP": "gzip", "USE_ZSTD": "zstd"}
"""Settings that turn a content coding off → that coding."""
_CHARSET = re.compile(r"[A-Za-z0-9_.:+-]+")


class UnusableSettingError(Exception):
    """A setting cannot be honoured; the message says why, `remedy` what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def find_setting_name(settings: Any, name: str) -> str:
    """Return the full name of the setting that counts for `name` (``MAX_AGE``), or "" if the project has none."""
    return next((prefix + name for prefix in PREFIXES if hasattr(settings, prefix + name)), "")


def read_setting(settings: Any, name: str, default: Any = None) -> Any:
    """Return the value of the setting `name`."""
    return getattr(settings, find_setting_name(settings, name) or name, default)


def describe_served(settings: Any) -> dict[str, Any]:
    """Return what counts at run time, in plain values; leaves out what the build refuses."""
    facts: dict[str, Any] = {}
    for name, read in _SERVED.items():
        with suppress(UnusableSettingError):
            facts[name] = read(settings)
    return {name: value for name, value in facts.items() if value is not None}


def describe_built(settings: Any) -> dict[str, Any]:
    """Return what counts for a build, in plain values. Raises UnusableSettingError."""
    _read_max_age(settings)
    _read_prefix(settings)
    for name, (problem, remedy) in _REFUSED.items():
        if read_setting(settings, name) not in (None, False):
            raise UnusableSettingError(f"{find_setting_name(settings, name)}: {problem}", remedy)
    return {
        "root": _read_root(settings),
        "index_file": _read_index_file(settings),
        "media_types": _read_media_types(settings),
        "charset": _read_charset(settings),
        "allows_all_origins": bool(read_setting(settings, "ALLOW_ALL_ORIGINS", True)),
        "headers_function": _name_function(settings, "ADD_HEADERS_FUNCTION"),
        "immutable_test": _name_immutable_test(settings),
        "skipped_extensions": _read_skipped_extensions(settings),
        "skipped_codings": [coding for name, coding in CODING_SETTINGS.items() if not _read_coding(settings, name)],
        "keeps_only_hashed": bool(read_setting(settings, "KEEP_ONLY_HASHED_FILES")),
    }


def _refuse(settings: Any, name: str, expected: str) -> UnusableSettingError:
    full = find_setting_name(settings, name)
    return UnusableSettingError(f"{full} = {getattr(settings, full)!r} is not {expected}", "Correct or remove it.")


def _read_max_age(settings: Any) -> int | str | None:
    """Return the seconds, "none" for no Cache-Control, or None without the setting."""
    if not find_setting_name(settings, "MAX_AGE"):
        return None
    value = read_setting(settings, "MAX_AGE")
    if value is None:
        return "none"
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10 * 365 * 86400:
        raise _refuse(settings, "MAX_AGE", "a number of seconds")
    return value


def _read_prefix(settings: Any) -> str | None:
    value = read_setting(settings, "STATIC_PREFIX")
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip("/") or not re.fullmatch(r"[/\w.~-]+", value, re.ASCII):
        raise _refuse(settings, "STATIC_PREFIX", "a path such as '/static/'")
    return f"/{value.strip('/')}/"


def _read_root(settings: Any) -> str | None:
    value = read_setting(settings, "ROOT")
    if not value:
        return None
    if not isinstance(value, str | os.PathLike):
        raise _refuse(settings, "ROOT", "a directory")
    return os.path.abspath(os.fspath(value))  # noqa: PTH100 - keeps a symbolic link


def _read_index_file(settings: Any) -> str:
    value = read_setting(settings, "INDEX_FILE")
    if value in (None, False, ""):
        return ""
    if value is True:
        return "index.html"
    if not isinstance(value, str) or "/" in value:
        raise _refuse(settings, "INDEX_FILE", "True or a file name")
    return value


def _read_media_types(settings: Any) -> dict[str, str]:
    value = read_setting(settings, "MIMETYPES") or {}
    is_valid = isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(kind, str) and is_media_type(kind) for name, kind in value.items()
    )
    if not is_valid:
        raise _refuse(settings, "MIMETYPES", "a dictionary of media types by extension or file name")
    return dict(value)


def _read_charset(settings: Any) -> str:
    value = read_setting(settings, "CHARSET", "utf-8")
    if not isinstance(value, str) or not _CHARSET.fullmatch(value):
        raise _refuse(settings, "CHARSET", "the name of a charset")
    return value


def _name_function(settings: Any, name: str) -> str:
    """Return the full name of a setting that is a function, or "" if there is none."""
    value = read_setting(settings, name)
    if value is not None and not callable(value):
        raise _refuse(settings, name, "a function")
    return find_setting_name(settings, name) if value is not None else ""


def _name_immutable_test(settings: Any) -> str:
    name = "IMMUTABLE_FILE_TEST"
    value = read_setting(settings, name)
    if not isinstance(value, str):
        return _name_function(settings, name)
    try:
        re.compile(value)
    except re.error:
        raise _refuse(settings, name, "a function or a regular expression") from None
    return find_setting_name(settings, name)


def _read_skipped_extensions(settings: Any) -> list[str] | None:
    value = read_setting(settings, "SKIP_COMPRESS_EXTENSIONS")
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Iterable) or not all(isinstance(each, str) for each in value):
        raise _refuse(settings, "SKIP_COMPRESS_EXTENSIONS", "a list of extensions")
    return [each.removeprefix(".").lower() for each in value]


def _read_coding(settings: Any, name: str) -> bool:
    value = read_setting(settings, name, True)
    if not isinstance(value, bool):
        raise _refuse(settings, name, "True or False")
    return value


_REFUSED = {
    "MINIFY": ("the build minifies nothing", "Minify with a bundler, and remove it."),
    "ZSTD_DICTIONARY": (
        "browsers cannot decode files that need a dictionary which no URL has",
        "Remove it; DJANGO_STATIC_PREVIOUS makes earlier versions dictionaries (RFC 9842).",
    ),
    "ZSTD_LEVEL": (
        "the build selects the level by its effort",
        "Remove it; DJANGO_STATIC_EFFORT=fast saves time.",
    ),
}
"""Settings that no build can honour, with a value other than None and False → why, and the remedy."""
_SERVED: dict[str, Callable[[Any], Any]] = {
    "max_age": _read_max_age,
    "prefix": _read_prefix,
    "root": _read_root,
    "index_file": _read_index_file,
    "media_types": _read_media_types,
    "charset": _read_charset,
}
"""What the server or `static-host dev` needs to know."""
