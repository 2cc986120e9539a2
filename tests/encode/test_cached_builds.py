"""What builds keep for the next one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import brotli
import pytest

from static_host_build.encode.encoding_cache import EncodingCache
from tests.support.builds import Build, append_settings, read_files


def test_a_second_build_encodes_nothing_and_changes_nothing(build: Build, project: Path, tmp_path: Path) -> None:
    variables = {"DJANGO_STATIC_CACHE": str(tmp_path / "cache")}
    assert "9 contents encoded, 0 of them from the cache" in build(**variables).stdout
    before = (project / "staticfiles").readlink()
    assert "9 contents encoded, 9 of them from the cache" in build(**variables).stdout
    assert (project / "staticfiles").readlink() == before
    assert sorted(path.name for path in (project / ".staticfiles.releases").iterdir()) == [
        before.name,
        "lock",
        "record.json",
    ]


def test_a_damaged_cache_entry_is_made_anew(build: Build, project: Path, tmp_path: Path) -> None:
    variables = {"DJANGO_STATIC_CACHE": str(tmp_path / "cache")}
    build(**variables)
    good = read_files(project / "staticfiles")
    for entry in (tmp_path / "cache").glob("*/*"):
        entry.write_bytes(entry.read_bytes()[:-1] + b"!")
    (project / "mysite/static/new.txt").write_text("new")
    assert "10 contents encoded, 0 of them from the cache" in build(**variables).stdout
    again = read_files(project / "staticfiles")
    assert {name: again[name] for name in good if name not in ("static-host.index", "staticfiles.json")} == {
        name: body for name, body in good.items() if name not in ("static-host.index", "staticfiles.json")
    }


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(build: Build, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert build(DJANGO_STATIC_CACHE=str(tmp_path / "file/cache")).returncode == 0


def test_an_entry_is_whole_when_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renamed: list[tuple[bytes, str, Path]] = []
    replace = Path.replace

    def watch(self: Path, target: Path) -> Path:
        renamed.append((self.read_bytes(), self.name[:9], self.parent))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watch)
    cache = EncodingCache(tmp_path, "recipe")
    cache.put(b"data", {"br": b"as br", "gzip": b"as gzip!"}, 0.5)
    (entry,) = (path for path in tmp_path.glob("*/*") if path.is_file())
    assert renamed == [(entry.read_bytes(), ".writing-", entry.parent)]
    assert entry.read_bytes() == (
        b'2890e7c8cb44d0fc5b9d39d814802245e0bdda571a36f0e70f9e6ad530f87219\n[["br", 5], ["gzip", 8]]\nas bras gzip!'
    )


def test_an_unchanged_project_is_found_unchanged_whatever_its_files_times_say(build: Build, project: Path) -> None:
    (project / "mysite/static/vendor.js").write_text("call();\n//# sourceMappingURL=vendor.js.map\n")
    (project / "mysite/static/own.js").write_text("call();\n" * 99)
    (project / "mysite/static/own.js.br").write_bytes(brotli.compress(b"an older version"))
    first = build()
    assert first.stderr.splitlines() == [
        "static-host: vendor.js, line 2: vendor.js.map does not exist.",
        "static-host: own.js.br does not decode to own.js; it is replaced",
    ]
    before = (project / "staticfiles").stat().st_ino
    for path in (project / "mysite/static").rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    second = build()
    assert second.stderr == first.stderr
    assert second.stdout.splitlines()[0] == first.stdout.splitlines()[0]
    assert (project / "staticfiles").stat().st_ino == before


CHANGES: dict[str, tuple[Callable[[Path], object], dict[str, str]]] = {
    "a content of the same length and time": (lambda project: rewritten(project / "mysite/static/digits.txt"), {}),
    "a new file": (lambda project: (project / "mysite/static/new.txt").write_text("new"), {}),
    "a file less": (lambda project: (project / "mysite/static/digits.txt").unlink(), {}),
    "a coding less": (lambda _: None, {"DJANGO_STATIC_CODINGS": "br"}),
    "another pattern": (lambda _: None, {"DJANGO_STATIC_IMMUTABLE_PATTERN": "^digits"}),
    "another prefix": (lambda _: None, {"DJANGO_STATIC_PREFIX": "/s/"}),
    "a hidden file that is served": (
        lambda project: (project / "mysite/static/.hidden").write_text(""),
        {"DJANGO_STATIC_ROOT_FILES": ".hidden"},
    ),
    "a finder less": (
        lambda project: append_settings(project, "STATICFILES_FINDERS = []", "STATICFILES_DIRS = []"),
        {},
    ),
    "a damaged tree": (lambda project: (project / "staticfiles/digits.txt").write_text(""), {}),
    "a damaged record": (lambda project: (project / ".staticfiles.releases/record.json").write_text("{"), {}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_project_is_built(build: Build, project: Path, change: str) -> None:
    assert build().returncode == 0
    before = (project / "staticfiles").resolve()
    make, variables = CHANGES[change]
    make(project)
    result = build(**variables)
    if change == "a finder less":
        assert "the project has no static files" in result.stderr
    else:
        assert result.returncode == 0, result.stderr
        after = (project / "staticfiles").resolve()
        assert (after == before) == (change == "a damaged record")


def rewritten(path: Path) -> None:
    """Give a file other bytes, and the length and the times that it had."""
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.write_text(path.read_text()[::-1])
    os.utime(path, ns=times)


def test_a_name_in_a_template_that_leads_nowhere_is_found_in_an_unchanged_project(build: Build, project: Path) -> None:
    assert build().returncode == 0
    (project / "mysite/templates/other.html").write_text("{% load static %}{% static 'gone.css' %}")
    result = build()
    assert result.returncode == 5
    assert "mysite/templates/other.html, line 1: gone.css does not exist." in result.stderr
