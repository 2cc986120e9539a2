"""An encoder with a cache: takes the codings of a content from the cache or an earlier tree, else makes them."""

from __future__ import annotations

import time
from typing import Protocol

from static_host_build.encode.encoder import Encoder
from static_host_build.encode.encoding_cache import EncodingCache


class EarlierCodings(Protocol):
    """The codings in trees of earlier builds (`static_host_build.carry.earlier_trees.EarlierTrees`)."""

    def find_codings(self, data: bytes) -> dict[str, bytes | None]:
        """Return the bytes of each coding that has this build's recipe; None for a coding that did not pay."""
        ...


class CachedEncoder:
    """Encodes contents; takes the codings from `cache` or `earlier` if they have them. Puts all into `cache`."""

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
