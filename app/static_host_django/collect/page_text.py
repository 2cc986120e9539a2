"""The project's templates → the text that its pages are likely to have: the content of their dictionary, a public file.

Rule: it is literal text alone, as the engine of a template reads it. Of its tags, ``{% static %}`` and
``{% translate %}`` with a literal name stand for what they give. All others, variables and comments stand for nothing;
so does ``{% url %}``, because a path may be secret. The project's own templates come first, then those of packages,
then those of Django's forms; among them, what most templates extend or include. What is taken first stands last, near
to the page. A template whose name does not end like a page's is left out: mails and configuration files are no pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from static_host_django.collect.template_files import TemplateFile, read_templates
from static_host_django.static_names import build_static_url, find_stored

MIN_TEXT_BYTES = 1_000
"""Text, beside that of Django's forms, for which a dictionary pays."""
_SUFFIXES = (".html", ".htm", ".xhtml", ".djhtml")
_ENGINE_SUFFIX = re.compile(r"\.(?:j2|jinja2?)\Z")
_CALL = re.compile(r"""\s*(static|translate|trans)\s+(?:"([^"]*)"|'([^']*)')\s*\Z""")
_REFERENCE = re.compile(r"""\{%[-+]?\s*(?:extends|include|import|from)\s+(?:"([^"]*)"|'([^']*)')""")
_FORMS_RANK = 2
_INSTALLED = ("site-packages", "dist-packages")


class _Template(NamedTuple):
    file: TemplateFile
    references: frozenset[str]
    rank: int
    """0 for the project's own, 1 for packages', 2 for those of Django's forms."""


def fingerprint_page_text(limit: int) -> str:
    """Return a digest of all that the text depends on, beside the URLs of static files."""
    text, problem = collect_page_text(limit, str)
    return sha256(text + problem.encode()).hexdigest()


def collect_page_text(limit: int, find_static_url: Callable[[str], str]) -> tuple[bytes, str]:
    """Return up to `limit` bytes of the text of the project's pages, and why there is none, if templates fail."""
    try:
        templates = _select_pages(read_templates())
    except (Exception, SystemExit) as error:
        return b"", f"{type(error).__name__}: {error}"
    uses = dict.fromkeys(templates, 0)
    for name in templates:
        for used in _list_references(templates, name):
            uses[used] += 1
    replace = _make_replacement(find_static_url)
    taken: list[tuple[int, int, str, bytes]] = []
    for name in sorted(templates, key=lambda each: (templates[each].rank, -uses[each], each)):
        text = templates[name].file.read_literals(replace).encode("utf-8", "replace")
        if len(text) <= limit:
            limit -= len(text)
            taken.append((-templates[name].rank, uses[name], name, text))
    own_bytes = sum(len(text) for place, *_, text in taken if place > -_FORMS_RANK)
    return b"".join(text for *_, text in sorted(taken)) if own_bytes >= MIN_TEXT_BYTES else b"", ""


def make_static_url_finder(static_url: str) -> Callable[[str], str]:
    """Return the function that gives the URL of a collected file; `static_url` has the static host."""
    from django.core.files.storage import storages

    hashed_files = getattr(storages["staticfiles"], "hashed_files", {})

    def find_static_url(name: str) -> str:
        stored = find_stored(name, hashed_files)
        return "".join((build_static_url(static_url, stored[0]), stored[1])) if stored else ""

    return find_static_url


def is_page(name: str) -> bool:
    """Whether a template's name ends like a page's: ``a.html``, ``a.html.j2``."""
    return _ENGINE_SUFFIX.sub("", name).endswith(_SUFFIXES)


def _select_pages(files: Mapping[str, TemplateFile]) -> dict[str, _Template]:
    return {
        name: _Template(
            file, frozenset(one or other for one, other in _REFERENCE.findall(file.text)), _find_rank(file.path)
        )
        for name, file in sorted(files.items())
        if is_page(name)
    }


def _find_rank(path: str) -> int:
    parts = Path(path).parts
    if not any(part in _INSTALLED for part in parts):
        return 0
    return _FORMS_RANK if "forms" in parts and "django" in parts and "contrib" not in parts else 1


def _list_references(templates: Mapping[str, _Template], name: str) -> set[str]:
    """Return the templates that one extends or includes, and all that these do."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = templates[waiting.pop()].references & templates.keys() - found
        found |= new
        waiting += new
    return found - {name}


def _make_replacement(find_static_url: Callable[[str], str]) -> Callable[[str], str]:
    """Return the function that gives what stands for a tag."""
    from django.utils.translation import gettext

    def replace(tag: str) -> str:
        call = _CALL.match(tag)
        if call:
            with suppress(Exception):  # a page would fail there, or show something else
                return str((find_static_url if call[1] == "static" else gettext)(call[2] or call[3] or ""))
        return ""

    return replace
