"""Requests for the releases of a tree, as its running servers have counted them (`static_host_release_requests`).

Rule: a server's metrics are foreign input of bounded size. Of the lines that begin with `_PREFIX`, each has to be one
that the server writes; all others are ignored. Requests to several servers add up. Of several times the newest counts:
it is the last request, and all servers have counted since.
"""

from __future__ import annotations

import http.client
import re
import urllib.error
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from static_host.errors import StaticHostError
from static_host_build.carry.deployment_errors import explain_connection_error
from static_host_build.carry.deployment_source import build_opener, is_this_machine, read_pieces

_TIMEOUT_SECONDS = 10.0
MAX_METRICS_BYTES = 4 << 20
"""Bytes of a server's metrics: far more than they have."""
_PREFIX = "static_host_release_"
_NAMES = ("requests_total", "last_request_timestamp_seconds", "requests_created")
_NUMBER = r"[0-9]{1,10}(?:\.[0-9]{1,16})?(?:e\+[01][0-9])?"
_LINE = re.compile(rf'{_PREFIX}({"|".join(_NAMES)})\{{release="([0-9a-f]{{16}})"\}} ({_NUMBER})')
_MAX_TIME = 10**11
"""Seconds since 1970: the year 5138."""
_MAX_SHOWN_CHARACTERS = 120
_REMEDY = "Name METRICS_PORT of a `static-host serve` of this version: http://HOST:METRICS_PORT/metrics."


class MetricsUnreadableError(StaticHostError):
    """A server's metrics cannot be read, or have no requests by release."""

    exit_code = 8


@dataclass(frozen=True, slots=True)
class ReleaseRequests:
    """Requests for files that one release alone has; times in whole seconds since 1970."""

    requests: int
    last_request: int
    """When the last one came; 0 if none did."""
    counted_since: int


def read_release_requests(urls: Iterable[str]) -> dict[str, ReleaseRequests]:
    """Return the requests by release, of all servers together. Raises MetricsUnreadableError."""
    found: dict[str, ReleaseRequests] = {}
    for url in urls:
        for release, new in parse_release_requests(_fetch(url), url).items():
            old = found.get(release, ReleaseRequests(0, 0, 0))
            found[release] = ReleaseRequests(
                old.requests + new.requests,
                max(old.last_request, new.last_request),
                max(old.counted_since, new.counted_since),
            )
    return found


def describe_requests(requests: Mapping[str, ReleaseRequests] | None, release: str) -> dict[str, int | None]:
    """Return the members of a release's JSON object about its requests; none if `requests` is None."""
    if requests is None:
        return {}
    return asdict(requests[release]) if release in requests else dict.fromkeys(ReleaseRequests.__slots__)


def parse_release_requests(data: bytes, url: str) -> dict[str, ReleaseRequests]:
    """Return the requests by release in a server's metrics. Raises MetricsUnreadableError."""
    values: dict[str, dict[str, int]] = {}
    for line in data.decode("utf-8", "replace").split("\n"):
        if not line.startswith(_PREFIX):
            continue
        match = _LINE.fullmatch(line)
        if match is None or match[1] in values.get(match[2], ()):
            raise MetricsUnreadableError(f"{url} has the line {line[:_MAX_SHOWN_CHARACTERS]!r}.", remedy=_REMEDY)
        values.setdefault(match[2], {})[match[1]] = int(float(match[3]))
    if not values:
        raise MetricsUnreadableError(f"{url} has no {_PREFIX}requests_total.", remedy=_REMEDY)
    if not all(_are_valid(**row) for row in values.values()):
        raise MetricsUnreadableError(f"{url} has metrics of releases that are incomplete or wrong.", remedy=_REMEDY)
    return {release: ReleaseRequests(*(row[name] for name in _NAMES)) for release, row in values.items()}


def _are_valid(
    requests_total: int = -1, last_request_timestamp_seconds: int = _MAX_TIME, requests_created: int = _MAX_TIME
) -> bool:
    return max(last_request_timestamp_seconds, requests_created) < _MAX_TIME and requests_total >= 0


def _fetch(url: str) -> bytes:
    """Return the metrics at `url`. Raises MetricsUnreadableError."""
    opener = build_opener(is_here=is_this_machine(urlsplit(url).hostname or ""))
    try:
        with opener.open(url, timeout=_TIMEOUT_SECONDS) as answer:
            data = b"".join(read_pieces(answer, MAX_METRICS_BYTES))
            if answer.length and len(data) < MAX_METRICS_BYTES:
                raise http.client.IncompleteRead(data, answer.length)
    except urllib.error.HTTPError as error:
        error.close()
        raise MetricsUnreadableError(f"{url} returns status {error.code}.", remedy=_REMEDY) from None
    except (OSError, http.client.HTTPException, UnicodeError) as error:  # UnicodeError: for the host name
        explained = explain_connection_error(error)
        raise MetricsUnreadableError(f"{url} {explained}.", remedy=explained.remedy) from None
    if len(data) >= MAX_METRICS_BYTES:
        raise MetricsUnreadableError(f"{url} sends {MAX_METRICS_BYTES >> 20} MiB or more.", remedy=_REMEDY)
    return data
