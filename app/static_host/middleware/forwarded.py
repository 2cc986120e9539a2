"""The client behind a proxy: its address and its scheme, from X-Forwarded-For and X-Forwarded-Proto.

Rule: only a peer in FORWARDED_ALLOW_IPS is believed. Each proxy appends to X-Forwarded-For the address that it saw, so
the client is the last address that is no trusted proxy's; what stands before it, anybody can have written. Of several
schemes the first counts, as in Django: proxies that append to X-Forwarded-Proto append what lies behind them, and users
see what their browser speaks. An IPv4 address is one in either of its spellings: a socket that listens on `::` gives it
as ``::ffff:192.0.2.1`` (RFC 4291 §2.5.5.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

ClientAddress = tuple[str, int]
"""Address and port; the port is 0 where a proxy does not tell it."""

MAX_HOPS = 32
"""Addresses of X-Forwarded-For that are looked at, from its end."""
MAX_ADDRESS_CHARACTERS = 64
"""Characters of an address that can be a trusted proxy's: an IPv6 address with a zone has no more."""
_MAX_SCHEME_BYTES = 64
_IPV4_IN_IPV6 = IPv6Network("::ffff:0:0/96")
_WITH_PORT = re.compile(r"\[([^\]]*+)\](?::([0-9]{1,5}))?|([^:]*):([0-9]{1,5})")
_SCHEMES = {b"http": "http", b"ws": "http", b"https": "https", b"wss": "https"}


def unmap_ipv4(host: str) -> str:
    """Return an IPv4 address that is spelled as an IPv6 one in its own spelling, and any other text as it is."""
    if len(host) <= MAX_ADDRESS_CHARACTERS and ":ffff:" in host.lower():
        try:
            return str(IPv6Address(host).ipv4_mapped or host)
        except ValueError:
            pass
    return host


class TrustedProxies:
    """The peers whose word counts; `allowed` are addresses and networks, or ``*`` for everyone."""

    def __init__(self, allowed: Iterable[str]) -> None:
        parts = tuple(allowed)
        self._is_everyone_trusted = "*" in parts
        self._networks = [network for part in parts if part != "*" for network in _parse_networks(part)]
        self._is_in_a_network_cached = lru_cache(maxsize=4096)(self._is_in_a_network)

    def is_trusted(self, host: str) -> bool:
        """Whether the peer at an address is believed."""
        return self._is_everyone_trusted or (len(host) <= MAX_ADDRESS_CHARACTERS and self._is_in_a_network_cached(host))

    def find_client(self, values: Iterable[bytes]) -> ClientAddress | None:
        """Return the client that the lines of X-Forwarded-For name, or None."""
        field = b",".join(values).decode("latin-1")
        hops = [_parse_hop(hop) for hop in field.rsplit(",", MAX_HOPS)[-MAX_HOPS:] if hop.strip()]
        if self._is_everyone_trusted:
            return _parse_hop(field.lstrip(", ").partition(",")[0]) if hops else None
        untrusted = (hop for hop in reversed(hops) if not self.is_trusted(hop[0]))
        return next(untrusted, hops[0] if hops else None)

    def _is_in_a_network(self, host: str) -> bool:
        try:
            address = ip_address(unmap_ipv4(host))
        except ValueError:
            return False
        return any(address in network for network in self._networks)


class ForwardedMiddleware:
    """ASGI middleware that gives every request the address and the scheme of its client."""

    def __init__(self, app: ASGIApp, proxies: TrustedProxies) -> None:
        self.app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "lifespan":
            for end in ("client", "server"):
                if scope.get(end):
                    scope[end] = (unmap_ipv4(scope[end][0]), scope[end][1])
            if self._proxies.is_trusted((scope.get("client") or ("",))[0]):
                self._apply_forwarded(scope)
        await self.app(scope, receive, send)

    def _apply_forwarded(self, scope: Any) -> None:
        addresses = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        schemes = [value for name, value in scope["headers"] if name == b"x-forwarded-proto"]
        scope["client"] = self._proxies.find_client(addresses) or scope.get("client")
        scheme = _parse_scheme(schemes)
        if scheme:
            scope["scheme"] = scheme if scope["type"] == "http" else scheme.replace("http", "ws")
            if schemes != [scheme.encode()]:  # SECURE_PROXY_SSL_HEADER compares it letter by letter
                others = [field for field in scope["headers"] if field[0] != b"x-forwarded-proto"]
                scope["headers"] = [*others, (b"x-forwarded-proto", scheme.encode())]


def _parse_networks(part: str) -> list[IPv4Network | IPv6Network]:
    """Return the networks that an entry names: one of IPv6 may have a part, or all, of IPv4 in it."""
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
    """Return the scheme that the lines of X-Forwarded-Proto name, or None where they name none."""
    parts = (part.strip().lower() for part in b",".join(values)[:_MAX_SCHEME_BYTES].split(b","))
    return _SCHEMES.get(next(filter(None, parts), b""))
