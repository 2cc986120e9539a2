"""The recipes of a release's encoded files, as its index records them, for builds that use these files again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class EncodingRecipes:
    """The recipe of each content coding; equal recipes turn equal content into equal bytes.

    `supplied` are encoded files that came with the sources. Carried files are not covered: other builds encoded them.
    """

    by_coding: Mapping[str, str] = field(default_factory=dict)
    supplied: frozenset[str] = frozenset()

    @classmethod
    def from_header(cls, head: Mapping[str, Any]) -> EncodingRecipes:
        """Return the recipes in an index's first line, without malformed ones."""
        recipes, supplied = head.get("recipes"), head.get("supplied")
        return cls(
            recipes if isinstance(recipes, dict) else {},
            frozenset(map(str, supplied)) if isinstance(supplied, list) else frozenset(),
        )

    @property
    def facts(self) -> dict[str, object]:
        """The members of an index's first line, sorted."""
        return {
            **({"recipes": dict(sorted(self.by_coding.items()))} if self.by_coding else {}),
            **({"supplied": sorted(self.supplied)} if self.supplied else {}),
        }


NO_RECIPES = EncodingRecipes()
"""The recipes of a tree that other tools made, or that records none."""
