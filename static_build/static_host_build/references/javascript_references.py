"""References in JavaScript: imports and exports of modules, ``new URL(…, import.meta.url)``, source maps.

Rule: a reference is what an engine would load. A string counts only as a module specifier (ECMA-262), or as a possible
value of an expression in that place: a literal, either branch of a conditional, the right side of ``??``. Text in
strings, comments, templates and regular expressions is never a reference. A text that is not JavaScript is an error.

Strategy: one compiled expression finds the next relevant character or word. The text between two of them is read only
if it decides something. Time is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from static_host_build.references.javascript_context import SyntacticContext
from static_host_build.references.javascript_literals import escape, unescape
from static_host_build.references.reference import Reference, UnreadableError

_COMMENT = r"//[^\n\r\u2028\u2029]*+|/\*(?:[^*]++|\*(?!/))*+\*/"
_SPACE = rf"(?:[\s\ufeff]|{_COMMENT})*+"
_STRING = r"""(?:"(?:[^"\\\n\r]++|\\(?:\r\n|[\s\S]))*+"|'(?:[^'\\\n\r]++|\\(?:\r\n|[\s\S]))*+')"""
_NAME = r"(?:[\w$\u200c\u200d]|\\u(?:[0-9a-fA-F]{4}|\{[0-9a-fA-F]++\}))++"
_NAMES = rf"\{{(?:[\w$,\\\s\u200c\u200d\ufeff]|\{{[0-9a-fA-F]++\}}|{_STRING}|{_COMMENT})*+\}}"

_MAY_LOAD = re.compile(r"""from[\s\ufeff]*+["'/]|import[\s\ufeff]*+["'/(.]""")  # "/" may begin a comment
_SPECIAL = re.compile(r"""["'`/(){}[\]]|import|export|class|function|URL|<!--|-->""")
_IMPORT = re.compile(
    rf"""import{_SPACE}(?:
        (?:(?:defer|source){_SPACE})?
        (?:{_NAME}{_SPACE}(?:,{_SPACE})?)?
        (?:\*{_SPACE}as{_SPACE}{_NAME}{_SPACE}|{_NAMES}{_SPACE})?
        from{_SPACE})?
        (?P<string>{_STRING})""",
    re.VERBOSE,
)
_EXPORT = re.compile(
    rf"""export{_SPACE}(?:\*{_SPACE}(?:as(?![\w$]){_SPACE}(?:{_NAME}|{_STRING}){_SPACE})?|{_NAMES}{_SPACE})
        from{_SPACE}(?P<string>{_STRING})""",
    re.VERBOSE,
)
_HEAD = re.compile(rf"(?:class(?={_SPACE}[\w$\\{{])|function(?={_SPACE}[\w$\\*(]))")
_META = rf"meta{_SPACE}\.{_SPACE}"
_IMPORT_CALL = re.compile(rf"import{_SPACE}(?:\.{_SPACE}(?:defer|source|{_META}resolve{_SPACE}(?:\?\.)?){_SPACE})?\(")
_URL_CALL = re.compile(rf"URL{_SPACE}\(")
_NEW = re.compile(r"(?:^|[^\w$.#\\])new(?:\s+(?:window|self|globalThis)\s*\.)?$")
_META_URL = re.compile(rf",{_SPACE}import{_SPACE}\.{_SPACE}{_META}url{_SPACE}(?:,{_SPACE})?")
_ENDS_VALUE = re.compile(rf"{_SPACE}[),:]")
_ASSIGNMENT = re.compile(r"(?<![=!<>])=(?!=)")
_LITERAL = re.compile(_STRING)
_TEMPLATE = re.compile(r"(?:[^`\\$]++|\\[\s\S]|\$(?!\{))*+(?P<end>`|\$\{)")
_CHAR = r"[^\n\r\u2028\u2029]"
_REGEX = re.compile(
    rf"/(?:[^/\\\[\n\r\u2028\u2029]++|\\{_CHAR}|\[(?:[^\]\\\n\r\u2028\u2029]++|\\{_CHAR})*+\])++/[\w$]*+"
)
_LINE = re.compile(rf"{_CHAR}*+")
_SOURCE_MAP = re.compile(r"/[/*][#@]\s*sourceMappingURL=\s*(?P<url>[^\s*]++)\s*+(?:\*/)?")


def find_references(text: str) -> list[Reference]:
    """Return the references in a script or module, in order. Raises UnreadableError."""
    if "sourceMappingURL" not in text and not _MAY_LOAD.search(text):
        return []
    try:
        lexer = _scan(text, is_module=False)
        if lexer.is_module and lexer.has_html_comment:
            lexer = _scan(text, is_module=True)
    except UnreadableError:
        lexer = _scan(text, is_module="<!--" in text or "-->" in text, has_names="yield" in text or "await" in text)
    return sorted(lexer.references, key=lambda reference: reference.start)


def _scan(text: str, *, is_module: bool, has_names: bool = False) -> _Lexer:
    lexer = _Lexer(text, is_module=is_module, has_names=has_names)
    lexer.scan()
    return lexer


@dataclass(slots=True)
class _Call:
    """A call that loads the file that its first argument names, while the lexer reads it.

    `literals` are the possible values of the argument, which ends at `comma`. `outer` is the call whose argument
    contains this part in parentheses. If it `is_unknown`, only run time decides the value.
    """

    is_url: bool
    outer: _Call | None = None
    literals: list[Reference] = field(default_factory=list)
    comma: int | None = None
    is_unknown: bool = False


class _Lexer(SyntacticContext):
    """One pass through a text.

    In a module, ``<!--`` is not an HTML comment (ECMA-262 §B.1.1) but operators. In a script, `has_names` tells that
    ``yield`` and ``await`` are names.
    """

    def __init__(self, text: str, *, is_module: bool, has_names: bool = False) -> None:
        super().__init__(text, has_names=has_names)
        self.references: list[Reference] = []
        self.is_module = is_module
        self.has_html_comment = False
        self._is_html_comment_allowed = not is_module
        self._handlers: dict[str, Callable[[int], int]] = {
            "(": self._open_parenthesis,
            ")": self._close_parenthesis,
            "[": lambda at: self.push("[", at, at + 1, ""),
            "]": self._close_square,
            "{": self.push_brace,
            "}": self._close_brace,
            '"': self._read_string,
            "'": self._read_string,
            "`": self._read_template,
            "/": self._read_slash,
            "i": self._read_import,
            "e": lambda at: self._read_declaration(_EXPORT, at),
            "c": self._read_head,
            "f": self._read_head,
            "U": self._read_url,
            "<": self._read_html_comment,
            "-": self._read_html_comment_end,
        }

    def scan(self) -> None:
        """Find the references. Raises UnreadableError."""
        text, search, handlers, brackets = self.text, _SPECIAL.search, self._handlers, self.brackets
        position = self._find_end_of_line(0) if text.startswith(("#!", "\ufeff#!")) else 0
        while match := search(text, position):
            at = match.start()
            if brackets and brackets[-1].call:
                self._find_comma(brackets[-1].call, at)
            position = handlers[text[at]](at)
        if brackets:
            raise UnreadableError(f"{brackets[-1].char!r} is not closed", text, brackets[-1].start)

    @property
    def call(self) -> _Call | None:
        """The call that the innermost bracket belongs to."""
        return self.brackets[-1].call if self.brackets else None

    def _find_end_of_line(self, at: int) -> int:
        match = _LINE.match(self.text, at)
        return match.end() if match else at

    # Brackets, literals and comments

    def _open_parenthesis(self, at: int) -> int:
        gap, call = self.read_gap(at), self.call
        inner = _Call(call.is_url, outer=call) if call and self._is_value(call, gap) else None
        return self.push("(", at, at + 1, gap, inner)

    def _close_parenthesis(self, at: int) -> int:
        call = self.pop("(", at).call
        if call:
            self._end_call(call, at)
        return self.mark(at + 1, ")")

    def _close_square(self, at: int) -> int:
        self.pop("[", at)
        return self.mark(at + 1, "]")

    def _close_brace(self, at: int) -> int:
        return self._skip_template_text(at + 1) if self.pop("{", at).char == "${" else self.mark(at + 1, "}")

    def _read_string(self, at: int) -> int:
        if not (match := _LITERAL.match(self.text, at)):
            raise UnreadableError("a string is not closed", self.text, at)
        self._record_literal(at, match.end())
        return self.mark(match.end(), '"')

    def _read_template(self, at: int) -> int:
        match = _TEMPLATE.match(self.text, at + 1)
        if match and match["end"] == "`":
            self._record_literal(at, match.end())
        return self._skip_template_text(at + 1)

    def _skip_template_text(self, at: int) -> int:
        """Skip a template's text, up to its end or to a substitution."""
        match = _TEMPLATE.match(self.text, at)
        if not match:
            raise UnreadableError("a template literal is not closed", self.text, at)
        end = match.end()
        return self.mark(end, '"') if match["end"] == "`" else self.push("${", end - 2, end, "")

    def _read_slash(self, at: int) -> int:
        following = self.text[at + 1 : at + 2]
        if following == "/":
            return self._read_comment(at, self._find_end_of_line(at))
        if following == "*":
            end = self.text.find("*/", at + 2)
            if end < 0:
                raise UnreadableError("a comment is not closed", self.text, at)
            return self._read_comment(at, end + 2)
        gap = self.read_gap(at)
        if not self.is_regex_start(gap):
            return self.keep(at, at + 1)
        if match := _REGEX.match(self.text, at):
            return self.mark(match.end(), '"')
        raise UnreadableError("a regular expression is not closed", self.text, at)

    def _read_comment(self, at: int, end: int) -> int:
        match = _SOURCE_MAP.fullmatch(self.text, at, end)
        if match:
            self.references.append(Reference(*match.span("url"), match["url"], is_source_map=True))
        return self.pass_over(at, end)

    def _read_html_comment(self, at: int) -> int:
        if not self._is_html_comment_allowed:
            return self.keep(at, at + 1)
        self.has_html_comment = True
        return self.pass_over(at, self._find_end_of_line(at))

    def _read_html_comment_end(self, at: int) -> int:
        is_first = self.is_after_break(at) or not (self.kind or self.read_gap(at))  # in its line
        return self._read_html_comment(at) if is_first else self.keep(at, at + 1)  # n --> 0

    # Words

    def _is_word(self, at: int, end: int) -> bool:
        """Whether these characters are a whole word, and not a property's name."""
        before, after = self.text[at - 1 : at], self.text[end : end + 1]
        if before.isalnum() or after.isalnum() or before in ("_", "$", "#", "\\") or after in ("_", "$", "\\"):
            return False
        return not self.is_property(at)

    def _read_import(self, at: int) -> int:
        call = _IMPORT_CALL.match(self.text, at)
        if call and self._is_word(at, at + 6):
            return self._open_call(call.end(), _Call(is_url=False))
        return self._read_declaration(_IMPORT, at)

    def _read_head(self, at: int) -> int:
        """Record the head of a function or a class, whose body follows."""
        match = _HEAD.match(self.text, at)
        end = match.end() if match else at + 1
        if match and self._is_word(at, end):
            self.open_head(at)
        return self.keep(at, end)

    def _read_declaration(self, pattern: re.Pattern[str], at: int) -> int:
        """Record the specifier of a declaration, which is outside of all brackets (ECMA-262 §16.2)."""
        if self.brackets or not self._is_word(at, at + 6):
            return self.keep(at, at + 6)
        self.is_module = True
        if not (match := pattern.match(self.text, at)):
            return self.keep(at, at + 6)
        self.references.append(
            replace(self._make_reference(*match.span("string"), is_url=False), is_static_import=True)
        )
        return self.mark(match.end(), ";")

    def _read_url(self, at: int) -> int:
        call, before = _URL_CALL.match(self.text, at), self.text[at - 1 : at]
        if not call or before.isalnum() or before in ("_", "$") or not _NEW.search(self.read_gap(at)):
            return self.keep(at, at + 3)
        return self._open_call(call.end(), _Call(is_url=True))

    # Calls that load a file

    def _open_call(self, end: int, call: _Call) -> int:
        return self.push("(", end - 1, end, self.read_gap(end - 1), call)

    def _find_comma(self, call: _Call, at: int) -> None:
        """Record where the first argument ends, and whether its value is unknown."""
        if call.comma is None:
            piece = self.text[self.end : at]
            comma = piece.find(",")
            if comma >= 0:
                call.comma = self.end + comma
                piece = piece[:comma]
            call.is_unknown = call.is_unknown or bool(_ASSIGNMENT.search(piece))

    def _is_value(self, call: _Call, gap: str) -> bool:
        """Whether the literal after the gap is a possible value of the first argument, if that ends after it."""
        if call.comma is not None:
            return False
        return (not gap and self.kind == "(") or gap.endswith(("?", ":", "||", "&&"))

    def _record_literal(self, at: int, end: int) -> None:
        call = self.call
        if call and self._is_value(call, self.read_gap(at)) and _ENDS_VALUE.match(self.text, end):
            call.literals.append(self._make_reference(at, end, is_url=call.is_url))

    def _end_call(self, call: _Call, at: int) -> None:
        if call.is_unknown:
            return
        if call.outer:
            if call.comma is None and _ENDS_VALUE.match(self.text, at + 1):
                call.outer.literals += call.literals
        elif not call.is_url or (call.comma is not None and _META_URL.fullmatch(self.text, call.comma, at)):
            self.references += call.literals

    def _make_reference(self, at: int, end: int, *, is_url: bool) -> Reference:
        quote = self.text[at]
        target = unescape(self.text[at + 1 : end - 1])
        return Reference(at + 1, end - 1, target, is_url=is_url, escape=lambda url: escape(url, quote))
