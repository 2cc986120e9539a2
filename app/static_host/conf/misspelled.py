"""Variables that have no effect, and whose names look like those of this program.

Rule: a name is told if it begins like ours: DJANGO_STATIC_ with whatever follows, or with letters that are missing, too
many, in another order or in lower case. A name that a project or Django may have for itself is left alone, or is not
sure, which `check` alone tells. The value is never looked at.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from static_host.conf.settings import Settings, find_set_variables

log = logging.getLogger("static_host")

NAMESPACE = "DJANGO_STATIC_"
_NAMES = frozenset(str(field.validation_alias) for field in Settings.model_fields.values())
_BUNDLED_SITE_NAMES = {"DJANGO_ALLOWED_HOSTS", "DJANGO_DEBUG", "DJANGO_SECRET_KEY", "DJANGO_SITE_DATA"}
_PROJECT_NAMES = {"STATIC_ROOT", "STATIC_URL"}
_RENAMED = {"DJANGO_BACKLOG": "DJANGO_QUEUE"}
"""Names of earlier versions → today's."""
_COMMON_NAMES = {"LOG_FORMAT"}
"""Names that a project is likely to have for itself after DJANGO_."""
_MIN_NAME_CHARACTERS = 9
"""Letters below which a name is too common to be ours."""
_MIN_SUFFIX_SIMILARITY, _MIN_NAME_SIMILARITY = 0.65, 0.9
"""How much two names must have in common: what follows DJANGO_STATIC_, and a whole name."""


@dataclass(frozen=True, slots=True)
class MisspelledVariable:
    """A variable without effect; `nearest` is the name that may be meant, if there is one."""

    name: str
    source: str
    nearest: str
    is_sure: bool

    @property
    def found(self) -> str:
        """What is wrong."""
        return f"{self.name} (in {self.source}) is no variable of static-host: it has no effect here"

    @property
    def remedy(self) -> str:
        """What to do."""
        meant = f"Set {self.nearest} if that is meant." if self.nearest else "`static-host serve --help` lists them."
        return f"{meant} If the project reads {self.name}, leave it."


def find_misspelled(settings: Settings) -> Iterator[MisspelledVariable]:
    """Give the variables that look like ours, and are not."""
    is_bundled = settings.settings_module == Settings.model_fields["settings_module"].default
    known = _NAMES if is_bundled else _NAMES - _BUNDLED_SITE_NAMES
    for name, where in sorted(find_set_variables().items()):
        plain = re.sub(r"[^A-Z0-9]+", "_", name.upper())
        if name not in _NAMES and plain not in _PROJECT_NAMES:
            nearest = _renamed(name) or _find_intended(plain, known) or _find_similar(plain, known)
            if nearest:
                yield MisspelledVariable(name, where, *nearest)


def warn_misspelled(settings: Settings) -> None:
    """Log those that are surely misspelt."""
    for each in find_misspelled(settings):
        if each.is_sure:
            log.warning("%s. %s", each.found, each.remedy)


def _renamed(name: str) -> tuple[str, bool] | None:
    return (_RENAMED[name], True) if name in _RENAMED else None


def _find_intended(plain: str, known: frozenset[str]) -> tuple[str, bool] | None:
    """Return the name that this is but for its case, or for DJANGO_ or STATIC_; and whether that is sure."""
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
    """Return the most similar name, or "" for one that is surely meant to be ours; and whether it is sure."""
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
