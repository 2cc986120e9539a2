"""References in JavaScript: imports and exports of modules, ``new URL(…, import.meta.url)``, source maps.

Rule: what is found is what an engine would load: a string counts only where ECMA-262 has a module specifier, or where
it is what an expression in that place gives (a literal, either side of a conditional, the last resort of ``??``). Text
in strings, comments, templates and regular expressions is never a reference. A text that is no JavaScript is refused.

Strategy: one compiled expression finds the next character or word that matters; what stands between two of them (the
`gap`) is only looked at where it decides something. A stack of brackets tells whether a slash divides or begins a
regular expression (ECMA-262 §12: the lexical goal depends on the syntax). Time grows with the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from static_build.references.reference import Reference, UnreadableError

_SPACE = r"(?:[\s\ufeff]|//[^\n\r\u2028\u2029]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+"
_STRING = r"""(?:"(?:[^"\\\n\r]++|\\(?:\r\n|[^\r]|\r))*+"|'(?:[^'\\\n\r]++|\\(?:\r\n|[^\r]|\r))*+')"""
_NAME = r"(?:[\w$\u200c\u200d]|\\u(?:[0-9a-fA-F]{4}|\{[0-9a-fA-F]++\}))++"
_NAMES = rf"\{{(?:[\w$,\\\s\u200c\u200d\ufeff]|\{{[0-9a-fA-F]++\}}|{_STRING}|//[^\n\r\u2028\u2029]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+\}}"

_SPECIAL = re.compile(r"""["'`/(){}[\]]|import|export|URL|<!--|-->""")
_IMPORT = re.compile(
    rf"""import{_SPACE}(?:
        (?:(?:(?:defer|source){_SPACE})?
           (?:{_NAME}{_SPACE}(?:,{_SPACE})?)?
           (?:\*{_SPACE}as{_SPACE}{_NAME}{_SPACE}|{_NAMES}{_SPACE})?
           from{_SPACE})?
        (?P<string>{_STRING}))""",
    re.VERBOSE,
)
_EXPORT = re.compile(
    rf"export{_SPACE}(?:\*{_SPACE}(?:as(?![\w$]){_SPACE}(?:{_NAME}|{_STRING}){_SPACE})?|{_NAMES}{_SPACE})"
    rf"from{_SPACE}(?P<string>{_STRING})"
)
_IMPORT_CALL = re.compile(
    rf"import{_SPACE}(?:\.{_SPACE}(?:defer|source|(?P<resolve>meta{_SPACE}\.{_SPACE}resolve{_SPACE}(?:\?\.)?)){_SPACE})?\("
)
_CALL = re.compile(rf"URL{_SPACE}\(")
_NEW = re.compile(r"(?:^|[^\w$.#\\])new\s+(?:(?:window|self|globalThis)\s*\.\s*)?$")
_AFTER_META_URL = re.compile(rf",{_SPACE}import{_SPACE}\.{_SPACE}meta{_SPACE}\.{_SPACE}url{_SPACE}(?:,{_SPACE})?")
_ENDS_VALUE = re.compile(rf"{_SPACE}[),:]")
_ASSIGNMENT = re.compile(r"(?<![=!<>])=(?!=)")
_LITERAL = re.compile(_STRING)
_TEMPLATE = re.compile(r"(?:[^`\\$]++|\\[\s\S]|\$(?!\{))*+(?P<end>`|\$\{)")
_REGEX = re.compile(
    r"/(?:[^/\\\[\n\r\u2028\u2029]++|\\[^\n\r\u2028\u2029]|\[(?:[^\]\\\n\r\u2028\u2029]++|\\[^\n\r\u2028\u2029])*+\])++/[\w$]*+"
)
_LINE = re.compile(r"[^\n\r\u2028\u2029]*+")
_SOURCE_MAP = re.compile(r"/[/*][#@]\s*sourceMappingURL=\s*(?P<url>[^\s*]++)\s*+(?:\*/)?")
_TOKENS = re.compile(r"[\w$\u200c\u200d]+|=>|\S")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|([0-7]{1,3})|(\r\n|[\s\S]))")
_CONTROL = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"} | dict.fromkeys(
    ("\n", "\r", "\r\n", "\u2028", "\u2029"), ""
)

_SPACES = " \t\n\r\v\f\xa0\ufeff\u2028\u2029"
_LONGEST_GAP = 200
"""Characters before a bracket or a slash that decide what it is."""
_BEFORE_VALUE = frozenset(
    "await break case continue debugger default delete do else extends in instanceof new of return throw typeof void"
    " yield".split()
)
"""Words that an expression follows, or a statement."""
_HEADS = frozenset(("if", "while", "for", "with"))
"""Words whose parentheses a statement follows."""
_OPENS_VALUE = frozenset(("", "(", "[", "{", "${"))
_IN_EXPRESSION = frozenset(("(", "[", "${"))
_MOST_NAMES = 100
"""How often ``yield`` or ``await`` may be a name before a slash that would begin a regular expression without an end."""


def find_references(text: str) -> list[Reference]:
    """Return the references in a script or module, in order. Raises UnreadableError."""
    if "import" not in text and "sourceMappingURL" not in text and not ("export" in text and "from" in text):
        return []
    lexer = _Lexer(text, has_html_comments=True)
    try:
        lexer.scan()
    except UnreadableError:
        if not lexer.met_html_comment:
            raise
        lexer.is_module = True
    if lexer.met_html_comment and lexer.is_module:  # a module has none (ECMA-262 §B.1.1): its "<!--" are operators
        lexer = _Lexer(text, has_html_comments=False)
        lexer.scan()
    return sorted(lexer.references, key=lambda reference: reference.start)


@dataclass(slots=True)
class _Call:
    """The first argument of a call that loads what it names, while it is read: the literals that it may give."""

    needs_meta_url: bool
    is_url: bool
    outer: _Call | None = None
    literals: list[Reference] = field(default_factory=list)
    comma: int | None = None
    is_unknown: bool = False


@dataclass(slots=True)
class _Bracket:
    """An open bracket: ``(``, ``{`` or ``${``; the `gap` before it, and what `kind` of token stands before that."""

    char: str
    start: int
    gap: str
    kind: str
    is_block: bool = False
    call: _Call | None = None


class _Lexer:
    """One pass through a text.

    `kind` is the last token that is no part of a gap: a bracket, ``"`` for any literal, nothing at the start.
    """

    def __init__(self, text: str, *, has_html_comments: bool) -> None:
        self.text = text
        self.references: list[Reference] = []
        self.is_module = self.met_html_comment = False
        self._has_html_comments = has_html_comments
        self._brackets: list[_Bracket] = []
        self._closed = _Bracket("", 0, "", "")
        self._kind, self._end, self._pending = "", 0, ""
        self._call: _Call | None = None
        self._names = 0
        self._handlers: dict[str, Callable[[int], int]] = {
            "(": self._open_parenthesis,
            ")": self._close_parenthesis,
            "[": self._open_square,
            "]": self._close_square,
            "{": self._open_brace,
            "}": self._close_brace,
            '"': self._string,
            "'": self._string,
            "`": self._template,
            "/": self._slash,
            "i": self._import,
            "e": self._export,
            "U": self._url,
            "<": self._html_comment,
            "-": self._html_comment_end,
        }

    def scan(self) -> None:
        """Find the references. Raises UnreadableError."""
        text, search, handlers = self.text, _SPECIAL.search, self._handlers
        position = _LINE.match(text).end() if text.startswith(("#!", "\ufeff#!")) else 0  # type: ignore[union-attr]
        while match := search(text, position):
            at = match.start()
            if self._call is not None:
                self._look_for_comma(self._call, at)
            position = handlers[text[at]](at)
        if self._brackets:
            bracket = self._brackets[-1]
            raise UnreadableError(f"{bracket.char!r} is not closed", text, bracket.start)

    def _mark(self, end: int, kind: str) -> int:
        self._end, self._kind, self._pending = end, kind, ""
        return end

    def _gap(self, at: int) -> str:
        """Return what stands between the last token and `at`, without comments and without space at its end."""
        gap = self._pending + self.text[self._end : at] if self._pending else self.text[self._end : at]
        return gap.rstrip(_SPACES)[-_LONGEST_GAP:]

    def _keep(self, at: int, end: int) -> int:
        """Make what stands from `at` to `end` a part of the gap, so that it is not read again."""
        space = " " if self.text[at - 1 : at].isspace() else ""
        self._pending, self._end = f"{self._gap(at)}{space}{self.text[at:end]}", end
        return end

    def _push(self, char: str, at: int, end: int, gap: str, call: _Call | None = None) -> int:
        self._brackets.append(_Bracket(char, at, gap, self._kind, call=call))
        self._call = call
        return self._mark(end, char)

    def _pop(self, char: str, at: int) -> _Bracket:
        if not self._brackets or self._brackets[-1].char[-1] != char:
            raise UnreadableError(f"{self.text[at]!r} closes nothing", self.text, at)
        self._closed = self._brackets.pop()
        self._call = self._brackets[-1].call if self._brackets else None
        return self._closed

    # Brackets

    def _open_parenthesis(self, at: int) -> int:
        gap, call = self._gap(at), self._call
        is_part = call is not None and self._is_value(call, gap)  # of what the argument may give
        inner = _Call(call.needs_meta_url, call.is_url, outer=call) if call and is_part else None
        return self._push("(", at, at + 1, gap, inner)

    def _close_parenthesis(self, at: int) -> int:
        call = self._pop("(", at).call
        if call:
            self._end_call(call, at)
        return self._mark(at + 1, ")")

    def _open_square(self, at: int) -> int:
        return self._push("[", at, at + 1, self._gap(at))

    def _close_square(self, at: int) -> int:
        self._pop("[", at)
        return self._mark(at + 1, "]")

    def _open_brace(self, at: int) -> int:
        gap = self._gap(at)
        is_block = self._opens_block(gap)
        end = self._push("{", at, at + 1, gap)
        self._brackets[-1].is_block = is_block
        return end

    def _close_brace(self, at: int) -> int:
        if self._pop("{", at).char == "${":
            return self._go_on_with_template(at + 1)
        return self._mark(at + 1, "}")

    # Literals and comments

    def _string(self, at: int) -> int:
        match = _LITERAL.match(self.text, at)
        if not match:
            raise UnreadableError("a string is not closed", self.text, at)
        if self._call is not None:
            self._note_literal(self._call, at, match.end())
        return self._mark(match.end(), '"')

    def _template(self, at: int) -> int:
        match = _TEMPLATE.match(self.text, at + 1)
        if match and match["end"] == "`" and self._call is not None:
            self._note_literal(self._call, at, match.end())
        return self._go_on_with_template(at + 1)

    def _go_on_with_template(self, at: int) -> int:
        match = _TEMPLATE.match(self.text, at)
        if not match:
            raise UnreadableError("a template literal is not closed", self.text, at)
        if match["end"] == "`":
            return self._mark(match.end(), '"')
        return self._push("${", match.end() - 2, match.end(), "")

    def _slash(self, at: int) -> int:
        following = self.text[at + 1 : at + 2]
        if following == "/":
            return self._comment(at, _LINE.match(self.text, at).end())  # type: ignore[union-attr]  # it may be empty
        if following == "*":
            end = self.text.find("*/", at + 2)
            if end < 0:
                raise UnreadableError("a comment is not closed", self.text, at)
            return self._comment(at, end + 2)
        gap = self._gap(at)
        if not self._begins_regex(gap):
            return self._keep(at, at + 1)
        match = _REGEX.match(self.text, at)
        if match:
            return self._mark(match.end(), '"')
        if gap.endswith(("yield", "await")) and self._names < _MOST_NAMES:
            self._names += 1  # they are no keywords outside of generators and async functions
            return self._keep(at, at + 1)
        raise UnreadableError("a regular expression is not closed", self.text, at)

    def _comment(self, at: int, end: int) -> int:
        self._pending, self._end = f"{self._gap(at)} ", end
        match = _SOURCE_MAP.fullmatch(self.text, at, end)
        if match:
            self.references.append(Reference(*match.span("url"), match["url"], is_source_map=True))
        return end

    def _html_comment(self, at: int) -> int:
        if not self._has_html_comments:
            return self._keep(at, at + 1)
        self.met_html_comment = True
        return self._comment(at, _LINE.match(self.text, at).end())  # type: ignore[union-attr]

    def _html_comment_end(self, at: int) -> int:
        piece = self.text[self._end : at]
        if piece.rpartition("\n")[2].strip() or (self._end and "\n" not in piece):
            return self._keep(at, at + 1)  # n --> 0
        return self._html_comment(at)

    # Words

    def _is_word(self, at: int, length: int) -> bool:
        """Whether these characters are a word by themselves, and no property's name."""
        before, after = self.text[at - 1 : at], self.text[at + length : at + length + 1]
        if before and (before.isalnum() or before in "_$#\\\u200c\u200d"):
            return False
        if after and (after.isalnum() or after in "_$\\\u200c\u200d"):
            return False
        gap = self._gap(at)
        return not gap.endswith(".") or gap.endswith("...")

    def _import(self, at: int) -> int:
        if not self._is_word(at, 6):
            return self._keep(at, at + 6)
        call = _IMPORT_CALL.match(self.text, at)
        if call:
            gap = self._gap(call.end() - 1)
            return self._push("(", call.end() - 1, call.end(), gap, _Call(needs_meta_url=False, is_url=False))
        return self._declaration(_IMPORT, at)

    def _export(self, at: int) -> int:
        return self._declaration(_EXPORT, at) if self._is_word(at, 6) else self._keep(at, at + 6)

    def _declaration(self, pattern: re.Pattern[str], at: int) -> int:
        """Note the specifier of a declaration, which stands in no bracket (ECMA-262 §16.2)."""
        if self._brackets:
            return self._keep(at, at + 6)
        self.is_module = True
        match = pattern.match(self.text, at)
        if not match:
            return self._keep(at, at + 6)
        self.references.append(self._literal(*match.span("string"), is_url=False))
        return self._mark(match.end(), '"')

    def _url(self, at: int) -> int:
        match = _CALL.match(self.text, at)
        before = self.text[at - 1 : at]
        if not match or before.isalnum() or before in ("_", "$") or not _NEW.search(self._gap_before(at)[-40:]):
            return self._keep(at, at + 3)
        gap = self._gap(match.end() - 1)
        return self._push("(", match.end() - 1, match.end(), gap, _Call(needs_meta_url=True, is_url=True))

    def _gap_before(self, at: int) -> str:
        """Return the gap, with the space at its end as one: ``new URL``."""
        gap = self._gap(at)
        return gap if self.text[at - 1 : at] == "." else f"{gap} "

    # What a call loads

    def _look_for_comma(self, call: _Call, at: int) -> None:
        """Note where the first argument ends, and what makes it unknown."""
        if call.comma is None:
            piece = self.text[self._end : at]
            comma = piece.find(",")
            if comma >= 0:
                call.comma = self._end + comma
                piece = piece[:comma]
            call.is_unknown = call.is_unknown or bool(_ASSIGNMENT.search(piece))

    def _is_value(self, call: _Call, gap: str) -> bool:
        """Whether what follows the gap is what the first argument gives, if nothing else follows it."""
        if call.comma is not None:
            return False
        return (not gap and self._kind == "(") or gap.endswith(("?", ":", "||", "&&"))

    def _note_literal(self, call: _Call, at: int, end: int) -> None:
        if self._is_value(call, self._gap(at)) and _ENDS_VALUE.match(self.text, end):
            call.literals.append(self._literal(at, end, is_url=call.is_url))

    def _end_call(self, call: _Call, at: int) -> None:
        if call.is_unknown:
            return
        if call.outer:
            if call.comma is None and _ENDS_VALUE.match(self.text, at + 1):
                call.outer.literals += call.literals
            return
        if call.needs_meta_url and (call.comma is None or not _AFTER_META_URL.fullmatch(self.text, call.comma, at)):
            return
        self.references += call.literals

    def _literal(self, at: int, end: int, *, is_url: bool) -> Reference:
        quote = self.text[at]
        target = _unescape(self.text[at + 1 : end - 1])
        return Reference(at + 1, end - 1, target, is_url=is_url, escape=lambda url: _escaped(url, quote))

    # What a slash or a brace is

    def _begins_regex(self, gap: str) -> bool:
        """Whether a slash after this gap begins a regular expression: where a value or a statement may begin."""
        if not gap:
            return self._begins_statement_after_bracket()
        tokens = _TOKENS.findall(gap)
        last = tokens[-1]
        if _is_name(last):
            return last in _BEFORE_VALUE and not _is_property(tokens) and (last != "of" or self._is_in_head_of_for())
        if gap.endswith(("++", "--")):
            return not self._is_value_before(tokens[:-2])
        return last != "." or tokens[-2:-1] == ["."]

    def _begins_statement_after_bracket(self) -> bool:
        if self._kind == ")":
            tokens = _TOKENS.findall(self._closed.gap)
            if tokens[-2:] == ["for", "await"]:
                tokens.pop()
            return bool(tokens) and tokens[-1] in _HEADS and not _is_property(tokens)
        if self._kind == "}":
            return self._closed.is_block
        return self._kind in _OPENS_VALUE

    def _is_in_head_of_for(self) -> bool:
        bracket = self._brackets[-1] if self._brackets else None
        return bool(bracket) and bracket.char == "(" and _TOKENS.findall(bracket.gap)[-1:] in (["for"], ["await"])  # type: ignore[union-attr]

    def _is_value_before(self, tokens: list[str]) -> bool:
        """Whether a value ends after these tokens, so that ``++`` belongs to it."""
        if not tokens:
            return self._kind in (")", "]", "}", '"')
        return _is_name(tokens[-1]) and tokens[-1] not in _BEFORE_VALUE

    def _opens_block(self, gap: str) -> bool:
        """Whether a brace after this gap opens a block or the body of a declaration: not a value."""
        tokens = _TOKENS.findall(gap)
        if not tokens:
            return self._opens_body(self._closed) if self._kind == ")" else self._kind not in _IN_EXPRESSION
        last = tokens[-1]
        if last == ":":
            return self._ends_label(tokens)
        if last in (";", "=>"):
            return True
        if not _is_name(last):
            return False
        start = _last_index(tokens, "class")
        if start is not None:
            return self._begins_statement(tokens[:start], self._kind)
        is_escape = tokens[-2:] == ["\\", "u"]  # \u{61} in a name
        return not is_escape and (last in ("do", "else") or last not in _BEFORE_VALUE or _is_property(tokens))

    def _opens_body(self, parentheses: _Bracket) -> bool:
        """Whether a brace after these parentheses opens a block, or the body of a declaration."""
        tokens = _TOKENS.findall(parentheses.gap)
        start = _last_index(tokens, "function")
        if start is None or start < len(tokens) - 3:  # function * name
            start = _last_index(tokens, "class")  # class extends mixin
        if start is None:
            return True
        before = tokens[:start]
        return self._begins_statement(before[:-1] if before[-1:] == ["async"] else before, parentheses.kind)

    def _begins_statement(self, tokens: list[str], kind: str) -> bool:
        """Whether a declaration may begin after these tokens, before which there is a token of this `kind`."""
        if not tokens:
            return kind not in _IN_EXPRESSION
        last = tokens[-1]
        if last == ":":
            return self._ends_label(tokens)
        return last in (";", "else", "do", "export", "default") or (_is_name(last) and last not in _BEFORE_VALUE)

    def _ends_label(self, tokens: list[str]) -> bool:
        """Whether a colon ends a label or a ``case``: not the first half of a conditional, nor a property's name."""
        if self._brackets and not self._brackets[-1].is_block:
            return False
        start = _last_index(tokens, ";")
        statement = tokens[start + 1 :] if start is not None else tokens
        return "case" in statement or "?" not in statement


def _is_name(token: str) -> bool:
    return token[0].isalnum() or token[0] in "_$" or token[0] > "\x7f"


def _is_property(tokens: list[str]) -> bool:
    """Whether the last token is the name of a property: behind a dot that is not the last of three."""
    return tokens[-2:-1] == ["#"] or (tokens[-2:-1] == ["."] and tokens[-4:-1] != [".", ".", "."])


def _last_index(tokens: list[str], word: str) -> int | None:
    """Return where a word stands last, if it is no property's name."""
    for index in range(len(tokens) - 1, -1, -1):
        if tokens[index] == word:
            return None if _is_property(tokens[: index + 1]) else index
    return None


def _unescape(contents: str) -> str:
    target = _ESCAPE.sub(_unescaped, contents)
    is_paired = any("\ud800" <= char <= "\udbff" for char in target)  # two halves of one character
    return target.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if is_paired else target


def _unescaped(match: re.Match[str]) -> str:
    two, four, point, octal, char = match.groups()
    number = two or four or point
    if number:
        return chr(min(int(number, 16), 0x10FFFF))
    return chr(int(octal, 8)) if octal else _CONTROL.get(char, char)


def _escaped(url: str, quote: str) -> str:
    """Return the URL as the contents of a string or of a template."""
    escaped = url.replace("\\", "\\\\").replace(quote, f"\\{quote}").replace("\n", "\\n").replace("\r", "\\r")
    return escaped.replace("${", "\\${") if quote == "`" else escaped
