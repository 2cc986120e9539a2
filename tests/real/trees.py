"""Compares a built tree with its sources, by the word of independent readers: acorn, css-tree and the standard library.

Rule: a file that its reader can parse is parsed as built, too; both have the same references; between the references
stands the same text; and each reference leads to the file that the source's leads to, by its fingerprinted name.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urljoin, urlsplit

from tests.support.processes import make_environment

JUDGE = Path(__file__).parent / "modules/judge.mjs"
SUFFIXES = (".js", ".mjs", ".css")

_BASE = "http://site/static/"
_MAP = re.compile(r"(?<=sourceMappingURL=)[^\s*]+")


@dataclass
class Findings:
    """What was looked at, what is wrong, and what leads nowhere already in the sources, as (file, target)."""

    files: int = 0
    unreadable: list[str] = field(default_factory=list)
    references: int = 0
    missing: set[tuple[str, str]] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


@dataclass
class _File:
    """The text between the references of a file, and what these are."""

    pieces: list[str]
    targets: list[str]
    kinds: list[str]


def compare(sources: Mapping[str, Path], tree: Path, paths: Mapping[str, str]) -> Findings:
    """Compare the scripts and stylesheets among `sources` with what `tree` has by the names in `paths`."""
    names = sorted(name for name in sources if name.endswith(SUFFIXES))
    before = _judge([sources[name] for name in names])
    changed = [name for name in names if sources[name].read_bytes() != (tree / paths[name]).read_bytes()]
    after = dict(zip(changed, _judge([tree / paths[name] for name in changed]), strict=True))
    findings = Findings(files=len(names))
    folders = {str(folder) for name in paths for folder in PurePosixPath(name).parents}
    for name, source in zip(names, before, strict=True):
        built = after.get(name, source)
        if source is None:
            findings.unreadable.append(name)
            if name in after:
                findings.problems.append(f"{name}: no reader can parse it, and it has changed")
        elif built is None:
            findings.problems.append(f"{name}: what is built cannot be parsed")
        elif source.pieces != built.pieces or len(source.targets) != len(built.targets):
            findings.problems.append(f"{name}: more has changed than its references")
        else:
            _follow(findings, name, source, built, paths, folders)
    return findings


def _follow(
    findings: Findings, name: str, source: _File, built: _File, paths: Mapping[str, str], folders: set[str]
) -> None:
    findings.references += len(source.targets)
    for old, new, kind in zip(source.targets, built.targets, source.kinds, strict=True):
        wanted = resolve(name, old, kind)
        found = resolve(paths[name], new, kind)
        if wanted is not None and wanted in paths:
            if found != paths[wanted] or urlsplit(new)[3:] != urlsplit(old)[3:]:
                findings.problems.append(f"{name}: {old} has become {new}, not {paths[wanted]}")
        elif old != new:
            findings.problems.append(f"{name}: {old} leads to no file, and has become {new}")
        elif wanted is not None and (kind == "name" or wanted not in folders):
            findings.missing.add((name, old))


def resolve(name: str, target: str, kind: str) -> str | None:
    """Return the name of the file that a browser would load; None for another host's, a bare name and a directory."""
    if kind == "name" and not target.startswith(("/", "./", "../")):
        return None
    url = urljoin(_BASE + name, target.strip())
    path = urlsplit(url)._replace(query="", fragment="").geturl()
    if not path.startswith(_BASE) or path.endswith("/") or target.startswith("#"):
        return None
    return unquote(path.removeprefix(_BASE))


def _judge(files: list[Path]) -> list[_File | None]:
    command = ["node", "--max-old-space-size=4096", str(JUDGE)]
    request = json.dumps([str(path) for path in files])
    done = subprocess.run(command, input=request, env=make_environment({}), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [
        _file(path, json.loads(line)) for path, line in zip(files, done.stdout.rstrip("\n").split("\n"), strict=True)
    ]


def _file(path: Path, judged: dict[str, list[tuple[int, int, str, str]]]) -> _File | None:
    if "error" in judged:
        return None
    text = path.read_bytes().decode(errors="replace").encode("utf-16-le", "surrogatepass")
    pieces, position = [], 0
    for start, end, *_ in judged["references"]:
        pieces.append(text[position * 2 : start * 2])
        position = end
    pieces.append(text[position * 2 :])
    decoded = [_MAP.sub("", piece.decode("utf-16-le", "surrogatepass")) for piece in pieces]
    return _File(decoded, [each[2] for each in judged["references"]], [each[3] for each in judged["references"]])
