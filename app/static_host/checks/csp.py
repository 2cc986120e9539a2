"""Checks a project's Content-Security-Policy, as its middleware sends it (W3C CSP Level 3).

Rule: a finding is a policy that blocks files of the tree when they come from a static host. The middleware itself gives
the policy, for an empty page; views may send another one. A file that a nonce may allow, and a policy that only
reports, give no finding. Workers are left out: browsers block those of another host in any case.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from static_host.findings import Finding, format_exception_line
from static_host.origin.index import Index

_CSP_MIDDLEWARE = re.compile(r"CSP|Csp|(?<![A-Za-z])csp(?![A-Za-z])|(?i:content_?security_?policy)")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_DEFAULT_SCHEME = "https"
"""The assumed scheme of a static host that follows the page's own."""

Policy = Mapping[str, Sequence[str]]
"""Directive → its sources."""


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file, as a browser treats it.

    Of `directives`, the first one that a policy has counts (§6.8.3). `media_types` is a pattern. `is_embedded` is true
    if pages always embed such files, so that a blocked one certainly breaks something.
    """

    name: str
    directives: tuple[str, ...]
    media_types: str
    is_embedded: bool = True


FILE_KINDS = (
    FileKind("scripts", ("script-src-elem", "script-src", "default-src"), r"(text|application)/javascript"),
    FileKind("styles", ("style-src-elem", "style-src", "default-src"), r"text/css"),
    FileKind("images", ("img-src", "default-src"), r"image/.*"),
    FileKind("fonts", ("font-src", "default-src"), r"font/.*|application/(font-.*|vnd\.ms-fontobject)"),
    FileKind("audio and video", ("media-src", "default-src"), r"(audio|video)/.*|text/vtt"),
    FileKind("manifests", ("manifest-src", "default-src"), r"application/manifest\+json"),
    FileKind(
        "what scripts fetch", ("connect-src", "default-src"), r"application/((geo\+)?json|wasm)", is_embedded=False
    ),
    FileKind("frames", ("frame-src", "child-src", "default-src"), r"text/html|application/pdf", is_embedded=False),
)

FilesByKind = Mapping[FileKind, Sequence[str]]


def check_csp(django_settings: Any, host: str, prefix: str, index: Index) -> Iterator[Finding]:
    """Find policies that block files of the tree. `host` is in the form that `parse_static_host` returns."""
    names = [name for name in django_settings.MIDDLEWARE if host and _CSP_MIDDLEWARE.search(str(name))]
    files = _group_by_kind(index) if names else {}
    base = urlsplit(host + prefix)
    for name in names:
        try:
            texts = _read_policies(name)
        except Exception as error:
            yield Finding("info", "csp", f"the policy of {name} cannot be read: {format_exception_line(error)}")
            continue
        for policy in filter(None, map(parse_policy, texts)):
            yield from _check_policy(name, policy, base, files, django_settings.ALLOWED_HOSTS)


def _read_policies(name: str) -> list[str]:
    """Return the policies that a middleware sends with an empty page. Raises what the middleware raises."""
    from django.core.exceptions import MiddlewareNotUsed
    from django.http import HttpRequest, HttpResponse
    from django.utils.module_loading import import_string

    def page(request: HttpRequest) -> HttpResponse:
        for attribute in ("csp_nonce", "_csp_nonce"):  # a policy gets its nonce when a template reads it
            str(getattr(request, attribute, ""))
        return HttpResponse()

    request = HttpRequest()
    request.method, request.path, request.path_info = "GET", "/", "/"
    request.META |= {"REQUEST_METHOD": "GET", "SERVER_NAME": "localhost", "SERVER_PORT": "80"}
    try:
        response = import_string(name)(page)(request)
    except MiddlewareNotUsed:
        return []
    return str(response.headers.get("Content-Security-Policy", "")).split(",")


def parse_policy(text: str) -> Policy:
    """Return a policy, or an empty one. Of a repeated directive the first one counts (§2.2.1)."""
    directives = [part.split() for part in text.split(";") if part.strip()]
    return {name.lower(): sources for name, *sources in reversed(directives)}


def _check_policy(
    name: str, policy: Policy, base: SplitResult, files: FilesByKind, hosts: Collection[str]
) -> Iterator[Finding]:
    refused = [kind for kind in FILE_KINDS if any(_is_refused(policy, kind, base, file) for file in files[kind])]
    if (base.hostname or "") in hosts:  # pages may come from there, so 'self' is that host
        refused = [kind for kind in refused if "'self'" not in _find_effective_directive(policy, kind)[1]]
    host = f"{base.scheme}://{base.netloc}" if base.scheme else base.netloc
    for is_embedded in (True, False):
        kinds = [kind for kind in refused if kind.is_embedded == is_embedded]
        directives = dict.fromkeys(_find_effective_directive(policy, kind)[0] for kind in kinds)
        if kinds:
            listed = ", ".join(kind.name for kind in kinds)
            found = f"the policy of {name} does not allow {host}: browsers block {listed} from there"
            remedy = f"Add {host} to {', '.join(directives)}{'.' if is_embedded else ', if pages need them.'}"
            yield Finding("warning" if is_embedded else "info", "csp", found, remedy)


def _group_by_kind(index: Index) -> FilesByKind:
    """Return the names of the tree's files by kind. Source maps are left out: pages do not load them."""
    files: dict[FileKind, list[str]] = {kind: [] for kind in FILE_KINDS}
    for name, resource in index.items():
        media_type = resource.media_type.partition(";")[0]
        for kind in FILE_KINDS:
            if re.fullmatch(kind.media_types, media_type) and not name.endswith(".map"):
                files[kind].append(name)
    return files


def _find_effective_directive(policy: Policy, kind: FileKind) -> tuple[str, Sequence[str]]:
    """Return the directive that counts for a kind, and its sources. Without one, everything is allowed."""
    return next(((name, policy[name]) for name in kind.directives if name in policy), ("", ["*"]))


def _is_refused(policy: Policy, kind: FileKind, base: SplitResult, file: str) -> bool:
    directive, sources = _find_effective_directive(policy, kind)
    if kind.name in ("scripts", "styles") and any(source.lower().startswith("'nonce-") for source in sources):
        return False
    if kind.name == "scripts" and "'strict-dynamic'" in map(str.lower, sources):
        return False
    return not (directive == "" or any(_is_source_match(source, base, f"{base.path}{file}") for source in sources))


def _is_source_match(source: str, base: SplitResult, path: str) -> bool:
    """Whether a source expression matches a file of the static host (§6.7.2.8)."""
    if source == "*":
        return True
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:", source):
        return _is_scheme_match(source[:-1].lower(), base.scheme)
    scheme, separator, rest = source.rpartition("://")
    if source.startswith("'") or (separator and not _is_scheme_match(scheme.lower(), base.scheme)):
        return False
    authority, slash, own_path = rest.partition("/")
    host, _, port = authority.lower().partition(":")
    return (
        _is_host_match(host, base.hostname or "")
        and _is_port_match(port, base)
        and (own_path == "" or _is_path_match(f"{slash}{own_path}", path))
    )


def _is_scheme_match(own: str, theirs: str) -> bool:
    theirs = theirs or _DEFAULT_SCHEME
    return own == theirs or (own, theirs) == ("http", "https")


def _is_host_match(own: str, theirs: str) -> bool:
    return own in ("*", theirs) or (own.startswith("*.") and theirs.endswith(own[1:]))


def _is_port_match(own: str, base: SplitResult) -> bool:
    default = _DEFAULT_PORTS[base.scheme or _DEFAULT_SCHEME]
    port = base.port or default
    return own == "*" or own == str(port) or (own == "" and port == default) or (own, port) == ("80", 443)


def _is_path_match(own: str, path: str) -> bool:
    """Whether a path expression matches a path. One with a trailing slash matches what is below it (§6.7.2.12)."""
    return unquote(path).startswith(unquote(own)) if own.endswith("/") else unquote(path) == unquote(own)
