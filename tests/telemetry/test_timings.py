"""How long a request waited: the forms of X-Request-Start, and the field Server-Timing."""

from __future__ import annotations

import re
import time

import pytest

from static_host.middleware.forwarded import TrustedProxies
from static_host.telemetry.timings import make_server_timing, measure_proxy_seconds

NOW = 1_800_000_000.25


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"1799999999250", 1.0),  # Heroku
        (b"t=1799999999.250", 1.0),  # nginx: t=${msec}
        (b"t=1799999999250000", 1.0),  # Apache: t=%t
        (b"t=1799999999250000000", 1.0),
        (b" t=1799999999.25 \t", 1.0),
        (b"1800000000", 0.25),
        (b"t=1800000000.250", 0.0),
        (b"t=1799999400.250", 600.0),
        (b"t=1799999400.249", 0.0),  # too long ago
        (b"t=1800000000.300", 0.0),  # another clock
        (b"1900000000000", 0.0),
        (b"t=2800000000.0", 0.0),
        (b"0", 0.0),
        (b"t=1e400", 0.0),
        (b"1e9", 0.0),
        (b"nan", 0.0),
        (b"t=inf", 0.0),
        (b"-1", 0.0),
        (b"+1799999999250", 0.0),
        (b"1_799_999_999_250", 0.0),
        (b"", 0.0),
        (b"t=", 0.0),
        (b"t=t=1799999999.250", 0.0),
        (b"1799999999.", 0.0),
        (b"1799999999.25.5", 0.0),
        (b"1799999999250, 1799999999250", 0.0),
        (b"17999999992500000000000", 0.0),
        (b"9" * 10_000, 0.0),
        (b"1799999999." + b"2" * 10_000, 0.0),
        (b"t=1799999999.250\n", 0.0),
        ("١٧٩٩٩٩٩٩٩٩٢٥٠".encode(), 0.0),
        (b"\xb2", 0.0),
    ],
)
def test_the_unit_follows_from_the_magnitude_and_nonsense_counts_as_none(value: bytes, seconds: float) -> None:
    assert measure_proxy_seconds(value, NOW) == pytest.approx(seconds, abs=1e-5)


def test_only_a_trusted_proxy_is_believed_and_the_nearest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    proxies = TrustedProxies(["10.0.0.0/8"])
    own, forged = (b"x-request-start", b"t=1800000000.000"), (b"x-queue-start", b"t=1799999500.000")
    assert proxies.measure_proxy_seconds(("10.1.2.3", 1), [(b"host", b"a"), own]) == 0.25
    assert proxies.measure_proxy_seconds(("10.1.2.3", 1), [forged, own]) == 0.25
    assert proxies.measure_proxy_seconds(("10.1.2.3", 1), [forged]) == 500.25
    assert proxies.measure_proxy_seconds(("10.1.2.3", 1), [(b"host", b"a")]) == 0.0
    assert proxies.measure_proxy_seconds(("192.0.2.1", 1), [own]) == 0.0
    assert proxies.measure_proxy_seconds(None, [own]) == 0.0
    assert TrustedProxies(["*"]).measure_proxy_seconds(("192.0.2.1", 1), [own]) == 0.25


def test_server_timing_has_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "perf_counter", lambda: 5.5)
    assert make_server_timing(0.01234, 5.25) == (b"server-timing", b"queue;dur=12.3, app;dur=250.0")
    assert make_server_timing(0.0, 5.5) == (b"server-timing", b"queue;dur=0.0, app;dur=0.0")


def test_server_timing_is_of_its_grammar_whatever_was_measured() -> None:
    _, value = make_server_timing(600.0, 0.0)
    assert re.fullmatch(rb"queue;dur=600000\.0, app;dur=[0-9]+\.[0-9]", value)
