"""The map of the tree: a tile for each content, as large as its smallest representation, by media type.

Rule: each distinct content counts once, whatever its names, as in the build's report. What only earlier releases have
does not count. Boxes are in percent of the map, so the browser scales them and leaves the text alone.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from static_host.origin.representation import Resource

LAST_TONE = 7
"""The number of the colour that all further media types share."""
_ASPECT = 2.5
"""Width by height of the map that boxes are laid out for."""
_MIN_SHARE = 0.005
"""Contents of a media type that are less than this share of the tree have one tile together."""


class Box(NamedTuple):
    """A part of the map, in percent of its width and height."""

    left: float = 0.0
    top: float = 0.0
    width: float = 100.0
    height: float = 100.0


@dataclass(frozen=True, slots=True)
class Content:
    """One content, or several together. `sent` are the bytes of the smallest representation."""

    name: str
    sent: int
    identity: int
    files: int = 1


@dataclass(frozen=True, slots=True)
class Tile:
    """A content in the map."""

    content: Content
    box: Box

    @property
    def label(self) -> str:
        """The file's name without its folders; empty if it does not fit into 780 by 360 pixels."""
        name = self.content.name.rpartition("/")[2]
        return name if self.box.width > 1.6 + 0.85 * len(name) and self.box.height > 6 else ""

    @property
    def is_label_short(self) -> bool:
        """Whether the label also fits on a narrow screen, into 290 by 280 pixels."""
        return self.box.width > 4 + 2.3 * len(self.label) and self.box.height > 8


@dataclass(frozen=True, slots=True)
class MediaType:
    """The contents of one media type together, and the tiles that show them. `tone` is the number of the colour."""

    content: Content
    tone: int
    tiles: tuple[Tile, ...]


def lay_out_tree(resources: Mapping[str, Resource]) -> tuple[MediaType, ...]:
    """Return the media types of the tree's own release, the largest first."""
    groups = {_join_contents(name, group): group for name, group in _group_contents(resources).items()}
    min_bytes = _MIN_SHARE * sum(whole.sent for whole in groups)
    return tuple(
        MediaType(whole, min(number, LAST_TONE), tuple(_divide(_merge_small(groups[whole], min_bytes), box)))
        for number, (whole, box) in enumerate((each.content, each.box) for each in _divide(list(groups), Box()))
    )


def find_sent_length(resource: Resource) -> int:
    """Return the bytes of the smallest representation that needs no dictionary."""
    return min(r.length for r in resource.without_deltas.representations)


def _group_contents(resources: Mapping[str, Resource]) -> dict[str, list[Content]]:
    """Return the contents by media type."""
    names: dict[str, str] = {}
    for name, resource in resources.items():
        if not resource.carried:  # of two names, the one without a fingerprint is shorter
            names[resource.identity.digest] = min(names.get(resource.identity.digest, name), name, key=len)
    groups: dict[str, list[Content]] = {}
    for name in names.values():
        content = Content(name, find_sent_length(resources[name]), resources[name].identity.length)
        groups.setdefault(resources[name].media_type.partition(";")[0], []).append(content)
    return groups


def _join_contents(name: str, parts: Collection[Content]) -> Content:
    return Content(name, sum(part.sent for part in parts), sum(part.identity for part in parts), len(parts))


def _merge_small(contents: Collection[Content], min_bytes: float) -> list[Content]:
    small = [each for each in contents if each.sent < min_bytes]
    if len(small) < 2:
        return list(contents)
    return [*(each for each in contents if each.sent >= min_bytes), _join_contents(f"{len(small)} smaller", small)]


def _divide(contents: Sequence[Content], box: Box) -> Iterator[Tile]:
    """Yield the tiles, the largest first: cuts the box across its longer side, and each part again."""
    if len(contents) == 1:
        yield Tile(contents[0], box)
        return
    ordered = sorted(contents, key=lambda each: (-each.sent, each.name))
    total, count, first = sum(each.sent for each in ordered) or 1, 1, ordered[0].sent
    while count < len(ordered) - 1 and first + ordered[count].sent / 2 < total / 2:
        first += ordered[count].sent
        count += 1
    left, top, width, height = box
    if width * _ASPECT >= height:
        cut = width * first / total
        parts = Box(left, top, cut, height), Box(left + cut, top, width - cut, height)
    else:
        cut = height * first / total
        parts = Box(left, top, width, cut), Box(left, top + cut, width, height - cut)
    yield from _divide(ordered[:count], parts[0])
    yield from _divide(ordered[count:], parts[1])
