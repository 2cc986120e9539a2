"""``make bench-references``: speed and correctness of finders of references in scripts and stylesheets.

Rule: speed is CPU time of this process per million characters, the least of a few rounds. Correctness is counted on the
samples of tests/forms, whose expected results Node and css-tree confirm in ``make projects``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import format_table
from benchmarks.readers import (
    Reader,
    TreeSitterCSS,
    TreeSitterJavaScript,
    read_css,
    read_css_with_tinycss2,
    read_javascript,
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
    """Return the least CPU seconds of one reading."""
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        reader(text)
        taken.append(time.process_time() - began)
    return min(taken)


def format_speed(readers: dict[str, Reader], names: Sequence[str]) -> str:
    """Return a table of seconds per million characters."""
    rows = []
    for name in names:
        text = (MODULES / name).read_text(encoding="utf-8")
        million = len(text) / 1e6
        costs = [f"{measure_seconds(reader, text) / million:.3f}" for reader in readers.values()]
        rows.append([f"{name.rpartition('/')[2]}, {million:.1f} MB", *costs])
    return format_table(["CPU seconds a MB", *readers], rows)


def is_right(reader: Reader, form: Form, *, decoded: bool) -> bool:
    """Whether a reader finds exactly the marked references; tinycss2 returns their values, not their positions."""
    wanted = [target if decoded else form.source[start:end] for start, end, target in form.references]
    found = reader(form.source)
    kept = set(form.kept)
    maps = [target for target in wanted if target.endswith(".map")]
    return found is not None and [each for each in found if each not in kept] == [
        each for each in wanted if each not in maps
    ]


def format_correctness(readers: dict[str, Reader], parts: dict[str, list[Form]]) -> str:
    """Return a table of the number of samples that each reader gets right."""
    rows = [
        [
            f"{part} ({len(forms)})",
            *(
                str(sum(is_right(reader, form, decoded=reader is read_css_with_tinycss2) for form in forms))
                for reader in readers.values()
            ),
        ]
        for part, forms in parts.items()
    ]
    return format_table(["right, of", *readers], rows)


def format_guesses(readers: dict[str, Reader]) -> str:
    """Return a table of each reader's result for texts that are not JavaScript."""
    rows = []
    for name, text, _ in UNREADABLE:
        answers = [reader(text) for reader in readers.values()]
        rows.append([name, *("refused" if each is None else ", ".join(each) or "nothing" for each in answers)])
    return format_table(["no JavaScript", *readers], rows)


def main() -> None:
    """Print all tables."""
    scripts: dict[str, Reader] = {"ours": read_javascript, "tree-sitter": TreeSitterJavaScript()}
    styles: dict[str, Reader] = {"ours": read_css, "tree-sitter": TreeSitterCSS(), "tinycss2": read_css_with_tinycss2}
    print(format_speed(scripts, SCRIPTS), format_speed(styles, STYLES), sep="\n\n")
    print()
    print(format_correctness(scripts, {"scripts with references": FOLLOWING, "scripts with look-alikes": LEAVING}))
    print()
    print(format_correctness(styles, {"stylesheets": STYLESHEETS}))
    print()
    print(format_guesses(scripts))


if __name__ == "__main__":
    main()
