"""The functions of WhiteNoise's settings, called for each file of the tree as WhiteNoise calls them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from wsgiref.headers import Headers

from static_host_django.collect.errors import CollectionError
from static_host_django.findings import format_exception_line
from static_host_django.whitenoise_settings import find_setting_name, read_setting

_FOREVER = "max-age=315360000, public, immutable"
"""What WhiteNoise says of an immutable file."""
_DEFAULT_MAX_AGE_SECONDS = 60

FieldChanges = list[tuple[str, "str | None"]]
"""Names of fields in lower case, with their new value, or None if the function has removed them."""


def find_immutable(settings: Any, files: Sequence[Sequence[str]]) -> list[bool]:
    """Return for each file, a pair of path and URL, whether IMMUTABLE_FILE_TEST says that it never changes."""
    test = read_setting(settings, "IMMUTABLE_FILE_TEST")
    if isinstance(test, str):
        pattern = re.compile(test)
        return [bool(pattern.search(url)) for _, url in files]
    name = find_setting_name(settings, "IMMUTABLE_FILE_TEST")
    return [bool(_call(name, url, lambda path=path, url=url: test(path, url))) for path, url in files]  # type: ignore[misc]


def change_headers(settings: Any, files: Sequence[Sequence[Any]]) -> list[FieldChanges]:
    """Return for each file what ADD_HEADERS_FUNCTION changes.

    A file is its path, its URL, its media type, and whether it is immutable.
    """
    function = read_setting(settings, "ADD_HEADERS_FUNCTION")
    name = find_setting_name(settings, "ADD_HEADERS_FUNCTION")
    changes = []
    for path, url, media_type, is_immutable in files:
        headers = Headers(list(_list_fields(settings, media_type, is_immutable=is_immutable)))
        before = _join_values(headers)
        _call(name, url, lambda headers=headers, path=path, url=url: function(headers, path, url))  # type: ignore[misc]
        after = _join_values(headers)
        changed = {each: after.get(each) for each in {**before, **after} if after.get(each) != before.get(each)}
        changes.append(list(changed.items()))
    return changes


def _list_fields(settings: Any, media_type: str, *, is_immutable: bool) -> Iterator[tuple[str, str]]:
    """Yield the fields that WhiteNoise gives to its function."""
    yield "Content-Type", media_type
    max_age = read_setting(settings, "MAX_AGE", _DEFAULT_MAX_AGE_SECONDS)
    if is_immutable:
        yield "Cache-Control", _FOREVER
    elif max_age is not None:
        yield "Cache-Control", f"max-age={max_age}, public"
    if read_setting(settings, "ALLOW_ALL_ORIGINS", True):
        yield "Access-Control-Allow-Origin", "*"


def _join_values(headers: Headers) -> dict[str, str]:
    names = dict.fromkeys(name.lower() for name in headers.keys())  # noqa: SIM118 - it is no mapping
    return {name: ", ".join(headers.get_all(name)) for name in names}


def _call(name: str, url: str, function: Callable[[], Any]) -> Any:
    """Call a function of the project's. Raises CollectionError."""
    try:
        return function()
    except Exception as error:
        raise CollectionError(f"{name} failed for {url}: {format_exception_line(error)}") from error
