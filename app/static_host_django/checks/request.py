"""What the tool tells the process that checks the project, once the settings module is imported."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """The values in effect of static-host's own settings, and what is to be overridden in the project's.

    `static_url` and `root` are overridden; without a tree, static files come from Django's own storage. `prefix` is
    that of static files, and `prefixes` are those that requests may have. `paths` are paths whose routes are wanted.
    `overriding` are the variables that are set in place of a setting of WhiteNoise, by that setting's name.
    """

    static_url: str
    root: str
    has_tree: bool
    prefix: str
    prefixes: list[str]
    paths: list[str]
    static_host: str
    static_root: str
    host: str
    trusted_proxies: list[str]
    proxy_hops: int
    is_bundled: bool
    overriding: dict[str, str]
    is_tls: bool
