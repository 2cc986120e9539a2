"""REDbot, a linter for HTTP resources, against the live server. Its findings are printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.processes import Running, run

EXPECTED: dict[str, set[str]] = {
    # a max-age is enough, says REDbot; `public` is what CDNs and their documentation look for
    "/static/site.e8e374d844cc.css": {"STORE_PUBLIC_UNNECESSARY"},
    "/static/site.css": set(),
    # `no-store` says it all, says REDbot; Fastly does not look at it, and needs the other two directives
    "/static/nothing.css": {"CC_CONFLICTING"},
}


@pytest.mark.parametrize("path", EXPECTED)
def test_redbot_finds_nothing_wrong(
    server: Running, tmp_path: Path, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run("redbot", "--output-format", "har", server.url + path, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    notes = [note for entry in json.loads(result.stdout)["log"]["entries"] for note in entry.get("_red_messages", [])]
    found = {(note["level"], note["note_id"]) for note in notes}
    with capsys.disabled():
        print(f"\nREDbot on {path}:", *(f"{level} {note}" for level, note in sorted(found)), sep="\n  ")
    assert ("GOOD", "CL_CORRECT") in found
    assert {note for level, note in found if level not in ("GOOD", "INFO")} == EXPECTED[path]
