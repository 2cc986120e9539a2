"""Compares what the project says of its static files with the tree's index."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from static_host.findings import Finding, format_names
from static_host.origin.index import Index
from static_host.workers.remote_project import RemoteProject


def check_static_url(project: RemoteProject, index: Index) -> Iterator[Finding]:
    """Check that STATIC_URL and the prefix are those that the tree is served with, for hard-coded URLs."""
    given = project.settings.static_prefix
    prefix = given or index.prefix
    served, own = urlsplit(project.host + prefix), urlsplit(project.static_url or "")
    same = (own.netloc, own.path) == (served.netloc, served.path) if own.netloc else own.path in ("", prefix)
    if not same:
        found = (
            f"STATIC_URL = {project.static_url!r}, but files are served at {served.geturl()}: `{{% static %}}` gives "
            "the latter; URLs that are hard-coded with the former (in scripts, in other settings) get 404"
        )
        wanted = served.geturl() if own.netloc else prefix
        rebuild = "unset DJANGO_STATIC_PREFIX and build the tree again" if given else "build the tree again"
        other = rebuild if own.path != prefix else "correct DJANGO_STATIC_HOST"
        yield Finding("warning", "static-url", found, f"Set STATIC_URL = {wanted!r}, or {other}.")
    if given and given != index.prefix:
        found = (
            f"DJANGO_STATIC_PREFIX={given}, but the tree was built for {index.prefix}: absolute "
            "references between files point below the latter"
        )
        yield Finding("warning", "static-prefix", found, "Build the tree again with the same DJANGO_STATIC_PREFIX.")


def check_manifest(index: Index, stored: Collection[str]) -> Finding:
    """Check that the tree has every file of Django's manifest; `stored` has one for each of the manifest's names."""
    missing = sorted(set(stored).difference(index))
    if missing:
        found = f"Django's manifest names {format_names(missing)}, which the tree lacks: pages get 404 for them"
        return Finding("error", "manifest", found, "Build the tree again.")
    if not stored:
        found = "the tree has no Django manifest: `{% static %}` gives URLs without a fingerprint"
        return Finding("warning", "manifest", found, "Build it with `static-host build`.")
    return Finding("ok", "manifest", f"all {len(stored)} names of Django's manifest are in the tree")
