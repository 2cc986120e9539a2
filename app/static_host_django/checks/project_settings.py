"""Checks the project's settings together with those of static-host.

Rule: a finding says what happens, to whom, and what to set instead. Settings that have their intended effect give no
finding. The functions change nothing. `django_settings` are the project's own, before static-host overrides some.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from static_host_django import compressor, security_settings
from static_host_django.checks.request import CheckRequest
from static_host_django.findings import Finding
from static_host_django.script_name import prepend_script_name

FORWARDED_PROTO = "HTTP_X_FORWARDED_PROTO"


def check_debug(request: CheckRequest, django_settings: Any) -> Finding:
    """Check DEBUG."""
    if not django_settings.DEBUG:
        return Finding("ok", "debug", "DEBUG = False")
    value = (
        "True"
        if django_settings.DEBUG is True
        else f"{django_settings.DEBUG!r}, a {type(django_settings.DEBUG).__name__} that counts as true"
    )
    found = f"DEBUG = {value}: error pages show the project's code, its settings and the request to every visitor"
    remedy = "Unset DJANGO_DEBUG" if request.is_bundled else "Set DEBUG = False"
    return Finding("warning", "debug", found, f"{remedy} wherever others than developers can reach the site.")


def check_allowed_hosts(request: CheckRequest, django_settings: Any) -> Finding:
    """Check ALLOWED_HOSTS: it may be empty, or allow every host."""
    hosts = list(django_settings.ALLOWED_HOSTS)
    name = "DJANGO_ALLOWED_HOSTS" if request.is_bundled else "ALLOWED_HOSTS"
    remedy = f"Set {name} to the host names of the site; health checks at /healthz need none."
    if "*" in hosts:
        found = f"ALLOWED_HOSTS = {hosts}: Django's links, also those in its mails, name any host that a client sends"
        return Finding("warning", "allowed-hosts", found, remedy)
    if hosts:
        return Finding("ok", "allowed-hosts", f"ALLOWED_HOSTS = {hosts}")
    if django_settings.DEBUG:
        found = "ALLOWED_HOSTS = []: Django answers every request with 400, except to localhost with DEBUG = True"
        return Finding("warning", "allowed-hosts", found, remedy)
    found = "ALLOWED_HOSTS = [] with DEBUG = False: Django answers every request with 400"
    return Finding("error", "allowed-hosts", found, remedy)


def check_proxy(request: CheckRequest, django_settings: Any) -> Iterator[Finding]:
    """Check whose statement about https is trusted.

    The server takes the scheme from X-Forwarded-Proto if the peer's address is in FORWARDED_ALLOW_IPS, and Django takes
    it from the server. SECURE_PROXY_SSL_HEADER has precedence, for requests from any address.
    """
    header = django_settings.SECURE_PROXY_SSL_HEADER
    trusted = request.trusted_proxies
    if header:
        yield find_unusable_header(header) or _report_trusted_header(request, tuple(header))
    if trusted == ["*"]:
        yield _report_trust_in_everyone(request)
    elif not header:
        yield from _check_trusted_proxies(django_settings, trusted, is_tls=request.is_tls)


def _report_trust_in_everyone(request: CheckRequest) -> Finding:
    found = (
        f"X-Forwarded-Proto and X-Forwarded-For are trusted from every client that reaches HOST={request.host}; a "
        "client that bypasses the proxy can forge https and its address"
    )
    if request.proxy_hops:
        found = f"DJANGO_PROXY_HOPS={request.proxy_hops}: {found}"
        return Finding("info", "proxy-hops", found, "Set FORWARDED_ALLOW_IPS, too, if the nearest proxy has a network.")
    remedy = (
        "Name the addresses or networks of the proxy, or `private` for private networks; on a platform that does not "
        "tell them, set DJANGO_PROXY_HOPS in its place."
    )
    found = f"FORWARDED_ALLOW_IPS=*: {found}"
    return Finding("info" if _is_loopback_only(request.host) else "warning", "forwarded-allow-ips", found, remedy)


def find_unusable_header(header: Any) -> Finding | None:
    """Check that Django can find the header: its names are those of WSGI (PEP 3333)."""
    remedy = "Remove it, and name the proxy in FORWARDED_ALLOW_IPS; or set ('HTTP_X_FORWARDED_PROTO', 'https')."
    if not isinstance(header, tuple | list) or len(header) != 2:
        found = f"SECURE_PROXY_SSL_HEADER = {header!r} is not a pair of strings: Django answers every request with 500"
        return Finding("error", "proxy-ssl-header", found, remedy)
    if not re.fullmatch(r"HTTP_[A-Z0-9_]+", str(header[0])):
        found = f"SECURE_PROXY_SSL_HEADER = {header!r} is not a header name in Django's form: Django never finds it"
        return Finding("warning", "proxy-ssl-header", found, remedy)
    return None


def _report_trusted_header(request: CheckRequest, header: tuple[str, ...]) -> Finding:
    found = (
        f"SECURE_PROXY_SSL_HEADER = {header}: Django trusts this header from every client that reaches "
        f"HOST={request.host}, whatever FORWARDED_ALLOW_IPS says; a client that bypasses the proxy can forge https"
    )
    remedy = (
        "Remove it, and name the proxy in FORWARDED_ALLOW_IPS: the server then takes the scheme from "
        "X-Forwarded-Proto, and only from the proxy's."
        if header[0] == FORWARDED_PROTO
        else "Let only the proxy reach the port, and let it set or remove this header in every request."
    )
    return Finding("info" if _is_loopback_only(request.host) else "warning", "proxy-ssl-header", found, remedy)


def _check_trusted_proxies(django_settings: Any, trusted: list[str], *, is_tls: bool) -> Iterator[Finding]:
    redirects = django_settings.SECURE_SSL_REDIRECT and security_settings.MIDDLEWARE in django_settings.MIDDLEWARE
    names = ", ".join(trusted)
    only_here = all(part != "private" and ip_network(part).is_loopback for part in trusted)
    if redirects and only_here and not is_tls:  # over TLS each request is https without a proxy's word
        found = (
            f"SECURE_SSL_REDIRECT = True, and X-Forwarded-Proto is trusted from {names or 'no address'} only: behind "
            "a proxy at another address that ends TLS, every URL redirects to itself forever"
        )
        remedy = "Set FORWARDED_ALLOW_IPS to the addresses or networks of the proxy."
        yield Finding("warning", "ssl-redirect", found, remedy)
    elif not only_here:
        found = (
            "SECURE_PROXY_SSL_HEADER is not set and not needed: the server takes the scheme from X-Forwarded-Proto, "
            f"if {names} sends it (FORWARDED_ALLOW_IPS)"
        )
        loop = (
            "Requests through a proxy at another address are redirected forever: name all proxies." if redirects else ""
        )
        yield Finding("info", "proxy-ssl-header", found, loop)


def _is_loopback_only(host: str) -> bool:
    """Whether only this machine can reach the server's address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.startswith("unix:")


def check_static_root(request: CheckRequest, django_settings: Any) -> Iterator[Finding]:
    """Check that uploads cannot reach the static root, and that the build does not collect from it."""
    root = _resolve_parent(Path(request.static_root))
    media = django_settings.MEDIA_ROOT
    remedy = "Set STATIC_ROOT or DJANGO_STATIC_ROOT to a directory of its own."
    if media and root.is_relative_to(Path(media).resolve()):
        found = f"the static root {root} lies in MEDIA_ROOT = {str(media)!r}: an upload can overwrite built files"
        yield Finding("warning", "static-root", found, remedy)
    sources = django_settings.STATICFILES_DIRS if isinstance(django_settings.STATICFILES_DIRS, list | tuple) else ()
    paths = (source[1] if isinstance(source, list | tuple) else source for source in sources)
    if any(_resolve_parent(Path(path)) == root for path in paths):
        found = f"the static root {root} is one of STATICFILES_DIRS: a build would collect the output of the last one"
        yield Finding("error", "static-root", found, remedy)


def _resolve_parent(path: Path) -> Path:
    """Return the path with its parent resolved, but not itself: the static root is a symbolic link to a release."""
    path = path.absolute()
    return path.parent.resolve() / path.name


def check_media_url(request: CheckRequest, django_settings: Any) -> Iterator[Finding]:
    """Check that MEDIA_URL does not overlap the URLs of static files.

    Static files have precedence, so a request for such an upload never reaches Django.
    """
    own = str(django_settings._wrapped.MEDIA_URL)  # it may be lazy
    if not own:  # Django then has "/", below which it serves no uploads
        return
    media = urlsplit(prepend_script_name(own, django_settings.FORCE_SCRIPT_NAME))
    path = unquote(f"{media.path.rstrip('/')}/")
    remedy = "Set MEDIA_URL to a path of its own, for example '/media/'."
    for served in _iter_static_paths(request, django_settings, media.netloc):
        if path.startswith(served):
            found = (
                f"MEDIA_URL = {own!r} lies in {served}, where everything comes from the static tree: uploads are a 404"
            )
            yield Finding("warning", "media-url", found, remedy)
            return
        if served.startswith(path):
            found = (
                f"MEDIA_URL = {own!r}, and static files are served at {served}: an upload whose name begins with "
                f"{served.removeprefix(path)!r} is a 404"
            )
            yield Finding("warning", "media-url", found, remedy)
            return


def _iter_static_paths(request: CheckRequest, django_settings: Any, host: str) -> Iterator[str]:
    """Yield the paths below which static files are served on `host`; "" is the page's own host."""
    cdn = urlsplit(f"{request.static_host}{request.prefix}")
    if host and host.lower() == cdn.netloc.lower():
        yield cdn.path
    if not host or host.partition(":")[0].lower() in django_settings.ALLOWED_HOSTS:
        yield from request.prefixes


def check_compressor(django_settings: Any, root: Path) -> Iterator[Finding]:
    """Check that the tree has the manifest of django-compressor's rendered blocks."""
    is_in_tree = (
        compressor.is_active(django_settings) and compressor.find_path_below_static(django_settings) is not None
    )
    if is_in_tree and not (root / compressor.format_manifest_name(django_settings)).exists():
        remedy = "Build it again, with the settings that it is served with."
        yield Finding("warning", "compressor", compressor.NO_BLOCKS_MESSAGE, remedy)
