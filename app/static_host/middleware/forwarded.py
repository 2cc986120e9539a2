"""The client behind a proxy: its address and scheme, from X-Forwarded-For and X-Forwarded-Proto; and X-Request-Start.

Rule: the fields count only if the peer is in FORWARDED_ALLOW_IPS. Each proxy appends the address that it saw to
X-Forwarded-For, so the client is the last address that is no trusted proxy's; a client can have written what precedes
it. Of several schemes the first counts, as in Django: a proxy that appends to X-Forwarded-Proto appends its own side,
and the browser's scheme comes first. Of several lines with X-Request-Start the last counts, the nearest proxy's. Both
spellings of an IPv4 address are one address: a socket bound to `::` reports ``::ffff:192.0.2.1`` (RFC 4291 §2.5.5.2). A
peer on a Unix socket is local, so it counts as 127.0.0.1; one whose address is not known is trusted by ``*`` alone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import islice

from starlette.types import ASGIApp, Receive, Scope, Send

from static_host.telemetry.request_record import MAX_ADDRESS_CHARACTERS, MAX_FIELDS, UNIX_PEER
from static_host.telemetry.scope_keys import PROXY_SECONDS_KEY
from static_host.telemetry.timings import QUEUE_FIELDS, measure_proxy_seconds

HeaderFields = list[tuple[bytes, bytes]]
ClientAddress = tuple[str, int]
"""Address and port; the port is 0 where a proxy does not send it."""

MAX_HOPS = 32
"""Addresses of X-Forwarded-For that are read, from its end."""
_MAX_SCHEME_BYTES = 64
_IPV4_IN_IPV6 = IPv6Network("::ffff:0:0/96")
_WITH_PORT = re.compile(r"\[([^\]]*+)\](?::([0-9]{1,5}))?|([^:]*):([0-9]{1,5})")
_SCHEMES = {b"http": "http", b"ws": "http", b"https": "https", b"wss": "https"}


def unmap_ipv4(host: str) -> str:
    """Return an IPv4-mapped IPv6 address as an IPv4 address, and any other text unchanged."""
    if len(host) <= MAX_ADDRESS_CHARACTERS and ":ffff:" in host.lower():
        try:
            return str(IPv6Address(host).ipv4_mapped or host)
        except ValueError:
            pass
    return host


class TrustedProxies:
    """The peers whose forwarded fields count; `allowed` are addresses and networks, or ``*`` for every peer."""

    def __init__(self, allowed: Iterable[str]) -> None:
        parts = tuple(allowed)
        self._is_everyone_trusted = "*" in parts
        self._networks = [network for part in parts if part != "*" for network in _parse_networks(part)]
        self._is_in_a_network_cached = lru_cache(maxsize=4096)(self._is_in_a_network)

    def is_trusted(self, host: str) -> bool:
        """Whether the peer at this address is a trusted proxy."""
        return self._is_everyone_trusted or (len(host) <= MAX_ADDRESS_CHARACTERS and self._is_in_a_network_cached(host))

    def find_client(self, values: Iterable[bytes]) -> ClientAddress | None:
        """Return the client that the values of X-Forwarded-For name, or None for an empty field."""
        field = b",".join(values).decode("latin-1")
        hops = [_parse_hop(hop) for hop in field.rsplit(",", MAX_HOPS)[-MAX_HOPS:] if hop.strip()]
        if self._is_everyone_trusted:
            return _parse_hop(field.lstrip(", ").partition(",")[0]) if hops else None
        untrusted = (hop for hop in reversed(hops) if not self.is_trusted(hop[0]))
        return next(untrusted, hops[0] if hops else None)

    def resolve(
        self, client: ClientAddress | None, headers: HeaderFields
    ) -> tuple[ClientAddress | None, str | None, HeaderFields]:
        """Return the client of a request, its scheme if a trusted proxy tells it, and the fields to pass on."""
        if not self.is_trusted((client or ("",))[0]):
            return client, None, headers
        addresses = [value for name, value in headers if name == b"x-forwarded-for"]
        if addresses:
            client = self.find_client(addresses) or client
        return client, *resolve_scheme(headers)

    def measure_proxy_seconds(self, client: ClientAddress | None, headers: HeaderFields) -> float:
        """Return how long a request has been in trusted proxies; 0 if none tells. `client` is its peer."""
        values = [value for name, value in islice(headers, MAX_FIELDS) if name in QUEUE_FIELDS]
        if not values or not self.is_trusted((client or ("",))[0]):
            return 0.0
        return measure_proxy_seconds(values[-1], time.time())

    def _is_in_a_network(self, host: str) -> bool:
        try:
            address = ip_address("127.0.0.1" if host == UNIX_PEER[0] else unmap_ipv4(host))
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def resolve_scheme(headers: HeaderFields) -> tuple[str | None, HeaderFields]:
    """Return the scheme that a trusted proxy tells, and the fields to pass on."""
    schemes = [value for name, value in headers if name == b"x-forwarded-proto"]
    scheme = _parse_scheme(schemes) if schemes else None
    if scheme and schemes != [scheme.encode()]:  # Django compares the field with SECURE_PROXY_SSL_HEADER as a whole
        others = [field for field in headers if field[0] != b"x-forwarded-proto"]
        headers = [*others, (b"x-forwarded-proto", scheme.encode())]
    return scheme, headers


class ForwardedMiddleware:
    """ASGI middleware that sets the address and the scheme of each request's client in its scope."""

    def __init__(self, app: ASGIApp, proxies: TrustedProxies) -> None:
        self.app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its client's address and scheme."""
        if scope["type"] != "lifespan":
            for end in ("client", "server"):
                if scope.get(end):
                    scope[end] = (unmap_ipv4(scope[end][0]), scope[end][1])
            scope[PROXY_SECONDS_KEY] = self._proxies.measure_proxy_seconds(scope.get("client"), scope["headers"])
            scope["client"], scheme, scope["headers"] = self._proxies.resolve(scope.get("client"), scope["headers"])
            if scheme:
                scope["scheme"] = scheme if scope["type"] == "http" else scheme.replace("http", "ws")
        await self.app(scope, receive, send)


def _parse_networks(part: str) -> list[IPv4Network | IPv6Network]:
    """Return the networks of an entry: an IPv6 network can include some or all IPv4 addresses, as IPv4-mapped ones."""
    network = ip_network(part)
    if isinstance(network, IPv4Network):
        return [network]
    if network.subnet_of(_IPV4_IN_IPV6):
        return [IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))]
    return [network, IPv4Network("0.0.0.0/0")] if _IPV4_IN_IPV6.subnet_of(network) else [network]


def _parse_hop(hop: str) -> ClientAddress:
    hop = hop.strip()
    match = _WITH_PORT.fullmatch(hop) if len(hop) <= MAX_ADDRESS_CHARACTERS + len("[]:65535") else None
    if match is None:
        return unmap_ipv4(hop), 0
    return unmap_ipv4(match[1] or match[3] or ""), int(match[2] or match[4] or 0)


def _parse_scheme(values: Sequence[bytes]) -> str | None:
    """Return "http" or "https" from the values of X-Forwarded-Proto, or None if the first is neither."""
    parts = (part.strip().lower() for part in b",".join(values)[:_MAX_SCHEME_BYTES].split(b","))
    return _SCHEMES.get(next(filter(None, parts), b""))
