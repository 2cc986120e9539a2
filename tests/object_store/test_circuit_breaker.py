"""The circuit breaker: when a store is asked again, and what is said of it."""

from __future__ import annotations

import time

import pytest

from static_host.object_store.circuit_breaker import CircuitBreaker

FAILED_FIVE_TIMES = "the store s3://a has failed 5 times in a row: no request is sent to it for 10 s, then one on trial"


class Clock:
    """A time that a test sets."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def fail(breaker: CircuitBreaker, times: int) -> None:
    for number in range(times):
        breaker.record_failure(f"reason {number}")


def test_a_store_is_spared_for_ten_seconds_after_five_failures_in_a_row_and_then_asked_once(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    breaker = CircuitBreaker("s3://a")
    assert (breaker.is_open, breaker.allow_request(), breaker.allow_request()) == (False, True, True)
    fail(breaker, 4)
    assert (breaker.is_open, breaker.allow_request()) == (False, True)
    assert caplog.messages == ["the store s3://a: reason 0"]
    fail(breaker, 1)
    assert (breaker.is_open, breaker.allow_request()) == (True, False)
    assert caplog.messages[1:] == [FAILED_FIVE_TIMES]
    clock.now += 9.9
    assert not breaker.allow_request()
    clock.now += 0.1
    assert breaker.allow_request()
    assert not breaker.allow_request(), "one question is under way"
    fail(breaker, 1)
    assert not breaker.allow_request()
    clock.now += 10
    assert breaker.allow_request()
    assert len(caplog.messages) == 2, "each change is said once"
    breaker.record_success()
    assert (breaker.is_open, breaker.allow_request(), breaker.allow_request()) == (False, True, True)
    assert caplog.messages[2:] == ["the store s3://a answers again"]
    assert {record.name for record in caplog.records} == {"static_host.store"}


def test_an_answer_ends_a_row_of_failures(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    breaker = CircuitBreaker("s3://a")
    fail(breaker, 4)
    breaker.record_success()
    fail(breaker, 4)
    assert not breaker.is_open
    assert caplog.messages == ["the store s3://a: reason 0"] * 2
