"""What a build gives to templates: their names, in each language, and the contexts of their blocks.

Rule: a build has no request and no database. A use of either raises `RequestRequiredError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from typing import Any
from urllib.parse import quote, unquote

from django.conf import settings
from django.core.files.storage import storages
from django.db.backends.base.base import BaseDatabaseWrapper
from django.template.context import BaseContext
from django.utils import translation

from static_host_django.collect.errors import CollectionError
from static_host_django.collect.template_files import iterate_templates

_NAME = re.compile(r"[^\s\"'<>()?#]+")
_TAG_NAMES = ("compress", "extends", "include")
_REMEDY = "Set it to a dict, to a list of dicts, or to the dotted path of a function that returns them."


class RequestRequiredError(Exception):
    """A block needs a value that only a request has."""


class _NoRequest:
    """A placeholder for the request in context processors; every use of it raises RequestRequiredError."""

    def __getattr__(self, name: str) -> Any:
        raise RequestRequiredError(f"it uses request.{name}")

    def __str__(self) -> str:
        raise RequestRequiredError("it uses the request")


def make_context_reader(
    processors: tuple[Any, ...], contexts: list[dict[str, Any]]
) -> Callable[[], list[dict[str, Any]]]:
    """Return a function for the common names of all templates in the active language: a dict for each context."""

    @cache
    def values(_: str | None) -> list[dict[str, Any]]:
        common: dict[str, Any] = {"STATIC_URL": settings.STATIC_URL, **({} if settings.DEBUG else {"debug": False})}
        for processor in processors:
            with suppress(Exception):  # it needs a request, or the database
                common.update(processor(_NoRequest()))
        return [{**common, **given} for given in contexts]

    return lambda: values(translation.get_language())


def read_offline_contexts() -> list[dict[str, Any]]:
    """Return the contexts of COMPRESS_OFFLINE_CONTEXT: one, several, or those of a function. Raises CollectionError.

    A function of the project may query the database.
    """
    given: Any = settings.COMPRESS_OFFLINE_CONTEXT
    if isinstance(given, str):
        given = _import_function(given)()
    several: Iterable[Any] = [given] if isinstance(given, Mapping | BaseContext) else given
    try:
        return [dict(one.flatten() if isinstance(one, BaseContext) else one) for one in several] or [{}]
    except (TypeError, ValueError) as error:
        message = f"COMPRESS_OFFLINE_CONTEXT = {settings.COMPRESS_OFFLINE_CONTEXT!r} gives no dicts: {error}."
        raise CollectionError(message, remedy=_REMEDY) from None


def _import_function(path: str) -> Any:
    module, _, name = path.rpartition(".")
    reason = "it is not a dotted path"
    try:
        function = getattr(import_module(module), name, None) if module else None
        reason = f"{module} has no function {name}" if module else reason
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise
        function, reason = None, str(error)
    if not callable(function):
        raise CollectionError(f"COMPRESS_OFFLINE_CONTEXT = {path!r}: {reason}.", remedy=_REMEDY)
    return function


def list_languages() -> list[str | None]:
    """Return the project's languages, the default first; only the default if the project has no own list."""
    if not settings.USE_I18N or not settings.is_overridden("LANGUAGES"):
        return [translation.get_language()]
    return list(dict.fromkeys([settings.LANGUAGE_CODE, *(code for code, _ in settings.LANGUAGES)]))


def list_template_names(engine: Any) -> list[str]:
    """Return the names of templates that may have blocks or inherit them."""
    texts: dict[str, str] = {}
    for name, _, text in iterate_templates(engine):
        texts.setdefault(name, text)
    if not any("compress" in text for text in texts.values()):
        return []
    return sorted(name for name, text in texts.items() if any(word in text for word in _TAG_NAMES))


def restore_plain_names(content: str) -> str:
    """Return a block with logical instead of fingerprinted names, as the project's own storage may render it."""
    names = {hashed: name for name, hashed in getattr(storages["staticfiles"], "hashed_files", {}).items()}
    first, *parts = content.split(str(settings.STATIC_URL))
    for number, part in enumerate(parts):
        found = _NAME.match(part)
        if found and (name := names.get(unquote(found[0]))):
            parts[number] = quote(name) + part[found.end() :]
    return str(settings.STATIC_URL).join([first, *parts])


@contextmanager
def forbid_database() -> Iterator[None]:
    """Within the block, connecting to a database raises RequestRequiredError: a build has none."""
    connect = BaseDatabaseWrapper.connect

    def refuse(_: BaseDatabaseWrapper) -> None:
        raise RequestRequiredError("it queries the database")

    BaseDatabaseWrapper.connect = refuse  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        BaseDatabaseWrapper.connect = connect  # type: ignore[method-assign]
