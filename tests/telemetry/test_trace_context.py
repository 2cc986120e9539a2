"""The trace of a request: which values of traceparent count, in either form of a head."""

from __future__ import annotations

import pytest

from static_host.telemetry.request_record import find_logged_fields, find_trace
from static_host.telemetry.trace_context import TraceContext, parse_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
VALID = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FOUND = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "01")


@pytest.mark.parametrize(
    "value",
    [
        VALID,
        b" \t" + VALID + b" ",
        b"01" + VALID[2:],
        b"01" + VALID[2:] + b"-",
        b"fe" + VALID[2:] + b"-what-a-later-version-adds",
        b"cc" + VALID[2:] + b"-" + b"x" * 10_000,
        b"01" + VALID[2:] + b'-"\\\xff',
    ],
)
def test_a_valid_field_names_trace_and_span(value: bytes) -> None:
    assert parse_traceparent([value]) == FOUND


def test_the_flags_are_those_of_the_field() -> None:
    assert parse_traceparent([VALID[:-2] + b"00"]) == (TRACE, SPAN, "00")
    assert parse_traceparent([VALID[:-2] + b"ff"]) == (TRACE, SPAN, "ff")


INVALID = [
    b"",
    b"00",
    VALID[:-1],
    VALID + b"0",
    VALID + b"-",  # version 00 has four members
    VALID + b"-01",
    b"01" + VALID[2:] + b".x",
    b"01" + VALID[2:] + b"0",
    b"ff" + VALID[2:],
    b"0" + VALID[2:],
    b"0x" + VALID[2:],
    b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01",
    b"01-" + b"0" * 32 + b"-00f067aa0ba902b7-01",
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
    VALID.upper(),
    b"00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    b"00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
    b"00-4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7 01",
    VALID + b"," + VALID,
    VALID.replace(b"4bf9", b"\xc2\xb2f9"),
    VALID.replace(b"4bf9", "٤bf".encode()),
    VALID[:-4] + b'",\n"',
    b"x" * 10_000,
    b"-" * 10_000,
]


@pytest.mark.parametrize("value", INVALID)
def test_an_invalid_field_is_ignored(value: bytes) -> None:
    assert parse_traceparent([value]) is None
    assert find_trace([(b"traceparent", value)]) is None
    assert find_logged_fields(b"GET / HTTP/1.1\r\nHost: a\r\ntraceparent: %s\r\n\r\n" % value)[2] is None


@pytest.mark.parametrize("values", [[], [VALID, VALID], [VALID, b"x"], [b"", VALID]])
def test_so_is_one_that_does_not_come_once(values: list[bytes]) -> None:
    assert parse_traceparent(values) is None
    assert find_trace([(b"traceparent", value) for value in values]) is None
    head = b"".join([b"GET / HTTP/1.1\r\n", *(b"Traceparent: %s\r\n" % value for value in values), b"\r\n"])
    assert find_logged_fields(head)[2] is None


@pytest.mark.parametrize("name", [b"traceparent", b"Traceparent", b"TraceParent", b"TRACEPARENT"])
def test_a_raw_head_may_spell_the_name_in_any_case(name: bytes) -> None:
    head = b"GET / HTTP/1.1\r\nTE: trailers\r\nX-Request-ID: one\r\n%s:\t%s \r\nTracestate: a=b\r\n\r\n" % (name, VALID)
    assert find_logged_fields(head) == ([], "one", FOUND)


def test_another_field_is_none() -> None:
    fields = [b"x-traceparent", b"traceparent-x", b"tracestate"]
    assert find_trace([(name, VALID) for name in fields]) is None
    assert find_logged_fields(b"GET /\r\n" + b"".join(b"%s: %s\r\n" % (name, VALID) for name in fields))[2] is None
