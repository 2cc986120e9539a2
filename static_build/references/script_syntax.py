"""Where a script stands, as far as that decides what a slash or a brace is.

Rule: a slash begins a regular expression where a value or a statement may begin, and divides elsewhere; a brace opens a
block or a value, after which the same question has different answers (ECMA-262 §12: the lexical goal depends on the
syntax). `Syntax` keeps the open brackets and what stands before the next token, as little of it as is needed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from static_build.references.reference import UnreadableError

LONGEST_GAP = 200
"""Characters before a bracket or a slash that decide what it is."""
_SPACES = " \t\n\r\v\f\xa0\ufeff\u2028\u2029"
_TOKENS = re.compile(r"[\w$\u200c\u200d]+|=>|\S")
_BEFORE_VALUE = frozenset(
    {"await", "break", "case", "continue", "debugger", "default", "delete", "do", "else", "extends", "in"}
    | {"instanceof", "new", "of", "return", "throw", "typeof", "void", "yield"}
)
"""Words that a value follows, or a statement."""
_HEADS = frozenset({"if", "while", "for", "with"})
"""Words whose parentheses a statement follows."""
_OPENS_VALUE = frozenset({"", "(", "[", "{", "${"})
_IN_EXPRESSION = frozenset({"(", "[", "${"})


@dataclass(slots=True)
class Bracket:
    """An open bracket: ``(``, ``[``, ``{`` or ``${``.

    `gap` is what stands before it, and `kind` the token before that, as `Syntax` has them. A brace `is_block` if it
    opens no value; a parenthesis may belong to a `call` that loads something.
    """

    char: str
    start: int
    gap: str
    kind: str
    is_block: bool = False
    call: Any = None


class Syntax:
    """The brackets that are open in a text, and what stands between its last token and the next one: the gap.

    `kind` is the last token that is no part of a gap: a bracket, ``"`` for any literal, nothing at the start. The gap
    begins at `end`, and `pending` is what came before that and belongs to it.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.brackets: list[Bracket] = []
        self.closed = Bracket("", 0, "", "")
        self.kind, self.end, self.pending = "", 0, ""

    def mark(self, end: int, kind: str) -> int:
        """Note a token that ends at `end`, and return that."""
        self.end, self.kind, self.pending = end, kind, ""
        return end

    def keep(self, at: int, end: int) -> int:
        """Make what stands from `at` to `end` a part of the gap, so that it is not read again. Returns `end`."""
        space = " " if self.text[at - 1 : at].isspace() else ""
        self.pending, self.end = f"{self.gap(at)}{space}{self.text[at:end]}", end
        return end

    def pass_over(self, at: int, end: int) -> int:
        """Leave a comment, from `at` to `end`, out of the gap. Returns `end`."""
        self.pending, self.end = f"{self.gap(at)} ", end
        return end

    def gap(self, at: int) -> str:
        """Return the end of the gap before `at`, without space behind it."""
        gap = self.pending + self.text[self.end : at] if self.pending else self.text[self.end : at]
        return gap.rstrip(_SPACES)[-LONGEST_GAP:]

    def push(self, char: str, at: int, end: int, gap: str, call: Any = None) -> int:
        """Open a bracket at `at`, which ends at `end`. Returns `end`."""
        self.brackets.append(Bracket(char, at, gap, self.kind, call=call))
        return self.mark(end, char)

    def push_brace(self, at: int) -> int:
        """Open a brace. Returns where it ends."""
        gap = self.gap(at)
        is_block = self._opens_block(gap)
        end = self.push("{", at, at + 1, gap)
        self.brackets[-1].is_block = is_block
        return end

    def pop(self, char: str, at: int) -> Bracket:
        """Close the bracket `char`, which `closed` is then. Raises UnreadableError."""
        if not self.brackets or self.brackets[-1].char[-1] != char:
            raise UnreadableError(f"{self.text[at]!r} closes nothing", self.text, at)
        self.closed = self.brackets.pop()
        return self.closed

    def begins_regex(self, gap: str) -> bool:
        """Whether a slash after this gap begins a regular expression."""
        if not gap:
            return self._follows_statement_head()
        tokens = _TOKENS.findall(gap)
        last = tokens[-1]
        if _is_name(last):
            return last in _BEFORE_VALUE and not _is_property(tokens) and (last != "of" or self._is_in_head_of_for())
        if gap.endswith(("++", "--")):
            return not self._is_value_before(tokens[:-2])
        return last != "." or tokens[-2:-1] == ["."]  # 1. / 2

    def _follows_statement_head(self) -> bool:
        """Whether a value or a statement may begin right behind the last token, a bracket or a literal."""
        if self.kind == ")":
            tokens = _TOKENS.findall(self.closed.gap)
            if tokens[-2:] == ["for", "await"]:
                tokens.pop()
            return bool(tokens) and tokens[-1] in _HEADS and not _is_property(tokens)
        return self.closed.is_block if self.kind == "}" else self.kind in _OPENS_VALUE

    def _is_in_head_of_for(self) -> bool:
        bracket = self.brackets[-1] if self.brackets else self.closed
        return bracket.char == "(" and _TOKENS.findall(bracket.gap)[-1:] in (["for"], ["await"])

    def _is_value_before(self, tokens: list[str]) -> bool:
        """Whether a value ends after these tokens, so that ``++`` belongs to it."""
        if not tokens:
            return self.kind in (")", "]", "}", '"')
        return _is_name(tokens[-1]) and tokens[-1] not in _BEFORE_VALUE

    def _opens_block(self, gap: str) -> bool:
        """Whether a brace after this gap opens a block or the body of a declaration: not a value."""
        tokens = _TOKENS.findall(gap)
        if not tokens:
            return self._opens_body(self.closed) if self.kind == ")" else self.kind not in _IN_EXPRESSION
        last = tokens[-1]
        if last == ":":
            return self._ends_label(tokens)
        if not _is_name(last):
            return last in (";", "=>")
        start = _last_index(tokens, "class")
        if start is not None:
            return self._begins_statement(tokens[:start], self.kind)
        is_escape = tokens[-2:] == ["\\", "u"]  # \u{61} in a name
        return not is_escape and (last in ("do", "else") or last not in _BEFORE_VALUE or _is_property(tokens))

    def _opens_body(self, parentheses: Bracket) -> bool:
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
        if self.brackets and not self.brackets[-1].is_block:
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
