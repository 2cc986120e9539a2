"""An issue: a difference from the origin's responses, of one file or one host.

Rule: an error breaks pages, sends wrong bytes, or makes visitors download again what they have. A warning makes pages
slower than necessary, or may be chance. Information is the normal behaviour of a CDN, and needs no action. The text has
no file names, so that one issue of many files is one finding.
"""

from __future__ import annotations

from dataclasses import dataclass

from static_host.findings import Level


@dataclass(frozen=True, slots=True)
class Issue:
    """`check` is a stable name; `text` says what was found, and its consequence.

    `remedy_check` is the check whose remedy helps; "" means `check` itself.
    """

    level: Level
    check: str
    text: str
    remedy_check: str = ""
