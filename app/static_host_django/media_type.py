"""The grammar of a media type (RFC 9110 §8.3.1), for settings of the project and for variables."""

from __future__ import annotations

import re

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # a token, §5.6.2
_QUOTED = r'"(?:[\t !#-\[\]-~]|\\[\t -~])*"'  # §5.6.4, without obs-text
_MEDIA_TYPE = re.compile(rf"{_WORD}/{_WORD}(?:[ \t]*;[ \t]*{_WORD}=(?:{_WORD}|{_QUOTED}))*")


def is_media_type(value: str) -> bool:
    """Whether the text is a media type, perhaps with parameters."""
    return bool(_MEDIA_TYPE.fullmatch(value))
