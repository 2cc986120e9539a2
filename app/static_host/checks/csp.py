"""Checks a project's Content-Security-Policy, as its middleware sends it (W3C CSP Level 3).

Rule: a finding is a policy that blocks files of the tree when they come from a static host. The middleware itself gives
the policy, for an empty page (`static_host_django.checks.csp`); views may send another one. A file that a nonce may
allow, and a policy that only reports, give no finding. Workers are left out: browsers block those of another host in
any case.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from static_host.findings import Finding
from static_host.origin.index import Index

_DEFAULT_PORTS = {"http": 80, "https": 443}
_DEFAULT_SCHEME = "https"
"""The assumed scheme of a static host that follows the page's own."""

SentPolicies = tuple[str, Sequence[str], str]
"""A middleware, the policies that it sends, and the exception that it raised, or ""."""
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


def check_csp(sent: Sequence[SentPolicies], base: str, hosts: Collection[str], index: Index) -> Iterator[Finding]:
    """Find policies that block files of the tree. `base` is the URL of static files, `hosts` are ALLOWED_HOSTS."""
    files = _group_by_kind(index) if sent else {}
    for name, texts, problem in sent:
        if problem:
            yield Finding("info", "csp", f"the policy of {name} cannot be read: {problem}")
        for policy in filter(None, map(parse_policy, texts)):
            yield from _check_policy(name, policy, urlsplit(base), files, hosts)


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
