"""Preconditions and ranges (RFC 9110 §13 and §14).

Rule: preconditions are evaluated in the order of §13.2.2, against the representation that was selected for this
request. A field that does not match its grammar is ignored where the RFC says so, and otherwise never matches.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Literal

Outcome = Literal[200, 206, 304, 412, 416]
ByteRange = tuple[int, int]
"""First byte and the byte after the last."""

MAX_RANGES = 16
"""A request for more separate ranges gets the whole representation (§14.2: a server may ignore Range)."""

_DATE_ORIGIN = 631152000  # 1990-01-01T00:00:00Z
_DATE_STEP = 1009  # seconds; a prime, so that no whole number of minutes, hours or days is a multiple of it
_DATE_STEPS = 780_000  # up to the end of 2014

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})"
_DAY_NAME = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_DATES = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        rf"{_DAY_NAME}, (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT",  # IMF-fixdate
        rf"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",  # RFC 850
        rf"{_DAY_NAME} {_MONTH} (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",  # asctime
    )
)
_ENTITY_TAG = rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_ENTITY_TAGS = re.compile(rb"[ \t,]*" + _ENTITY_TAG + rb"(?:[ \t]*,[ \t,]*" + _ENTITY_TAG + rb")*[ \t,]*")
_EACH_TAG = re.compile(_ENTITY_TAG)
_RANGE = re.compile(rb"\d+-\d*|-\d+")


@dataclass(frozen=True, slots=True)
class Validators:
    """The selected representation's validators (§8.8).

    `etag` is the entity tag as in its field, empty without one. `modified` is the Last-Modified date in Unix seconds.
    """

    etag: bytes = b""
    modified: int | None = None
    is_date_derived: bool = True
    """Whether the date is derived from the content (`derive_last_modified`), else it is that of a clock."""
    is_date_strong: bool = True
    """Whether the representation cannot have changed twice within the date's second (§8.8.2.2)."""


def derive_last_modified(digest: str) -> int:
    """Return the Last-Modified date of a representation with this digest, in Unix seconds.

    A build knows the bytes and not their age: a checkout, a wheel and an image layer each set their own file times. So
    the date is derived from the content alone, between 1990 and 2015. The same content has the same date on every
    replica and after every rebuild, and other content has another date.
    """
    return _DATE_ORIGIN + int.from_bytes(urlsafe_b64decode(digest), "big") % _DATE_STEPS * _DATE_STEP


def format_http_date(seconds: int) -> bytes:
    """Return an IMF-fixdate (§5.6.7)."""
    return formatdate(seconds, usegmt=True).encode()


def evaluate(headers: Mapping[bytes, bytes], validators: Validators, length: int) -> tuple[Outcome, list[ByteRange]]:
    """Evaluate the preconditions and the range of a GET (§13.2.2); return the status and, for 206, the ranges.

    `headers` maps lower-case field names to stripped values, with several lines joined by commas; `length` is in bytes.
    """
    refused = evaluate_preconditions(headers, validators)
    if refused != 200:
        return refused, []
    if b"range" not in headers or not _is_range_applicable(headers.get(b"if-range"), validators):
        return 200, []
    return parse_range(headers[b"range"], length)


def evaluate_preconditions(headers: Mapping[bytes, bytes], validators: Validators) -> Literal[200, 304, 412]:
    """Evaluate all preconditions but If-Range, for GET and HEAD; 200 means that none fails.

    One that needs a validator which the representation has not is ignored.
    """
    if b"if-match" in headers:
        if validators.etag and not _is_etag_listed(headers[b"if-match"], validators.etag, weak=False):
            return 412
    elif b"if-unmodified-since" in headers and _is_modified_since(validators, headers[b"if-unmodified-since"]):
        return 412
    if b"if-none-match" in headers:
        return 304 if _is_etag_listed(headers[b"if-none-match"], validators.etag, weak=True) else 200
    if b"if-modified-since" in headers and _is_modified_since(validators, headers[b"if-modified-since"]) is False:
        return 304
    return 200


def _is_modified_since(validators: Validators, field: bytes) -> bool | None:
    """Compare as §13.1.3 and §13.1.4 say; None if one of the dates is missing or no date.

    Where dates are derived from content, a date that some content could have is taken as that content's: the client
    has another version, whichever date is later. Any other date comes from a clock, and is compared as one.
    """
    own, date = validators.modified, parse_http_date(field)
    if own is None or date is None:
        return None
    steps, rest = divmod(date - _DATE_ORIGIN, _DATE_STEP)
    of_content = validators.is_date_derived and rest == 0 and 0 <= steps < _DATE_STEPS
    return date != own if of_content else own > date


def _is_range_applicable(if_range: bytes | None, validators: Validators) -> bool:
    """Compare as §13.1.5 says: a weak tag or date never matches."""
    if if_range is None:
        return True
    if if_range.endswith(b'"'):
        return if_range == validators.etag and not if_range.startswith(b"W/")
    date = parse_http_date(if_range)
    return date is not None and date == validators.modified and validators.is_date_strong


def _is_etag_listed(field: bytes, etag: bytes, *, weak: bool) -> bool:
    """Compare as §8.8.3.2 says, also with a tag of our own that is weak."""
    if field == b"*":
        return True
    if not _ENTITY_TAGS.fullmatch(field):
        return False
    tags = _EACH_TAG.findall(field)
    if not weak:
        return etag in tags and not etag.startswith(b"W/")
    opaque = etag.removeprefix(b"W/")
    return bool(etag) and (opaque in tags or b"W/" + opaque in tags)


def parse_http_date(field: bytes) -> int | None:
    """Return an HTTP-date in any of its three formats (§5.6.7) as Unix seconds, or None for anything else."""
    text = field.decode("latin-1")
    match = next((match for match in (pattern.fullmatch(text) for pattern in _DATES) if match), None)
    if match is None:
        return None
    year, month = int(match["year"]), _MONTHS.index(match["month"]) + 1
    if len(match["year"]) == 2:
        year += 2000
        if year > datetime.now(UTC).year + 50:  # §5.6.7
            year -= 100
    clock = int(match["hour"]), int(match["minute"]), min(int(match["second"]), 59)  # a leap second is allowed
    if match["second"] > "60":
        return None
    try:
        return int(datetime(year, month, int(match["day"]), *clock, tzinfo=UTC).timestamp())
    except ValueError:
        return None


def parse_range(field: bytes, length: int) -> tuple[Literal[200, 206, 416], list[ByteRange]]:
    """Return what a Range field selects of `length` bytes (§14.2): 206 with ranges, 416, or 200 to ignore the field.

    If ranges overlap or touch, all are merged and sorted; otherwise they keep the order of the request.
    """
    unit, _, range_set = field.partition(b"=")
    specs = [spec for spec in (part.strip(b" \t") for part in range_set.split(b",")) if spec]
    bounds = [_parse_range_spec(spec, length) for spec in specs]
    if unit.lower() != b"bytes" or not bounds or None in bounds:
        return 200, []
    ranges = [(first, end) for first, end in filter(None, bounds) if first < end]
    if not ranges:
        return (200 if length == 0 and any(_is_suffix(spec) for spec in specs) else 416), []
    merged = _merge_ranges(ranges)
    chosen = ranges if len(merged) == len(ranges) else merged
    return (206, chosen) if len(chosen) <= MAX_RANGES else (200, [])


def _is_suffix(spec: bytes) -> bool:
    """Whether it selects the last bytes: satisfiable for an empty body (§14.1.2), but without a Content-Range."""
    return spec.startswith(b"-") and _parse_position(spec[1:]) > 0


def _parse_range_spec(spec: bytes, length: int) -> ByteRange | None:
    """Return the range of one range-spec, empty if it cannot be satisfied; None if it is malformed."""
    if not _RANGE.fullmatch(spec):
        return None
    first, _, last = spec.partition(b"-")
    if not first:
        return max(0, length - _parse_position(last)), length
    start = _parse_position(first)
    if last and _parse_position(last) < start:
        return None
    return start, min(length, _parse_position(last) + 1) if last else length


def _parse_position(digits: bytes) -> int:
    """Return a position; one of more than 18 digits is beyond the end of any file, and is not converted."""
    digits = digits.lstrip(b"0")
    return int(digits or b"0") if len(digits) <= 18 else 10**18


def _merge_ranges(ranges: list[ByteRange]) -> list[ByteRange]:
    merged: list[ByteRange] = []
    for first, end in sorted(ranges):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((first, end))
    return merged
