"""What the build records of scripts and stylesheets, with literal digests: those of ``openssl dgst -sha384``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from static_host_build.fingerprints import Fingerprinter
from static_host_build.script_facts import describe_scripts
from static_host_django.tree_writer import TreeWriter

CIRCLE_A = b'import { b } from "./b.js";\nimport "shop/c.mjs";\nexport * from "../static/d d.js?v=1";\n'
FILES = {
    "a.js": CIRCLE_A,
    "b.js": b'import "./a.js";\nimport "./a.js";\nconst later = () => import("./late.js");\n',
    "late.js": b"export default 1;\n",
    "shop/c.mjs": b'import sheet from "../x.css" with { type: "css" };\nimport "three";\n',
    "d d.js": b"export const d = 1;\n",
    "x.css": b"a{}\n",
    "x.svg": b"<svg/>",
    "broken.js": b'import "./late.js"; (',
}
A, B, LATE = "a.b9ede6707a52.js", "b.54d513f229e6.js", "late.7b9adf7a1f47.js"
DIGEST_OF_LATE = "sha384-TfNfbmwP7o3QYLOKT2ylblYjdqWkjpHkmoyPgwQk/jxycBM1LOGLUePUz56+OBZF"


def write_files(directory: Path, files: Mapping[str, bytes]) -> None:
    for name, body in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(body)


def fingerprint(
    directory: Path, files: Mapping[str, bytes], bundled: tuple[str, ...] = (), **sources: str
) -> dict[str, Any]:
    """Return the manifest of the files; `sources` has paths of sources by the stems of names."""
    write_files(directory, files)
    paths = {name: sources.get(Path(name).stem, f"/srv/static/{name}") for name in files}
    made = Fingerprinter(directory, TreeWriter(directory, None, 0o644), paths, bundled, "/static/").run()
    manifest: dict[str, Any] = json.loads(made.dump_manifest())
    return manifest


def test_the_manifest_has_integrity_static_imports_and_the_project_s_modules(tmp_path: Path) -> None:
    manifest = fingerprint(tmp_path, FILES)
    assert manifest["integrity"] == {
        A: "sha384-62ZQ+5YEDTLB+0CSFt8NqEm7CXvb0RLJhCOUddYa88amyvSqO+ociF/lOjauiU4K",
        B: "sha384-Nef51rPSvHtLcYts/4TjuQ9nDrXoymURW6mc8bmJ0puAp6i6oqmuRxvI1YUjtdWP",
        "broken.f1149530ed70.js": "sha384-bm1osE8r1Ew19IAlU4k2WFv4VOQej4A2b1uUDegliaf4siQk5JUcIgVUL0Il9CoS",
        "d d.11525ceaf9c5.js": "sha384-R3MBwDMmAzeJHekwCOLWe0XlZsUYXZ0npSJcczL1uM+ZuoMb2aGeVqzDY7gu1nsP",
        LATE: DIGEST_OF_LATE,
        "shop/c.7d6297a69cef.mjs": "sha384-2ghlUWRr0X5Z0gfswOUjFu/6VcGkLEHQu0fi7h9o1+KDW4LEb1VRxSNMNxcusOOI",
        "x.b05dff2bb378.css": "sha384-CSVJmS1cHpAdO4cmYqGPs3bc5js0bZ3qFVbZnngU15A0umm2kUegvbVpLu/J/qGp",
    }
    assert manifest["imports"] == {
        A: [f"./{B}", "shop/c.mjs", "../static/d%20d.11525ceaf9c5.js?v=1"],
        B: [f"./{A}"],
    }
    assert manifest["modules"] == ["a.js", "b.js", "broken.js", "d d.js", "late.js", "shop/c.mjs"]


def test_files_of_packages_and_of_bundlers_have_integrity_but_are_no_modules_of_the_project(tmp_path: Path) -> None:
    files = {"three.js": b"export default 1;\n", "chunk-1a2b3c4d.js": b'import"./late.js";import"./x.js";', **FILES}
    manifest = fingerprint(tmp_path, files, ("chunk-1a2b3c4d.js",), three="/lib/site-packages/three/static/three.js")
    assert manifest["integrity"]["three.7b9adf7a1f47.js"] == DIGEST_OF_LATE
    assert manifest["integrity"]["chunk-1a2b3c4d.js"].startswith("sha384-")
    assert manifest["imports"]["chunk-1a2b3c4d.js"] == ["./late.js"]
    assert not {"three.js", "chunk-1a2b3c4d.js"} & set(manifest["modules"])


def test_another_storage_s_tree_has_the_same_facts_by_its_own_names(tmp_path: Path) -> None:
    names = {"a.js": "a.1.js", "late.js": "late.2.js", "x.css": "x.3.css", "gone.js": "gone.4.js", "b.js": "b.5.js"}
    write_files(
        tmp_path,
        {
            "a.1.js": b'import "./late.2.js";\nimport "./late.js";\nimport "b.js";\n',
            "late.2.js": b"export default 1;\n",
            "x.3.css": b"a{}\n",
            "b.5.js": b'import "./late.2.js"; (',
        },
    )
    facts: Any = describe_scripts(tmp_path, names, dict.fromkeys(names), (), "/static/")
    assert list(facts["integrity"]) == ["a.1.js", "b.5.js", "late.2.js", "x.3.css"]
    assert facts["integrity"]["late.2.js"] == DIGEST_OF_LATE
    assert facts["imports"] == {"a.1.js": ["./late.2.js", "b.js"]}
    assert facts["modules"] == ["a.js", "b.js", "gone.js", "late.js"]
