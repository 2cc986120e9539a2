"""A project's Content-Security-Policy, as far as its settings tell it (W3C CSP Level 3).

Rule: what is looked for is a policy that refuses the files of another static host. Views and middleware may change a
policy; a file that a nonce may admit is not remarked on, nor is a policy that only reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from app.findings import Finding

KINDS = {
    "scripts": ("script-src-elem", "script-src", "default-src"),
    "styles": ("style-src-elem", "style-src", "default-src"),
    "images": ("img-src", "default-src"),
    "fonts": ("font-src", "default-src"),
}
"""What static files are to a browser → the directives that tell of it; the first that there is counts (§6.8.3)."""

Policy = Mapping[str, Any]


def refusals(django: Any, host: str) -> Iterator[Finding]:
    """Find the policies that refuse files of `host`, in the form that `host_of_files` gives."""
    if not host:
        return
    for name, policy in _policies(django):
        refused = [kind for kind, directives in KINDS.items() if not _admits(policy, directives, host)]
        if refused:
            own = host.removeprefix("//")
            found = f"{name} does not name {own}: browsers that obey it refuse {', '.join(refused)} from there"
            yield Finding("warning", "csp", found, f"Add {own} to the sources of these.")


def _policies(django: Any) -> Iterator[tuple[str, Policy]]:
    """Give Django 6's policy, that of django-csp 4 and that of django-csp 3, each where there is one."""
    policies: dict[str, Any] = {
        "SECURE_CSP": getattr(django, "SECURE_CSP", None),
        "CONTENT_SECURITY_POLICY": (getattr(django, "CONTENT_SECURITY_POLICY", None) or {}).get("DIRECTIVES"),
    }
    settings = [name for name in dir(django) if name.startswith("CSP_") and "_SRC" in name]
    if settings and not getattr(django, "CSP_REPORT_ONLY", False):
        nonces = getattr(django, "CSP_INCLUDE_NONCE_IN", None) or ()
        policy = {_directive(name): getattr(django, name) for name in settings}
        policies["CSP_*_SRC"] = {"default-src": "'self'"} | policy | dict.fromkeys(nonces, "nonce")
    yield from ((name, policy) for name, policy in policies.items() if policy)


def _directive(setting: str) -> str:
    return setting.removeprefix("CSP_").lower().replace("_", "-")


def _admits(policy: Policy, directives: tuple[str, ...], host: str) -> bool:
    value = next((policy[name] for name in directives if policy.get(name)), None)
    if value is None:
        return True
    sources = [value] if isinstance(value, str) else value if isinstance(value, list | tuple | set | frozenset) else []
    return any(_matches(source, host) for text in sources for source in str(text).split())


def _matches(source: str, host: str) -> bool:
    """Whether a source lets files of the host in (§6.7.2.8); a path in it is taken to be the right one."""
    if source in ("*", "http:", "https:") or "nonce" in source.lower():
        return True
    theirs = urlsplit(host).netloc
    own = urlsplit(source if "//" in source else f"//{source}").netloc.lower()
    return theirs.endswith(own[1:]) if own.startswith("*.") else own == theirs
