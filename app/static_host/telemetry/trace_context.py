"""The trace that a request belongs to: ``traceparent`` of W3C Trace Context, https://www.w3.org/TR/trace-context/.

Rule: the field counts if it comes once and is valid (§3.2.2): lower-case digits, no identifier of zeros alone, no
version ff. A later version may add members; what version 00 has is read of it (§4.3). The field itself passes on to
Django untouched, so tracing there decides for itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_TRACEPARENT = re.compile(
    rb"(?!ff|00-.{53})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)
"""The lookahead at its beginning excludes version ff, and version 00 with more than its own four members."""


class TraceContext(NamedTuple):
    """A trace, the caller's span in it, and its flags; in hexadecimal digits, as OpenTelemetry's log fields."""

    trace_id: str
    span_id: str
    trace_flags: str


def parse_traceparent(values: Sequence[bytes]) -> TraceContext | None:
    """Return the trace that the values of ``traceparent`` name, or None."""
    match = _TRACEPARENT.fullmatch(values[0].strip(b" \t")) if len(values) == 1 else None
    return TraceContext(match[1].decode(), match[2].decode(), match[3].decode()) if match else None
