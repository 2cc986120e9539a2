"""The contents of JavaScript's string and template literals: escaped and unescaped (ECMA-262 §12.9.4, §12.9.6)."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|([0-7]{1,3})|(\r\n|[\s\S]))")
_CONTROL = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"} | dict.fromkeys(
    ("\n", "\r", "\r\n", "\u2028", "\u2029"), ""
)


def unescape(contents: str) -> str:
    """Return the value of a string or template literal with these contents."""
    target = _ESCAPE.sub(_decode_escape, contents)
    is_paired = any("\ud800" <= char <= "\udbff" for char in target)  # two halves of one character
    return target.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if is_paired else target


def _decode_escape(match: re.Match[str]) -> str:
    two, four, point, octal, char = match.groups()
    number = two or four or point
    if number:
        return chr(min(int(number, 16), 0x10FFFF))
    return chr(int(octal, 8)) if octal else _CONTROL.get(char, char)


def escape(url: str, quote: str) -> str:
    """Return the URL as the contents of a string or of a template."""
    escaped = url.replace("\\", "\\\\").replace(quote, f"\\{quote}").replace("\n", "\\n").replace("\r", "\\r")
    return escaped.replace("${", "\\${") if quote == "`" else escaped
