"""A flaw: what is not as the origin made it, with one file or one host.

Rule: an error is what breaks pages, sends wrong bytes, or makes visitors download again what they have; a warning is
what makes pages slower than they need to be, or depends on luck; information is what a CDN does by its nature, and
nobody has to act on. The text is without names, so that what befell many files is one finding.
"""

from __future__ import annotations

from dataclasses import dataclass

from static_host.findings import Level


@dataclass(frozen=True, slots=True)
class Issue:
    """`check` is a name that does not change; `text` says what was seen, and what comes of it.

    `cure` is the check whose remedy helps; "" for its own.
    """

    level: Level
    check: str
    text: str
    remedy_check: str = ""
