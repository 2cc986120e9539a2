"""The project's templates → the text that its pages are likely to have: the content of their dictionary.

Rule: literal text alone, so nothing of a database and nothing secret: ``{% static %}``, ``{% url %}`` and
``{% translate %}`` with literal names are replaced by what they give, all other tags and variables by nothing. The
project's own templates come first, then those of the packages whose views the URLconf has, with all that they extend or
include, then those of Django's forms. Where the room is limited, what most templates extend or include is taken first.
What is taken first stands last, near to the page. Templates that do not end like a page are left out: mails are none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from static_host_django.collect.template_files import read_templates
from static_host_django.static_names import build_static_url, find_stored

MIN_TEXT_BYTES = 1_000
"""Text, beside that of Django's forms, for which a dictionary pays."""
_SUFFIXES = (".html", ".htm", ".xhtml", ".djhtml", ".jinja", ".jinja2", ".j2")
_TAG = re.compile(  # each ends where the next one begins, so that a text without an end is read once
    r"\{%((?:(?!\{%|%\}).)*)%\}|\{\{(?:(?!\{\{|\}\}).)*\}\}|\{#(?:(?!\{#|#\}).)*#\}", re.DOTALL
)
_COMMENT = re.compile(r"[-+]?\s*(end)?comment\b")
_CALL = re.compile(r"""-?\s*(static|url|translate|trans)\s+(?:"([^"]*)"|'([^']*)')\s*-?\Z""")
_REFERENCE = re.compile(r"""\{%[-+]?\s*(?:extends|include|import|from)\s+(?:"([^"]*)"|'([^']*)')""")
_FORMS_RANK = 2
_INSTALLED = ("site-packages", "dist-packages")


class _Template(NamedTuple):
    text: str
    references: frozenset[str]
    rank: int
    """0 for the project's own, 1 for packages', 2 for those of Django's forms."""


def fingerprint_page_text(limit: int) -> str:
    """Return a digest of all that the text depends on, beside the URLs of static files."""
    text, problem = collect_page_text(limit, str)
    return sha256(text + problem.encode()).hexdigest()


def collect_page_text(limit: int, find_static_url: Callable[[str], str]) -> tuple[bytes, str]:
    """Return up to `limit` bytes of the text of the project's pages, and why those of packages are left out, if so."""
    folders, problem = _list_used_folders()
    templates = _rank(_read_pages(), folders)
    replace = _make_replacement(find_static_url)
    uses = dict.fromkeys(templates, 0)
    for name in templates:
        for used in _list_references(templates, name):
            uses[used] += 1
    taken: list[tuple[int, int, str, bytes]] = []
    for name in sorted(templates, key=lambda each: (templates[each].rank, -uses[each], each)):
        text = _keep_literals(templates[name].text, replace).encode("utf-8", "replace")
        if len(text) <= limit:
            limit -= len(text)
            taken.append((-templates[name].rank, uses[name], name, text))
    own_bytes = sum(len(text) for place, *_, text in taken if place > -_FORMS_RANK)
    text = b"".join(text for *_, text in sorted(taken))
    return text if own_bytes >= MIN_TEXT_BYTES else b"", problem


def _read_pages() -> dict[str, tuple[str, str]]:
    """Return path and text of each template of a page, by name."""
    return {name: found for name, found in read_templates().items() if name.endswith(_SUFFIXES)}


def _rank(found: dict[str, tuple[str, str]], folders: list[Path]) -> dict[str, _Template]:
    """Return the templates that the project uses."""
    all_templates = {
        name: _Template(text, frozenset(one or other for one, other in _REFERENCE.findall(text)), _find_rank(path))
        for name, (path, text) in found.items()
    }
    used = {
        name
        for name, template in all_templates.items()
        if template.rank != 1 or any(Path(found[name][0]).is_relative_to(folder) for folder in folders)
    }
    for name in list(used):
        used |= _list_references(all_templates, name)
    return {name: all_templates[name] for name in sorted(used)}


def _find_rank(path: str) -> int:
    parts = Path(path).parts
    if not any(part in _INSTALLED for part in parts):
        return 0
    return _FORMS_RANK if "forms" in parts and "django" in parts and "contrib" not in parts else 1


def _list_references(templates: dict[str, _Template], name: str) -> set[str]:
    """Return the templates that one extends or includes, and all that these do."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = templates[waiting.pop()].references & templates.keys() - found
        found |= new
        waiting += new
    return found - {name}


def _list_used_folders() -> tuple[list[Path], str]:
    """Return the folders of the apps whose views the URLconf has, and why it cannot be read, if so."""
    from django.apps import apps

    try:
        modules = {getattr(view, "__module__", "") for view in _list_views()}
    except Exception as error:
        return [], f"{type(error).__name__}: {error}"
    folders = [
        Path(config.path)
        for config in apps.get_app_configs()
        if any(module == config.name or module.startswith(f"{config.name}.") for module in modules)
    ]
    return folders, ""


def _list_views() -> Iterator[Any]:
    from django.urls import URLResolver, get_resolver

    def walk(patterns: Iterable[Any]) -> Iterator[Any]:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns)
            else:
                yield getattr(pattern.callback, "view_class", pattern.callback)

    yield from walk(get_resolver().url_patterns)


def _keep_literals(text: str, replace: Callable[[str], str]) -> str:
    """Return the literal text of a template; `replace` gives what stands for a tag."""
    parts = []
    end, is_comment = 0, False
    for tag in _TAG.finditer(text):
        content = tag[1] or ""
        if not is_comment:
            parts.append(text[end : tag.start()])
        if bound := _COMMENT.match(content):
            is_comment = not bound[1]
        elif not is_comment:
            parts.append(replace(content))
        end = tag.end()
    return "".join(parts) if is_comment else "".join([*parts, text[end:]])


def make_static_url_finder(static_url: str) -> Callable[[str], str]:
    """Return the function that gives the URL of a collected file; `static_url` has the static host."""
    from django.core.files.storage import storages

    hashed_files = getattr(storages["staticfiles"], "hashed_files", {})

    def find_static_url(name: str) -> str:
        stored = find_stored(name, hashed_files)
        return "".join((build_static_url(static_url, stored[0]), stored[1])) if stored else ""

    return find_static_url


def _make_replacement(find_static_url: Callable[[str], str]) -> Callable[[str], str]:
    """Return the function that gives what stands for a tag."""
    from django.urls import reverse
    from django.utils.translation import gettext

    functions: dict[str, Callable[[str], str]] = {"static": find_static_url, "url": reverse}

    def replace(tag: str) -> str:
        call = _CALL.match(tag)
        if call:
            with suppress(Exception):  # a page would fail there, or show something else
                return str(functions.get(call[1], gettext)(call[2] or call[3] or ""))
        return ""

    return replace
