"""Generates thousands of static files from a seed: the same count gives the same bytes on every machine.

Each folder has a hundred files; no two are equal; each stylesheet refers to the image of its folder.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

SMALLEST, LARGEST = 200, 3000
IN_A_FOLDER = 100
IMAGE = "image.png"

KINDS = {"css": 15, "js": 20, "svg": 25, "json": 10, "txt": 5, "html": 5, "png": 20}
"""Files of each kind in a hundred."""

_AROUND = {  # beginning and end of a file
    "css": (f'body {{ background: url("{IMAGE}"); }}\n', ""),
    "js": ('"use strict";\n', ""),
    "svg": ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 999 999">\n', "</svg>\n"),
    "json": ("{\n", '"end": 0\n}\n'),
    "txt": ("", ""),
    "html": ("<!doctype html>\n<title>A page</title>\n", ""),
}
_LINES = {
    "css": ".{word}-{n} {{ {other}: {m}px; color: #{n:06x}; }}\n",
    "js": "const {word}{n} = ({other}) => {other}.{word} + {m};\n",
    "svg": '<path class="{word}" d="M{n} {m}h{m}v{n}z"/>\n',
    "json": '"{word}-{n}": {{"{other}": {m}}},\n',
    "txt": "{word} {n} {other} {m}\n",
    "html": '<p class="{word}">{other} {n} {m}</p>\n',
}
# fmt: off
_WORDS = (
    "align", "border", "button", "caption", "circle", "column", "content", "cursor", "display", "element", "filter",
    "footer", "header", "height", "image", "label", "layout", "margin", "marker", "offset", "opacity", "outline",
    "padding", "panel", "position", "preview", "scroll", "section", "shadow", "table", "toggle", "width",
)
# fmt: on


def generate(directory: Path, count: int, seed: int = 1) -> int:
    """Write `count` files below the directory; return their bytes."""
    random = Random(seed)
    kinds = random.choices(list(KINDS), list(KINDS.values()), k=count)
    size = 0
    for number, kind in enumerate(kinds):
        folder = directory / f"{number // IN_A_FOLDER:04}"
        first = number % IN_A_FOLDER == 0
        if first:
            folder.mkdir(parents=True)
        content = _image(random) if first or kind == "png" else _text(random, kind)
        size += (folder / (IMAGE if first else f"{number:06}.{kind}")).write_bytes(content)
    return size


def _image(random: Random) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + random.randbytes(random.randint(SMALLEST, LARGEST) - 8)


def _text(random: Random, kind: str) -> bytes:
    head, tail = _AROUND[kind]
    size = random.randint(SMALLEST, LARGEST - 100)
    text = head
    while len(text) < size:
        word, other = random.choices(_WORDS, k=2)
        text += _LINES[kind].format(word=word, other=other, n=random.randrange(1 << 20), m=random.randrange(1000))
    return (text + tail).encode()
