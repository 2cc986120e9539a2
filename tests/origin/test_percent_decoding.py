"""Percent-encoded paths are decoded as urllib decodes them, whatever their length."""

from __future__ import annotations

from itertools import product
from urllib.parse import unquote_to_bytes

import pytest

from static_host.origin.percent_decoding import unescape


@pytest.mark.parametrize("count", range(1, 5))
def test_every_text_is_unescaped_as_urllib_does(count: int) -> None:
    for parts in product((b"%", b"%4", b"%41", b"1", b"%fF", b"%zz", b"%25", b"/", b"\xff", b"\n"), repeat=count):
        text = b"".join(parts)
        assert unescape(text) == unquote_to_bytes(text)


def test_every_byte_has_its_escape() -> None:
    for byte in range(256):
        assert unescape(b"%%%02x%%%02X" % (byte, byte)) == bytes([byte, byte])
