"""References in CSS: ``url()``, ``@import``, the strings of ``image-set()``, source maps.

Rule: the lexer follows CSS Syntax Level 3 §4. Only what a browser would load is a reference, unlike text in strings and
comments, ``@namespace``, and the conditions of ``@supports`` and other at-rules.
"""

from __future__ import annotations

import re

from static_host_build.references.reference import Reference

_COMMENT = r"/\*(?:[^*]++|\*(?!/))*+(?:\*/|\Z)"
_ESCAPE = r"\\(?:[0-9a-fA-F]{1,6}+(?:\r\n|[ \t\n\r\f])?+|[^\n\r\f0-9a-fA-F])"
_ENDS = r"(?=[\n\r\f])|\\?\Z"
_INSIDE = r"\\(?:[0-9a-fA-F]{1,6}+(?:\r\n|[ \t\n\r\f])?+|\r\n|[^0-9a-fA-F])"
_STRING = rf"""(?:"(?:[^"\\\n\r\f]++|{_INSIDE})*+(?:"|{_ENDS})|'(?:[^'\\\n\r\f]++|{_INSIDE})*+(?:'|{_ENDS}))"""
_SPACE = rf"(?:[ \t\n\r\f]|{_COMMENT})*+"
_NAME_CHARACTERS = r"-0-9A-Z_a-z\x80-\U0010ffff"
_NAME = rf"(?:[{_NAME_CHARACTERS}]++|{_ESCAPE})++"
_PLAIN = rf"(?:<!--|-->|#?{_NAME}(?!\()|[^{_NAME_CHARACTERS}\\\"'/()\[\]{{}};@#<]++)*+"
"""Text without tokens that matter: names outside of functions and at-rules, spaces, colons, operators."""
_TOKEN = re.compile(
    rf"{_PLAIN}(?P<token>(?P<comment>{_COMMENT})|(?P<string>{_STRING})"
    rf"|(?P<name>[@#]?{_NAME})(?P<call>\()?|[^{_NAME_CHARACTERS}])"
)
_TARGET_OF_IMPORT = re.compile(rf"{_SPACE}(?P<string>{_STRING})")
_CALL_OF_IMPORT = re.compile(rf"{_SPACE}(?P<name>(?:\w|{_ESCAPE})++)\(")
_QUOTED = re.compile(r"[ \t\n\r\f]*+(?=[\"'])")
_URL = re.compile(rf"""[ \t\n\r\f]*+(?P<url>(?:[^ \t\n\r\f"'()\\]|{_ESCAPE})*+)[ \t\n\r\f]*+(?:\)|\Z)""")
_BAD_URL = re.compile(r"(?:[^)\\]++|\\[\s\S]?)*+\)?")
_SOURCE_MAP = re.compile(r"/\*[#@]\s*+sourceMappingURL=\s*+(?P<url>[^\s*]++)\s*+\*/")
_UNESCAPED = re.compile(r"\\(?:([0-9a-fA-F]{1,6})(?:\r\n|[ \t\n\r\f])?|(\r\n|[\n\r\f])|([\s\S]))")
_SPECIAL = re.compile(r"[\s\"'()\\]")
_WORDS = ("url", "image-set", "@import")
_ESCAPED_LETTER = re.compile(r"\\[0-9a-z-]")
"""An escape that may denote a character of one of the words."""

_IMAGE_SETS = frozenset(("image-set", "-webkit-image-set"))
_CLOSES = {")": "(", "]": "[", "}": "{"}


def find_references(text: str) -> list[Reference]:
    """Return the references in a stylesheet, in order. Every text is a stylesheet: CSS recovers from all errors."""
    lower = text.lower()
    if not any(word in lower for word in _WORDS) and not _ESCAPED_LETTER.search(lower):
        return []
    return _Lexer(text).scan()


class _Lexer:
    """One pass through a text. `open` has the name of each open function, or its bracket."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.references: list[Reference] = []
        self.open: list[str] = []
        self.at_rule_depth: int | None = (
            None  # how many brackets were open where an at-rule began that has no block yet
        )

    def scan(self) -> list[Reference]:
        """Return the references."""
        position = 0
        while match := _TOKEN.match(self.text, position):
            position = self._read_name(match) if match["name"] else self._read_token(match)
        return self.references

    def _read_token(self, match: re.Match[str]) -> int:
        start, end = match.span("token")
        if match["string"]:
            if self.open and self.open[-1] in _IMAGE_SETS and self.at_rule_depth is None:
                self._note(start, end)
        elif match["comment"]:
            source_map = _SOURCE_MAP.fullmatch(self.text, start, end)
            if source_map:
                self.references.append(Reference(*source_map.span("url"), source_map["url"], is_source_map=True))
        else:
            self._read_punctuation(match["token"])
        return end

    def _read_punctuation(self, char: str) -> None:
        if char in "([{":
            self.open.append(char)
        elif char in _CLOSES:
            self._close(_CLOSES[char])
        if char in "{};" and self.at_rule_depth is not None and len(self.open) <= self.at_rule_depth + (char == "{"):
            self.at_rule_depth = None

    def _close(self, opening: str) -> None:
        """Close a bracket; a brace also closes brackets that are still open inside of it."""
        while opening == "{" and self.open and self.open[-1] != "{":
            self.open.pop()
        if self.open and (self.open[-1] == opening or (opening == "(" and self.open[-1] not in "[{")):
            self.open.pop()

    def _read_name(self, match: re.Match[str]) -> int:
        """Read the name of a function or of an at-rule."""
        name = _unescape(match["name"]).lower()
        if name[0] == "@":
            return self._begin_at_rule(name, match.end("name"))
        if name != "url":
            self.open.append(name)
            return match.end()
        return self._read_url(match.end(), is_reference=self.at_rule_depth is None, is_url=True)

    def _begin_at_rule(self, name: str, end: int) -> int:
        self.at_rule_depth = len(self.open)
        if name != "@import" or self.open:
            return end
        match = _TARGET_OF_IMPORT.match(self.text, end)
        if match:
            self._note(*match.span("string"), is_url=False)
            return match.end()
        call = _CALL_OF_IMPORT.match(self.text, end)
        if call and _unescape(call["name"]).lower() == "url":
            return self._read_url(call.end(), is_reference=True, is_url=False)
        return end

    def _read_url(self, position: int, *, is_reference: bool, is_url: bool) -> int:
        """Read the argument of ``url(``: a string, or a target without quotes (CSS Syntax §4.3.6)."""
        quoted = _QUOTED.match(self.text, position)
        if quoted:
            string = _TOKEN.match(self.text, quoted.end())
            if string and is_reference:
                self._note(string.start(), string.end(), is_url=is_url)
            self.open.append("url")
            return string.end() if string else quoted.end()
        match = _URL.match(self.text, position)
        if not match:
            return _BAD_URL.match(self.text, position).end()  # type: ignore[union-attr]  # it may be empty
        if is_reference and match["url"]:
            start, end = match.span("url")
            self.references.append(Reference(start, end, _unescape(match["url"]), is_url=is_url, escape=_escape_bare))
        return match.end()

    def _note(self, start: int, end: int, *, is_url: bool = True) -> None:
        """Record the target in a string, unless the string breaks off at the end of a line."""
        quote = self.text[start]
        if end - start > 1 and self.text[end - 1] == quote:
            target = _unescape(self.text[start + 1 : end - 1])
            self.references.append(
                Reference(start + 1, end - 1, target, is_url=is_url, escape=lambda url: _escape_quoted(url, quote))
            )


def _unescape(text: str) -> str:
    return _UNESCAPED.sub(_decode_escape, text) if "\\" in text else text


def _decode_escape(match: re.Match[str]) -> str:
    code, line_feed, char = match.groups()
    if not code:
        return "" if line_feed else char
    number = int(code, 16)
    return "\ufffd" if not 0 < number <= 0x10FFFF or 0xD800 <= number <= 0xDFFF else chr(number)


def _escape_quoted(url: str, quote: str) -> str:
    return url.replace("\\", "\\\\").replace(quote, f"\\{quote}").replace("\n", "\\a ").replace("\r", "\\d ")


def _escape_bare(url: str) -> str:
    """Return the URL, escaped for ``url()`` without quotes."""
    return _SPECIAL.sub(lambda match: f"\\{ord(match[0]):x} " if match[0].isspace() else f"\\{match[0]}", url)
