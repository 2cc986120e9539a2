"""What a build leaves for the next one: a note, beside the releases, of what the current one was made of."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from static_host_build.references.missing import MissingReference

FILE_NAME = "record.json"


@dataclass(frozen=True, slots=True)
class BuildStamp:
    """`inputs` is the fingerprint of all that `release` was made of, `carried` that of what was carried beside it.

    The rest is what its build warned of.
    """

    inputs: str
    carried: str
    release: str
    dangling: tuple[MissingReference, ...]
    warnings: tuple[str, ...]


def read(home: Path) -> BuildStamp | None:
    """Return the note in the directory of releases; None if there is none that can be read."""
    with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        facts = json.loads((home / FILE_NAME).read_bytes())
        dangling = tuple(MissingReference(**reference) for reference in facts["dangling"])
        return BuildStamp(facts["inputs"], facts["carried"], facts["release"], dangling, tuple(facts["warnings"]))
    return None


def write(home: Path, record: BuildStamp) -> None:
    """Leave the note; what was noted before is gone. Does nothing where it cannot write."""
    with suppress(OSError):
        temporary = home / f".{FILE_NAME}"
        temporary.write_text(json.dumps(asdict(record)))
        temporary.replace(home / FILE_NAME)
