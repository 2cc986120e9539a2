"""The secret key of the bundled site when none is configured.

Strategy: the whole key is written to a temporary file, which is then linked to its place. A link never replaces an
existing file, so of several workers that start together one creates the key, and all read it.
"""

import os
import tempfile
from pathlib import Path

from django.utils.crypto import get_random_string

KEY_FILE_NAME = "secret_key"
"""The key's file name inside the site's data directory."""
KEY_CHARACTERS = 64


def load_or_create_key(directory: Path) -> str:
    """Return the key that is stored in `directory`, and create both on first use.

    If the file cannot be written or read, the key is a new one, for this process only.
    """
    path = directory / KEY_FILE_NAME
    try:
        if not path.exists():
            _create_key_file(path)
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return get_random_string(KEY_CHARACTERS)


def _create_key_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # mode 0600, O_EXCL
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(get_random_string(KEY_CHARACTERS))
        os.link(draft, path)
    except FileExistsError:
        pass  # another worker was first
    finally:
        Path(draft).unlink()
