"""The client behind a proxy: its address and scheme, from X-Forwarded-For and X-Forwarded-Proto; and X-Request-Start.

Rule: the fields count only if the peer is a trusted proxy. Each proxy appends the address that it saw to
X-Forwarded-For, so the client is the last address that is no trusted proxy's; a client can have written what precedes
it. With DJANGO_PROXY_HOPS=n it is the n-th from the right, whatever the addresses are; the peer, if there are fewer.
With ``*`` no address is untrusted, and n is 1: the nearest proxy's word counts, and no other. A proxy may append to
X-Forwarded-Proto, too: of several schemes the one at the client's place counts, from the right. Of several lines with
X-Request-Start the last counts, the nearest proxy's. Both spellings of an IPv4 address are one address: a socket bound
to `::` reports ``::ffff:192.0.2.1`` (RFC 4291 §2.5.5.2). A peer on a Unix socket is local, so it counts as 127.0.0.1;
one whose address is not known is trusted by ``*`` alone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import islice

from starlette.types import ASGIApp, Receive, Scope, Send

from static_host.conf.settings import Settings
from static_host.telemetry.request_record import MAX_ADDRESS_CHARACTERS, MAX_FIELDS, UNIX_PEER
from static_host.telemetry.scope_keys import PROXY_SECONDS_KEY
from static_host.telemetry.timings import QUEUE_FIELDS, measure_proxy_seconds

HeaderFields = list[tuple[bytes, bytes]]
ClientAddress = tuple[str, int]
"""Address and port; the port is 0 where a proxy does not send it."""

MAX_HOPS = 32
"""Entries of X-Forwarded-For and X-Forwarded-Proto that are read, from their end."""
PRIVATE = "private"
"""Stands for `PRIVATE_NETWORKS` in FORWARDED_ALLOW_IPS."""
PRIVATE_NETWORKS = (
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),  # RFC 1918, RFC 4193
    *("127.0.0.0/8", "::1", "169.254.0.0/16", "fe80::/10"),  # this machine, this link
    "100.64.0.0/10",  # RFC 6598: between a provider's own machines, as on some platforms
)
_IPV4_IN_IPV6 = IPv6Network("::ffff:0:0/96")
_PROTO = b"x-forwarded-proto"
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
    """The peers whose forwarded fields count.

    `allowed` are addresses and networks, ``private`` for `PRIVATE_NETWORKS`, or ``*`` for every peer. `hops` is the
    number of proxies; 0: addresses tell proxies from clients.
    """

    def __init__(self, allowed: Iterable[str], hops: int = 0) -> None:
        parts = tuple(allowed)
        self._is_everyone_trusted = "*" in parts
        self._hops = hops or int(self._is_everyone_trusted)
        names = [name for part in parts for name in (PRIVATE_NETWORKS if part == PRIVATE else (part,)) if name != "*"]
        self._networks = [network for name in names for network in _parse_networks(name)]
        self._is_in_a_network_cached = lru_cache(maxsize=4096)(self._is_in_a_network)

    @classmethod
    def from_settings(cls, settings: Settings) -> TrustedProxies:
        """Return the proxies of FORWARDED_ALLOW_IPS and DJANGO_PROXY_HOPS."""
        return cls(settings.trusted_proxies, settings.proxy_hops)

    def is_trusted(self, host: str) -> bool:
        """Whether the peer at this address is a trusted proxy."""
        return self._is_everyone_trusted or (len(host) <= MAX_ADDRESS_CHARACTERS and self._is_in_a_network_cached(host))

    def find_client(self, values: Iterable[bytes]) -> ClientAddress | None:
        """Return the client that the values of X-Forwarded-For name, or None if they name none."""
        hops = _split_last(values)
        place = self._find_place(hops)
        return _parse_hop(hops[-place].decode("latin-1")) if 0 < place <= len(hops) else None

    def resolve(
        self, client: ClientAddress | None, headers: HeaderFields
    ) -> tuple[ClientAddress | None, str | None, HeaderFields]:
        """Return the client of a request, its scheme if a trusted proxy tells it, and the fields to pass on."""
        if not self.is_trusted((client or ("",))[0]):
            return client, None, headers
        addresses = _list_addresses(headers)
        if addresses:
            client = self.find_client(addresses) or client
        return client, *self.resolve_scheme(headers)

    def resolve_scheme(self, headers: HeaderFields) -> tuple[str | None, HeaderFields]:
        """Return the scheme that a trusted proxy tells, and the fields to pass on."""
        values = [value for name, value in headers if name == _PROTO]
        schemes = _split_last(values) if values else []
        if not schemes:
            return None, headers
        place = (self._find_place(_split_last(_list_addresses(headers))) or 1) if len(schemes) > 1 else 1
        scheme = schemes[-min(place, len(schemes))].lower()
        found = _SCHEMES.get(scheme)
        scheme = found.encode() if found else scheme
        if values != [scheme]:  # Django compares the first entry with SECURE_PROXY_SSL_HEADER
            others = [field for field in headers if field[0] != _PROTO]
            headers = [*others, (_PROTO, scheme)]
        return found, headers

    def is_scheme_clear(self, headers: HeaderFields) -> bool:
        """Whether `resolve_scheme` needs no X-Forwarded-For to find the scheme that a trusted proxy tells."""
        values = [value for name, value in headers if name == _PROTO]
        return bool(self._hops) or len(values) == 0 or len(set(_split_last(values))) <= 1

    def measure_proxy_seconds(self, client: ClientAddress | None, headers: HeaderFields) -> float:
        """Return how long a request has been in trusted proxies; 0 if none tells. `client` is its peer."""
        values = [value for name, value in islice(headers, MAX_FIELDS) if name in QUEUE_FIELDS]
        if not values or not self.is_trusted((client or ("",))[0]):
            return 0.0
        return measure_proxy_seconds(values[-1], time.time())

    def _find_place(self, hops: list[bytes]) -> int:
        """Return the client's place in X-Forwarded-For, counted from the right; it may be beyond the first entry."""
        if self._hops:
            return self._hops
        places = enumerate(reversed(hops), 1)
        untrusted = (place for place, hop in places if not self.is_trusted(_parse_hop(hop.decode("latin-1"))[0]))
        return next(untrusted, len(hops))

    def _is_in_a_network(self, host: str) -> bool:
        try:
            address = ip_address("127.0.0.1" if host == UNIX_PEER[0] else unmap_ipv4(host))
        except ValueError:
            return False
        return any(address in network for network in self._networks)


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
    match = _WITH_PORT.fullmatch(hop) if len(hop) <= MAX_ADDRESS_CHARACTERS + len("[]:65535") else None
    if match is None:
        return unmap_ipv4(hop), 0
    return unmap_ipv4(match[1] or match[3] or ""), int(match[2] or match[4] or 0)


def _list_addresses(headers: HeaderFields) -> list[bytes]:
    return [value for name, value in headers if name == b"x-forwarded-for"]


def _split_last(values: Iterable[bytes]) -> list[bytes]:
    """Return the last entries of a field, `MAX_HOPS` at most; empty ones are none (RFC 9110 §5.6.1.2)."""
    entries = b",".join(values).rsplit(b",", MAX_HOPS)[-MAX_HOPS:]
    return [entry for entry in (each.strip() for each in entries) if entry]
