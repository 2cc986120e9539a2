"""The syntactic context in a script, as far as it decides the meaning of a slash or a brace.

Rule: a slash begins a regular expression where a value or a statement may begin; anywhere else it divides. A brace
opens a block or a value, and a slash after these differs again (ECMA-262 §12: the lexical goal depends on the syntax).
`SyntacticContext` keeps the open brackets, and as little as possible of the text before the next token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from static_host_build.references.reference import UnreadableError

MAX_GAP_CHARACTERS = 200
"""Characters before a bracket or a slash that are read to decide its meaning."""
_SPACES = " \t\n\r\v\f\xa0\ufeff\u2028\u2029"
_BREAK = re.compile(r"[\n\r\u2028\u2029]")
_INTEGER = re.compile(r"[0-9][0-9_]*")
_TOKENS = re.compile(r"[\w$\u200c\u200d]+|=>|\S")
_BEFORE_VALUE = frozenset(
    {"await", "break", "case", "continue", "debugger", "default", "delete", "do", "else", "extends", "in"}
    | {"instanceof", "new", "of", "return", "throw", "typeof", "void", "yield"}
)
"""Words that a value or a statement follows."""
_BEFORE_BLOCK = frozenset({"break", "continue", "debugger", "do", "else"})
"""Those of them that a statement follows."""
_RESTRICTED = frozenset({"return", "yield"})
"""Those whose value begins in the same line (ECMA-262 §12.10.1)."""
_HEADS = frozenset({"if", "while", "for", "with"})
"""Words whose parentheses a statement follows."""
_DECLARING = frozenset({"var", "let", "const", "using"})
_VALUES = frozenset({")", "]", "}", '"'})
_IN_EXPRESSION = frozenset({"(", "[", "${"})


@dataclass(slots=True)
class Bracket:
    """An open bracket: ``(``, ``[``, ``{`` or ``${``.

    `gap` is the text before it, and `kind` the token before that, as in `SyntacticContext`. A brace `is_block` unless
    it opens a value; a parenthesis may belong to a `call` that loads a file.
    """

    char: str
    start: int
    gap: str
    kind: str
    is_block: bool = False
    call: Any = None


class SyntacticContext:
    """The open brackets in a text, and the gap: the text between its last token and the next one.

    `kind` is the last token outside of a gap: a bracket, ``"`` for any literal, ``;`` for a complete declaration, empty
    at the start. The gap begins at `end`; `pending` is earlier text that belongs to it. With `has_names`, ``await`` and
    ``yield`` are names. `heads` has the functions and classes whose body follows: the number of open brackets there,
    and whether it is a declaration.
    """

    def __init__(self, text: str, *, has_names: bool = False) -> None:
        self.text = text
        self.brackets: list[Bracket] = []
        self.last_closed = Bracket("", 0, "", "")
        self.heads: list[tuple[int, bool]] = []
        self._before_value = _BEFORE_VALUE - {"await", "yield"} if has_names else _BEFORE_VALUE
        self.kind, self.end, self.pending = "", 0, ""

    def mark(self, end: int, kind: str) -> int:
        """Record a token that ends at `end`. Returns `end`."""
        self.end, self.kind, self.pending = end, kind, ""
        return end

    def keep(self, at: int, end: int) -> int:
        """Add the text from `at` to `end` to the gap, so that it is not read again. Returns `end`."""
        space = self._reduce_space(at) if self.text[at - 1 : at].isspace() else ""
        self.pending, self.end = f"{self.read_gap(at)}{space}{self.text[at:end]}", end
        return end

    def pass_over(self, at: int, end: int) -> int:
        """Leave a comment, from `at` to `end`, out of the gap, except a line break in it. Returns `end`."""
        space = "\n" if _BREAK.search(self.text, at, end) else self._reduce_space(at)
        self.pending, self.end = f"{self.read_gap(at)}{space}", end
        return end

    def read_gap(self, at: int) -> str:
        """Return the end of the gap before `at`, without trailing space."""
        gap = self.text[self.end : at]
        return (self.pending + gap if self.pending else gap).rstrip(_SPACES)[-MAX_GAP_CHARACTERS:]

    def is_after_break(self, at: int) -> bool:
        """Whether there is a line break between the last token, or the gap's text, and `at`."""
        gap = self._read_whole_gap(at)
        return bool(_BREAK.search(gap, len(gap.rstrip(_SPACES))))

    def is_property(self, at: int) -> bool:
        """Whether a word at `at` is the name of a property."""
        gap = self.read_gap(at)
        return gap.endswith((".", "#")) and _is_property([*_TOKENS.findall(gap), ""])

    def _read_whole_gap(self, at: int) -> str:
        return self.pending + self.text[self.end : at] if self.pending else self.text[self.end : at]

    def _reduce_space(self, at: int) -> str:
        return "\n" if self.is_after_break(at) else " "

    def push(self, char: str, at: int, end: int, gap: str, call: Any = None) -> int:
        """Open a bracket at `at`, which ends at `end`. Returns `end`."""
        self.brackets.append(Bracket(char, at, gap, self.kind, False, call))
        self.end, self.kind, self.pending = end, char, ""
        return end

    def push_brace(self, at: int) -> int:
        """Open a brace. Returns the position after it."""
        gap = self.read_gap(at)
        is_block = self._is_declaration_body(gap)
        if is_block is None:
            is_block = self._is_block_start(gap, is_after_break=self.is_after_break(at))
        end = self.push("{", at, at + 1, gap)
        self.brackets[-1].is_block = is_block
        return end

    def open_head(self, at: int) -> None:
        """Record the word ``function`` or ``class`` at `at`, whose body follows."""
        tokens = _TOKENS.findall(self.read_gap(at))
        if tokens[-1:] == ["async"]:
            tokens.pop()
        self.heads.append((len(self.brackets), self._is_statement_start(tokens)))

    def pop(self, char: str, at: int) -> Bracket:
        """Close the innermost bracket, which must be `char`, and return it. Raises UnreadableError."""
        if not self.brackets or self.brackets[-1].char[-1] != char:
            raise UnreadableError(f"{self.text[at]!r} closes nothing", self.text, at)
        self.last_closed = self.brackets.pop()
        return self.last_closed

    def is_regex_start(self, gap: str) -> bool:
        """Whether a slash after this gap begins a regular expression."""
        if not gap:
            return self._is_after_statement_head()
        tokens = _TOKENS.findall(gap)
        last = tokens[-1]
        if _is_name(last):
            return (
                last in self._before_value and not _is_property(tokens) and (last != "of" or self._is_of_a_loop(tokens))
            )
        if gap.endswith(("++", "--")):  # without a line break it belongs to the value before it
            return bool(_BREAK.search(gap, len(gap[:-2].rstrip(_SPACES)))) or not self._is_value_before(tokens[:-2])
        return last != "." or tokens[-2:-1] == ["."]  # 1. / 2

    def _is_after_statement_head(self) -> bool:
        """Whether a value or a statement may begin directly after the last token, a bracket or a literal."""
        if self.kind == ")":
            tokens = _TOKENS.findall(self.last_closed.gap)
            if tokens[-2:] == ["for", "await"]:
                tokens.pop()
            return bool(tokens) and tokens[-1] in _HEADS and not _is_property(tokens)
        return self.last_closed.is_block if self.kind == "}" else self.kind not in _VALUES

    def _is_of_a_loop(self, tokens: list[str]) -> bool:
        """Whether the last token, ``of``, is the keyword: the first one after a value in the head of a loop."""
        bracket = self.brackets[-1] if self.brackets else self.last_closed
        if bracket.char != "(" or _TOKENS.findall(bracket.gap)[-1:] not in (["for"], ["await"]) or ";" in tokens:
            return False
        start = next((index for index, token in enumerate(tokens) if token not in _DECLARING), 0)
        first = start if self.kind in _VALUES else start + 1
        return "of" not in tokens[first:-1] and len(tokens) > first

    def _is_value_before(self, tokens: list[str]) -> bool:
        """Whether a value ends after these tokens, so that ``++`` belongs to it."""
        if not tokens:
            return self.kind in _VALUES
        return _is_name(tokens[-1]) and (tokens[-1] not in self._before_value or _is_property(tokens))

    def _is_declaration_body(self, gap: str) -> bool | None:
        """Whether the brace opens the body of a declared function or class; None if it opens no such body."""
        while self.heads and self.heads[-1][0] > len(self.brackets):
            self.heads.pop()
        if self.heads and self.heads[-1][0] == len(self.brackets) and _TOKENS.findall(gap)[-1:] != ["extends"]:
            return self.heads.pop()[1]
        return None

    def _is_block_start(self, gap: str, *, is_after_break: bool) -> bool:
        """Whether a brace after this gap, outside of functions and classes, opens a block instead of a value."""
        tokens = _TOKENS.findall(gap)
        if not tokens:
            return self.kind not in _IN_EXPRESSION
        last = tokens[-1]
        if last == ":":
            return self._is_label_end(tokens)
        if not _is_name(last):
            is_over = last == ";" and not (
                self.brackets and self.brackets[-1].char == "("
            )  # except in the head of a loop
            return is_over or last == "=>" or gap.endswith(("++", "--"))
        if last not in self._before_value or last in _BEFORE_BLOCK or _is_property(tokens):
            return tokens[-2:] != ["\\", "u"]  # \u{61} in a name
        return is_after_break and last in _RESTRICTED

    def _is_statement_start(self, tokens: list[str]) -> bool:
        """Whether a declaration may begin after these tokens of the gap."""
        if not tokens:
            return self.kind not in _IN_EXPRESSION
        last = tokens[-1]
        if last == ":":
            return self._is_label_end(tokens)
        is_value = _is_name(last) and (last not in self._before_value or _is_property(tokens))  # so the line ends there
        return is_value or last == ";" or last in _BEFORE_BLOCK or last in ("export", "default")

    def _is_label_end(self, tokens: list[str]) -> bool:
        """Whether a colon ends a label or a ``case``, instead of a conditional's first half or a property's name."""
        if self.brackets and not self.brackets[-1].is_block:
            return False
        statement = tokens[len(tokens) - tokens[::-1].index(";") :] if ";" in tokens else tokens
        return "case" in statement or not any(_is_conditional(statement, index) for index in range(len(statement)))


def _is_name(token: str) -> bool:
    return token[0].isalnum() or token[0] in "_$" or token[0] > "\x7f"


def _is_property(tokens: list[str]) -> bool:
    """Whether the last token is a property's name: after a dot that is neither a number's nor part of ``...``."""
    if tokens[-2:-1] != ["."]:
        return tokens[-2:-1] == ["#"]
    is_number = bool(tokens[-3:-2]) and _INTEGER.fullmatch(tokens[-3]) is not None and tokens[-4:-3] != ["."]
    return not is_number and tokens[-4:-1] != [".", ".", "."]


def _is_conditional(tokens: list[str], index: int) -> bool:
    """Whether a token is the question mark of a conditional, instead of that of ``?.`` or ``??``."""
    if tokens[index] != "?" or "?" in (tokens[index - 1 : index] + tokens[index + 1 : index + 2]):
        return False
    following = tokens[index + 1 : index + 3]
    return following[:1] != ["."] or (len(following) > 1 and following[1][0].isdigit())  # a ?.5 : b
