"""``static-host build`` as tests call it, and what they look at afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Build = Callable[..., subprocess.CompletedProcess[str]]


def settings(project: Path, *lines: str) -> None:
    """Append lines to the project's settings."""
    path = project / "mysite/settings.py"
    path.write_text("\n".join([path.read_text(), *lines, ""]))


def manifest(project: Path) -> dict[str, str]:
    paths: dict[str, str] = json.loads((project / "staticfiles/staticfiles.json").read_text())["paths"]
    return paths


def files(tree: Path) -> dict[str, bytes]:
    return {path.relative_to(tree).as_posix(): path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def own_storage(project: Path) -> None:
    """Give the project a fingerprinting storage of its own."""
    (project / "mysite/storage.py").write_text(
        "from django.contrib.staticfiles.storage import ManifestStaticFilesStorage\n"
        "class Storage(ManifestStaticFilesStorage):\n"
        "    def file_hash(self, name, content=None):\n"
        "        return 'mine'\n"
    )
    settings(project, "STORAGES = {'staticfiles': {'BACKEND': 'mysite.storage.Storage'}}")


def compress_zstd(data: bytes) -> bytes:
    return zstd.compress(data)


def decompress_zstd(data: bytes) -> bytes:
    """Decode with a window of 8 MB, as browsers do (RFC 9659)."""
    return zstd.decompress(data, options={zstd.DecompressionParameter.window_log_max: 23})
