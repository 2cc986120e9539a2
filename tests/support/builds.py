"""Helpers for tests of ``static-host build``: settings, the tree that it wrote, decoders."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Build = Callable[..., subprocess.CompletedProcess[str]]


def append_settings(project: Path, *lines: str, package: str = "mysite") -> None:
    """Append lines to the project's settings."""
    path = project / package / "settings.py"
    path.write_text("\n".join([path.read_text(), *lines, ""]))


def read_manifest_paths(project: Path) -> dict[str, str]:
    paths: dict[str, str] = json.loads((project / "staticfiles/staticfiles.json").read_text())["paths"]
    return paths


def read_files(tree: Path) -> dict[str, bytes]:
    return {path.relative_to(tree).as_posix(): path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def add_own_storage(project: Path) -> None:
    """Configure a fingerprinting storage of the project's own."""
    (project / "mysite/storage.py").write_text(
        "from django.contrib.staticfiles.storage import ManifestStaticFilesStorage\n"
        "class Storage(ManifestStaticFilesStorage):\n"
        "    def file_hash(self, name, content=None):\n"
        "        return 'mine'\n"
    )
    append_settings(project, "STORAGES = {'staticfiles': {'BACKEND': 'mysite.storage.Storage'}}")


def compress_zstd(data: bytes) -> bytes:
    return zstd.compress(data)


def decompress_zstd(data: bytes) -> bytes:
    """Decode with a window of 8 MB, as browsers do (RFC 9659)."""
    return zstd.decompress(data, options={zstd.DecompressionParameter.window_log_max: 23})


DECODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "br": brotli.decompress,
    "zstd": decompress_zstd,
    "gzip": gzip.decompress,
}


def decode_delta(delta: bytes, dictionary: bytes) -> bytes:
    """Decode a delta (RFC 9842 §5), with the window that it allows for a dictionary of up to 6.4 MB."""
    assert delta[:8] == b"\x5e\x2a\x4d\x18\x20\x00\x00\x00"
    assert delta[8:40] == sha256(dictionary).digest()
    known = zstd.ZstdDict(dictionary, is_raw=True).as_prefix
    return zstd.decompress(delta[40:], known, {zstd.DecompressionParameter.window_log_max: 23})


def format_available_dictionary(body: bytes) -> str:
    """Return the value of Available-Dictionary for these bytes."""
    return f":{b64encode(sha256(body).digest()).decode()}:"
