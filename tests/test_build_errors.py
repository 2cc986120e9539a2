"""What ends a build says what is wrong and what to do in fields of its own, and prints both as one text."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from static_host_build.build_errors import BuildError, explain_os_error, list_problems
from static_host_build.output.staging_directory import open_staging_directory
from static_host_build.permissions import Modes


def test_message_and_remedy_are_fields_of_their_own_and_one_printed_sentence_after_the_other(tmp_path: Path) -> None:
    root = tmp_path / "staticfiles"
    root.write_text("")
    with pytest.raises(BuildError) as caught, open_staging_directory(root, Modes(0o644, 0o755)):
        pass
    assert caught.value.message == f"the static root {root} is a file."
    assert caught.value.remedy == "Remove it, or set DJANGO_STATIC_ROOT to another directory. Nothing was changed."
    assert str(caught.value) == f"{caught.value.message} {caught.value.remedy}"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/srv/x"),
            (
                "Permission denied: /srv/x.",
                "The build's user must be able to read static folders, and to write beside the static root.",
            ),
        ),
        (OSError(errno.ENOSPC, "No space left on device"), ("No space left on device.", "")),
    ],
    ids=["a known remedy", "none"],
)
def test_an_error_of_the_file_system_is_a_sentence_with_the_remedy_apart(
    error: OSError, expected: tuple[str, str]
) -> None:
    assert explain_os_error(error) == expected


def test_of_many_problems_the_first_twenty_are_listed_and_the_others_counted() -> None:
    names = [f"problem {number}" for number in range(22)]
    assert list_problems("wrong:", names[:20]).splitlines() == ["wrong:", *(f"  {name}" for name in names[:20])]
    assert list_problems("wrong:", names).splitlines()[-2:] == ["  problem 19", "  and 2 more"]
