"""The codings of contents: out of the cache, out of earlier trees, or made; and in the cache from then on."""

from __future__ import annotations

import time
from typing import Protocol

from static_host_build.encode.cache import EncodingCache
from static_host_build.encode.encoder import Encoder


class EarlierCodings(Protocol):
    """What trees that were built earlier have encoded (`static_host_build.carry.reuse`)."""

    def find_codings(self, data: bytes) -> dict[str, bytes | None]:
        """Return the codings of the content that this build makes alike, None for those that did not pay."""
        ...


class Encodings:
    """Gives each content its codings."""

    def __init__(self, encoder: Encoder, cache: EncodingCache, earlier: EarlierCodings) -> None:
        self.encoder = encoder
        self.cache = cache
        self._earlier = earlier

    def encode(self, data: bytes) -> dict[str, bytes]:
        """Return the encoded bytes of each coding that pays."""
        encoded = self.cache.get(data)
        if encoded is None:
            began = time.monotonic()
            known = self._earlier.find_codings(data)
            encoded = self.encoder.encode(data, known)
            is_made = any(known.get(coding) is None for coding in encoded) or not known
            self.cache.put(data, encoded, time.monotonic() - began if is_made else None)
        return encoded
