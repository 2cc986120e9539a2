"""The build stamp: a file beside the releases that records the inputs of the current release for the next build."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from static_host_build.references.missing_references import MissingReference

FILE_NAME = "record.json"


@dataclass(frozen=True, slots=True)
class BuildStamp:
    """The fingerprint of a release's inputs, the digest of the releases that it carries, and the build's warnings."""

    inputs: str
    carried: str
    release: str
    dangling: tuple[MissingReference, ...]
    warnings: tuple[str, ...]


def read(home: Path) -> BuildStamp | None:
    """Return the stamp in the releases directory; None if there is none that can be read."""
    with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        facts = json.loads((home / FILE_NAME).read_bytes())
        dangling = tuple(MissingReference(**reference) for reference in facts["dangling"])
        return BuildStamp(facts["inputs"], facts["carried"], facts["release"], dangling, tuple(facts["warnings"]))
    return None


def write(home: Path, stamp: BuildStamp) -> None:
    """Write the stamp, in place of an earlier one. Does nothing if the directory cannot be written."""
    with suppress(OSError):
        temporary = home / f".{FILE_NAME}"
        temporary.write_text(json.dumps(asdict(stamp)))
        temporary.replace(home / FILE_NAME)
