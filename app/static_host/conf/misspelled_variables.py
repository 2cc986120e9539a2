"""Finds variables that have no effect, and whose names resemble those of static-host.

Rule: a name counts if it begins with DJANGO_STATIC_, or differs from a known name by a few letters, their order or
their case. A name that the project or Django may use is skipped, or is not sure; only `check` lists those that are not
sure. Values are never read.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from static_host.conf.django import BUNDLED_SETTINGS_MODULE
from static_host.conf.settings import Settings, find_set_variables

log = logging.getLogger("static_host")

NAMESPACE = "DJANGO_STATIC_"
_NAMES = frozenset(str(field.validation_alias) for field in Settings.model_fields.values())
_BUNDLED_SITE_NAMES = {"DJANGO_ALLOWED_HOSTS", "DJANGO_DEBUG", "DJANGO_SECRET_KEY", "DJANGO_SITE_DATA"}
_PROJECT_NAMES = {"STATIC_ROOT", "STATIC_URL"}
_RENAMED = {"DJANGO_BACKLOG": "DJANGO_QUEUE"}
"""Names of earlier versions → today's names."""
_COMMON_NAMES = {"LOG_FORMAT"}
"""Names that a project is likely to use, with DJANGO_ before them."""
_MIN_NAME_CHARACTERS = 9
"""Shorter names are too common to be compared."""
_MIN_SUFFIX_SIMILARITY, _MIN_NAME_SIMILARITY = 0.65, 0.9
"""How similar two names must be, from 0 to 1: their parts after DJANGO_STATIC_, and whole names."""


@dataclass(frozen=True, slots=True)
class MisspelledVariable:
    """A variable without effect. `source` is where it is set, `nearest` the name that may be meant, or ""."""

    name: str
    source: str
    nearest: str
    is_sure: bool

    @property
    def found(self) -> str:
        """What is wrong."""
        return f"{self.name} (in {self.source}) is not a variable of static-host: it has no effect"

    @property
    def remedy(self) -> str:
        """What to do."""
        meant = f"Set {self.nearest} if that is meant." if self.nearest else "`static-host serve --help` lists them."
        return f"{meant} If the project reads {self.name}, leave it."


def find_misspelled(settings: Settings) -> Iterator[MisspelledVariable]:
    """Yield the variables whose names resemble those of static-host."""
    is_bundled = settings.settings_module == BUNDLED_SETTINGS_MODULE
    known = _NAMES if is_bundled else _NAMES - _BUNDLED_SITE_NAMES
    for name, where in sorted(find_set_variables().items()):
        plain = re.sub(r"[^A-Z0-9]+", "_", name.upper())
        if name not in _NAMES and plain not in _PROJECT_NAMES:
            nearest = _renamed(name) or _find_intended(plain, known) or _find_similar(plain, known)
            if nearest:
                yield MisspelledVariable(name, where, *nearest)


def warn_misspelled(settings: Settings) -> None:
    """Log the variables that are surely misspelled."""
    for each in find_misspelled(settings):
        if each.is_sure:
            log.warning("%s. %s", each.found, each.remedy)


def _renamed(name: str) -> tuple[str, bool] | None:
    return (_RENAMED[name], True) if name in _RENAMED else None


def _find_intended(plain: str, known: frozenset[str]) -> tuple[str, bool] | None:
    """Return the name that differs only in its case, or in DJANGO_ or STATIC_, and whether that is sure."""
    rest = plain.removeprefix("DJANGO_")
    if plain in known:
        return (plain, True) if len(plain) >= _MIN_NAME_CHARACTERS else None
    if plain.startswith("STATIC_") and f"DJANGO_{plain}" in known:
        return f"DJANGO_{plain}", True
    if rest != plain and rest in known and "_" in rest:
        return rest, rest not in _COMMON_NAMES
    if rest != plain and f"{NAMESPACE}{rest}" in known:
        return f"{NAMESPACE}{rest}", "_" in rest
    return None


def _find_similar(plain: str, known: frozenset[str]) -> tuple[str, bool] | None:
    """Return the most similar name, or "" for an unknown DJANGO_STATIC_ one, and whether that is sure."""
    if plain.startswith(NAMESPACE):
        rests = [name.removeprefix(NAMESPACE) for name in known if name.startswith(NAMESPACE)]
        close = get_close_matches(plain.removeprefix(NAMESPACE), rests, 1, _MIN_SUFFIX_SIMILARITY)
        return (NAMESPACE + close[0], True) if close else ("", False)
    letters = {name.replace("_", ""): name for name in known if len(name) > _MIN_NAME_CHARACTERS}
    own = ("DJANGO" if plain.startswith("STATIC") else "") + plain.replace("_", "")
    close = (
        get_close_matches(own, letters, 1, _MIN_NAME_SIMILARITY) if own[:1] in {name[:1] for name in letters} else []
    )
    return (letters[close[0]], True) if close else None
