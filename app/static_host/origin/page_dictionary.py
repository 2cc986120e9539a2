"""The dictionary of pages (RFC 9842): text that the project's pages are likely to have, as a file of the tree.

Rule: its name has the digest of its content, and says what it is. Browsers keep it for every document of the host.
"""

from __future__ import annotations

import re
from hashlib import sha256

USE_AS_DICTIONARY = b'match="/*", match-dest=("document")'
"""The value of the field that makes a browser keep the file for documents (RFC 9842 §2.1)."""
_is_name = re.compile(r"page-dictionary\.[0-9a-f]{12}\.txt").fullmatch


def format_page_dictionary_name(content: bytes) -> str:
    """Return the name of a dictionary with this content."""
    return f"page-dictionary.{sha256(content).hexdigest()[:12]}.txt"


def is_page_dictionary(name: str) -> bool:
    """Whether a file of the tree is a dictionary of pages."""
    return bool(_is_name(name))
