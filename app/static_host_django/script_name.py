"""FORCE_SCRIPT_NAME (Django setting): a path that Django puts before every URL, because a proxy removes it.

Rule: static files are served with it and without it. A proxy may remove it or pass it on, and a request may bypass the
proxy.
"""

from __future__ import annotations


def prepend_script_name(url: str, script_name: str | None) -> str:
    """Return the URL as Django resolves STATIC_URL and MEDIA_URL: a relative one is below FORCE_SCRIPT_NAME."""
    if url.startswith(("http://", "https://", "/")):
        return url
    return f"{(script_name or '/').rstrip('/')}/{url}"


def expand_prefix(prefix: str, script_name: str | None) -> tuple[str, ...]:
    """Return the prefix and, if it begins with FORCE_SCRIPT_NAME, the one that a proxy leaves of it."""
    taken = (script_name or "").rstrip("/")
    left = prefix.removeprefix(taken) if taken else prefix
    return (prefix, left) if left.startswith("/") and left not in ("/", prefix) else (prefix,)
