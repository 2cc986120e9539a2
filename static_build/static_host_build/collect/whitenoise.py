"""What the project's settings of WhiteNoise ask of a build; `static_host_django.whitenoise_settings` reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WhiteNoiseSettings:
    """Each setting's value, or what stands for "not set".

    `headers_function` and `immutable_test` are the names of settings that only the project's process can call.
    `skipped_extensions` is None for the build's own.
    """

    root: str | None
    index_file: str
    media_types: Mapping[str, str]
    charset: str
    allows_all_origins: bool
    headers_function: str
    immutable_test: str
    skipped_extensions: Sequence[str] | None
    skipped_codings: Sequence[str]
    keeps_only_hashed: bool

    @property
    def has_functions(self) -> bool:
        """Whether the tree depends on code of the project's."""
        return bool(self.headers_function or self.immutable_test)
