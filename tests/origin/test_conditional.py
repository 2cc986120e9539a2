"""Dates as clients write them, and dates that are made from content, to the second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo

import pytest

from static_host.origin import conditional
from static_host.origin.conditional import (
    Validators,
    derive_last_modified,
    evaluate,
    evaluate_preconditions,
    format_http_date,
    parse_http_date,
    parse_range,
)


class In2026(datetime):
    """A clock that stands."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> In2026:
        assert tz is UTC
        return cls(2026, 11, 29, tzinfo=UTC)


@pytest.fixture
def far_west(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose own time is ten hours behind UTC."""
    monkeypatch.setenv("TZ", "HST10")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_west")
@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        (b"Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
        (b"Sun Nov  6 08:49:37 1994", 784_111_777),
        (b"Sun Nov 16 08:49:37 1994", 784_975_777),
        (b"Thu, 01 Jan 1970 00:00:00 GMT", 0),
        (b"Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_799),
        (b"Sat, 31 Dec 2016 23:59:59 GMT", 1_483_228_799),
        (b"Wednesday, 31-Dec-76 23:59:59 GMT", 3_376_684_799),
        (b"Saturday, 01-Jan-77 00:00:00 GMT", 220_924_800),
        (b"Sat, 31 Dec 2016 23:59:61 GMT", None),
        (b"Sat, 31 Dec 2016 24:00:00 GMT", None),
        (b"Sat, 31 Nov 2016 00:00:00 GMT", None),
        (b"Sat, 01 Jan 0000 00:00:00 GMT", None),
        (b"Sat, 31 dec 2016 23:59:59 GMT", None),
        (b"Sat, 31 Dec 2016 23:59:59 GMT ", None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_a_date_in_each_of_the_three_formats(
    field: bytes, seconds: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditional, "datetime", In2026)
    assert parse_http_date(field) == seconds


def test_dates_are_made_from_content_in_steps_from_1990_to_2014() -> None:
    assert derive_last_modified("AAAAAAAAAAAAAAAAAAAAAAAA") == 631_152_000
    assert derive_last_modified("AAAAAAAAAAAAAAAAAAAAAAAB") == 631_153_009
    assert derive_last_modified("hNiYd_DUBB77a_kaFvAkjy_V") == 1_142_421_381
    assert format_http_date(1_142_421_381) == b"Wed, 15 Mar 2006 11:16:21 GMT"


OWN = 1_142_421_381


@pytest.mark.parametrize(
    ("date", "is_modified"),
    [
        (OWN, False),
        (OWN + 1_009, True),
        (OWN - 1_009, True),
        (OWN + 1, False),
        (OWN - 1, True),
        (631_152_000, True),
        (631_152_000 + 1_009 * 779_999, True),
        (631_152_000 + 1_009 * 780_000, False),
        (631_152_000 - 1_009, True),
        (0, True),
    ],
)
def test_a_date_that_content_can_have_is_compared_as_one_and_another_as_a_clock_s(date: int, is_modified: bool) -> None:
    validators = Validators(b'"x"', OWN)
    since = {b"if-modified-since": format_http_date(date)}
    assert evaluate_preconditions(since, validators) == (200 if is_modified else 304)
    unmodified_since = {b"if-unmodified-since": format_http_date(date)}
    assert evaluate_preconditions(unmodified_since, validators) == (412 if is_modified else 200)


@pytest.mark.parametrize(
    ("digits", "position"),
    [
        (b"0", 0),
        (b"000", 0),
        (b"007", 7),
        (b"9" * 18, 999_999_999_999_999_999),
        (b"0" + b"9" * 18, 999_999_999_999_999_999),
        (b"1" * 19, 1_000_000_000_000_000_000),
        (b"9" * 5_000, 1_000_000_000_000_000_000),  # more digits than Python converts
    ],
)
def test_a_position_of_more_than_18_digits_is_beyond_any_end(digits: bytes, position: int) -> None:
    assert conditional._parse_position(digits) == position


@pytest.mark.parametrize(
    ("field", "length", "found"),
    [
        (b"bytes=2-3", 10, (206, [(2, 4)])),
        (b"bytes=0-0,2-2, 9-", 10, (206, [(0, 1), (2, 3), (9, 10)])),
        (b"bytes=10-", 10, (416, [])),
        (b"bytes=-1", 0, (200, [])),
        (b"bytes=0-", 0, (416, [])),
        (b"lines=2-3", 10, (200, [])),
        (b"bytes=\x0b2-3", 10, (200, [])),
        (b"bytes=X2-3X", 10, (200, [])),
        (b"bytes=" + b",".join(b"%d-%d" % (2 * number, 2 * number) for number in range(100)), 200, (200, [])),
    ],
)
def test_a_field_selects_ranges_or_nothing_or_is_ignored(
    field: bytes, length: int, found: tuple[int, list[tuple[int, int]]]
) -> None:
    assert parse_range(field, length) == found
    assert evaluate({b"range": field}, Validators(b'"x"', OWN), length) == found
    assert evaluate({}, Validators(b'"x"', OWN), length) == (200, [])
