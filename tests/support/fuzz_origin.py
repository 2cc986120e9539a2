"""Coverage-guided fuzzing (atheris) of the parsers of clients' bytes: ``make fuzz``. The caller limits its time."""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]  # installed by `make fuzz` alone

with atheris.instrument_imports():
    from static_host.origin import conditional, negotiation
    from static_host.origin.representation import Representation

REPRESENTATIONS = [
    Representation("br", "", 5, ""),
    Representation("gzip", "", 7, ""),
    Representation("identity", "", 10, ""),
]
VALIDATORS = conditional.Validators(b'"hNiYd_DUBB77a_kaFvAkjy_V"', 709278870)
LENGTHS = (0, 1, 10, 10**12)


def read(data: bytes) -> None:
    """Give the bytes to each parser, and check the invariants of the results."""
    weights = negotiation.parse_accept_encoding(data)
    assert all(0 <= weight <= 1000 for weight in weights)
    negotiation.select_representation(weights, REPRESENTATIONS)
    conditional.parse_http_date(data)
    for name in (b"if-none-match", b"if-match", b"if-range", b"if-modified-since", b"if-unmodified-since"):
        conditional.evaluate({name: data, b"range": data}, VALIDATORS, 10)
    for length in LENGTHS:
        status, spans = conditional.parse_range(data, length)
        assert (status == 206) == bool(spans)
        assert len(spans) <= conditional.MAX_RANGES
        assert all(0 <= first < end <= length for first, end in spans)
        assert sum(end - first for first, end in spans) <= length  # no byte twice


if __name__ == "__main__":
    atheris.Setup(sys.argv, read)
    atheris.Fuzz()
