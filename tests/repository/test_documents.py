"""Documents agree with the repository: paths and links resolve, rooms match contracts, changelog entries are short."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DOCUMENTS = [
    *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    folders = "app|benchmarks|deploy|docs|requirements|static_build|tests"
    made = "tests/real/packages/site-packages"  # by make
    named = re.findall(rf"`((?:{folders})(?:/[\w./-]*)?)`", document.read_text())
    assert [path for path in named if path != made and not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "README.md"], ids=name_of)
def test_every_link_between_documents_leads_to_a_file_and_a_heading(document: Path) -> None:
    for file, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", document.read_text()):
        target = document.parent / file if file else document
        assert target.exists(), file
        assert not heading or heading in list_anchors(target), f"{file}#{heading}"


def list_anchors(document: Path) -> list[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]


def rooms_in_the_architecture() -> Iterator[tuple[str, list[str]]]:
    """Yield each package with the first column of its table of rooms, in the form of a contract."""
    text = (ROOT / "docs/architecture.md").read_text()
    for package, section in re.findall(r"^### `[a-z_]+/([a-z_]+)`(.+?)(?=^### )", text, re.MULTILINE | re.DOTALL):
        rows = [re.split(r" (?<!\\)\| ", line)[0] for line in re.findall(r"^\| (`.+)$", section, re.MULTILINE)]
        yield package, [row.replace("`", "").replace("\\", "").replace(",", " :") for row in rows]


def test_the_rooms_of_the_architecture_are_those_of_the_import_contracts() -> None:
    contracts = {
        contract["containers"][0]: contract["layers"]
        for contract in PROJECT["tool"]["importlinter"]["contracts"]
        if "containers" in contract
    }
    assert dict(rooms_in_the_architecture()) == contracts


def test_every_decision_is_in_the_list_of_decisions() -> None:
    folder = ROOT / "docs/decisions"
    records = sorted(path.name for path in folder.glob("[0-9]*.md"))
    titles = {name: (folder / name).read_text().partition("\n")[0].removeprefix("# ") for name in records}
    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))
    listed = re.findall(r"^\| \[(.+?)\]\((.+?)\) \|", (folder / "README.md").read_text(), re.MULTILINE)
    assert [(titles.get(name), name) for _, name in listed] == listed
    assert [name for _, name in listed] == records


def test_an_entry_of_the_changelog_has_two_lines_of_120_characters_at_most() -> None:
    entries = re.findall(r"^- .*(?:\n {2}.*)*", CHANGELOG, re.MULTILINE)
    assert len(entries) > 20
    assert [entry for entry in entries if entry.count("\n") > 1] == []
    assert [line for line in CHANGELOG.splitlines() if len(line) > 120] == []


def test_the_changelog_has_the_sections_of_its_format_in_their_order() -> None:
    versions = re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)[1:]
    order = ["Added", "Changed", "Removed", "Fixed"]
    for version in versions:
        assert re.match(r"\d+\.\d+\.\d+ \((\d{4}-\d\d-\d\d|unreleased)\)\n", version)
        sections = re.findall(r"^### (.+)$", version, re.MULTILINE)
        assert sections == [name for name in order if name in sections]
    assert versions[0].startswith(f"{PROJECT['project']['version']} ")
