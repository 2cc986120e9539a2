"""FORCE_SCRIPT_NAME: what Django puts before every URL, since a proxy takes it off every path.

Rule: static files are found with it and without it. Through such a proxy they are asked for without; past it, or where
a proxy sends them on whole, with it.
"""

from __future__ import annotations


def prepend_script_name(url: str, script_name: str | None) -> str:
    """Return STATIC_URL as Django resolves a relative one: below FORCE_SCRIPT_NAME."""
    if url.startswith(("http://", "https://", "/")):
        return url
    return f"{(script_name or '/').rstrip('/')}/{url}"


def expand_prefix(prefix: str, script_name: str | None) -> tuple[str, ...]:
    """Return the prefix, and the one that is left of it where a proxy takes FORCE_SCRIPT_NAME off."""
    taken = (script_name or "").rstrip("/")
    left = prefix.removeprefix(taken) if taken else prefix
    return (prefix, left) if left.startswith("/") and left not in ("/", prefix) else (prefix,)
