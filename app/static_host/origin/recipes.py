"""How the files of a release were encoded, as its index tells it: for builds that use them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Recipes:
    """The recipe of each content coding: equal recipes make equal bytes of equal content.

    `supplied` are encoded files that came with the sources. What is carried was encoded by other builds.
    """

    by_coding: Mapping[str, str] = field(default_factory=dict)
    supplied: frozenset[str] = frozenset()

    @classmethod
    def from_header(cls, head: Mapping[str, Any]) -> Recipes:
        """Return what an index's first line tells; what is no recipe is left out."""
        recipes, supplied = head.get("recipes"), head.get("supplied")
        return cls(
            recipes if isinstance(recipes, dict) else {},
            frozenset(map(str, supplied)) if isinstance(supplied, list) else frozenset(),
        )

    @property
    def facts(self) -> dict[str, object]:
        """What an index's first line tells, in one order."""
        return {
            **({"recipes": dict(sorted(self.by_coding.items()))} if self.by_coding else {}),
            **({"supplied": sorted(self.supplied)} if self.supplied else {}),
        }


NO_RECIPES = Recipes()
"""Those of a tree that other tools made, or that does not record them."""
