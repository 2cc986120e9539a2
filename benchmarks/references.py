"""``make bench-references``: what finds the references in a script or a stylesheet, on speed and on correctness.

Rule: speed is CPU time of this process, the least of a few rounds, for each million characters. Correctness is counted
on the forms of tests/forms, whose right answers Node and css-tree confirm in ``make projects``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import table
from benchmarks.readers import (
    Reader,
    TreeSitterCSS,
    TreeSitterJavaScript,
    ours_css,
    ours_javascript,
    tinycss2_css,
)
from tests.forms import Form
from tests.forms.imports import FOLLOWED
from tests.forms.names import NAMES
from tests.forms.newer import NEWER, UNREADABLE
from tests.forms.slashes import SLASHES
from tests.forms.stylesheets import STYLESHEETS
from tests.forms.untouched import UNTOUCHED

MODULES = Path(__file__).parents[1] / "tests/real/packages/node_modules"
SCRIPTS = ("typescript/lib/typescript.js", "three/build/three.module.js", "pdfjs-dist/build/pdf.worker.min.mjs")
STYLES = ("bootstrap/dist/css/bootstrap.css", "bulma/css/bulma.min.css", "@fortawesome/fontawesome-free/css/all.css")
FOLLOWING, LEAVING = [*FOLLOWED, *NAMES, *NEWER], [*UNTOUCHED, *SLASHES]
ROUNDS = 3


def measure_seconds(reader: Reader, text: str) -> float:
    """Return the least CPU time that one reading took."""
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        reader(text)
        taken.append(time.process_time() - began)
    return min(taken)


def speed(readers: dict[str, Reader], names: Sequence[str]) -> str:
    """Return a table of seconds for each million characters."""
    rows = []
    for name in names:
        text = (MODULES / name).read_text(encoding="utf-8")
        million = len(text) / 1e6
        costs = [f"{measure_seconds(reader, text) / million:.3f}" for reader in readers.values()]
        rows.append([f"{name.rpartition('/')[2]}, {million:.1f} MB", *costs])
    return table(["CPU seconds a MB", *readers], rows)


def is_right(reader: Reader, form: Form, *, decoded: bool) -> bool:
    """Whether a reader finds the marked references and no other; tinycss2 tells what they stand for, not where."""
    wanted = [target if decoded else form.source[start:end] for start, end, target in form.references]
    found = reader(form.source)
    kept = set(form.kept)
    maps = [target for target in wanted if target.endswith(".map")]
    return found is not None and [each for each in found if each not in kept] == [
        each for each in wanted if each not in maps
    ]


def correctness(readers: dict[str, Reader], parts: dict[str, list[Form]]) -> str:
    """Return a table of how many forms each reader gets right."""
    rows = [
        [
            f"{part} ({len(forms)})",
            *(
                str(sum(is_right(reader, form, decoded=reader is tinycss2_css) for form in forms))
                for reader in readers.values()
            ),
        ]
        for part, forms in parts.items()
    ]
    return table(["right, of", *readers], rows)


def guesses(readers: dict[str, Reader]) -> str:
    """Return a table of what each reader makes of texts that are no JavaScript."""
    rows = []
    for name, text, _ in UNREADABLE:
        answers = [reader(text) for reader in readers.values()]
        rows.append([name, *("refused" if each is None else ", ".join(each) or "nothing" for each in answers)])
    return table(["no JavaScript", *readers], rows)


def main() -> None:
    """Print all tables."""
    scripts: dict[str, Reader] = {"ours": ours_javascript, "tree-sitter": TreeSitterJavaScript()}
    styles: dict[str, Reader] = {"ours": ours_css, "tree-sitter": TreeSitterCSS(), "tinycss2": tinycss2_css}
    print(speed(scripts, SCRIPTS), speed(styles, STYLES), sep="\n\n")
    print()
    print(correctness(scripts, {"scripts with references": FOLLOWING, "scripts with look-alikes": LEAVING}))
    print()
    print(correctness(styles, {"stylesheets": STYLESHEETS}))
    print()
    print(guesses(scripts))


if __name__ == "__main__":
    main()
