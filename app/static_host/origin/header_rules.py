"""The rules of a file `_headers`, in the format of Netlify and Cloudflare Pages: which files get which header fields.

Rule: a line that begins with a slash is a path pattern, and the lines below it are its fields: ``Name: value`` sets a
field, ``! Name`` removes it, ``#`` begins a comment. In a pattern ``*`` matches anything, once, and ``:name`` anything
but a slash; a value may have what they matched, as ``:splat`` and ``:name``. All rules that match add up, in their
order. A rule first removes fields, also those of rules above it, then sets its own. A second value joins the first with
a comma; for a field that is no list, that is an error.

A file has several paths: below the prefix, perhaps at ``/``, and those of the name that it has without its fingerprint.
A rule holds if it matches one of them. But a lifetime that is meant for the latter is not that of the former.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from static_host.origin.own_fields import SINGLE_VALUE_NAMES, explain_invalid_field

FILE_NAME = "_headers"
"""The name of the file at the top of a tree, which is not served."""
_PATTERN_PART = re.compile(r"(\*|:[A-Za-z][A-Za-z0-9_]*)")
_PLACEHOLDER = re.compile(r":([A-Za-z][A-Za-z0-9_]*)")
_MAX_LINE_CHARACTERS = 10_000
_SPLAT = "splat"


class InvalidHeaderRulesError(ValueError):
    """Lines of the file cannot be used; `problems` are their numbers, each with what is wrong as a sentence."""

    def __init__(self, problems: Sequence[tuple[int, str]]) -> None:
        super().__init__("; ".join(f"line {line}: {text}" for line, text in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class _Field:
    """A line that sets a field, or removes it if `value` is None."""

    line: int
    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class _Rule:
    """A path pattern, as it is written, and its fields."""

    line: int
    text: str
    fields: list[_Field]


class HeaderRules:
    """The rules of one file. Raises InvalidHeaderRulesError, with all lines that cannot be used."""

    def __init__(self, text: str) -> None:
        rules, problems = _parse_lines(text.removeprefix("\ufeff"))
        self._patterns: list[tuple[_Rule, re.Pattern[str]]] = []
        for rule in rules:
            try:
                self._patterns.append((rule, _compile_pattern(rule.text)))
            except ValueError as error:
                problems.append((rule.line, str(error)))
        problems = problems or [(rule.line, "the path has no fields below it") for rule in rules if not rule.fields]
        if problems:
            raise InvalidHeaderRulesError(sorted(problems))
        self._matched: set[int] = set()

    def select(self, paths: Iterable[str], unversioned: Iterable[str] = ()) -> dict[str, str | None]:
        """Return the fields of a file, by names in lower case; None removes the server's field.

        `paths` are its URL paths, decoded; `unversioned` those of the name without its fingerprint. Raises
        InvalidHeaderRulesError if a field has two values that cannot be joined, or too long ones.
        """
        chosen: dict[str, _Field] = {}
        own, others = tuple(paths), tuple(unversioned)
        for rule, pattern in self._patterns:
            match = _match_first(pattern, own)
            is_own = match is not None
            match = match or _match_first(pattern, others)
            if match is None:
                continue
            self._matched.add(rule.line)
            for field in sorted(rule.fields, key=lambda field: field.value is not None):
                name = field.name.lower()
                if is_own or name != "cache-control":
                    value = field.value and _insert_matched(field.value, match)
                    chosen[name] = _add_field(chosen.get(name), _Field(field.line, field.name, value), match.string)
        for field in chosen.values():  # what a pattern has matched, and other values, may have been added
            problem = explain_invalid_field(field.name, field.value)
            if problem:
                raise InvalidHeaderRulesError([(field.line, problem)])
        return {name: field.value for name, field in chosen.items()}

    def list_unmatched(self) -> list[tuple[int, str]]:
        """Return line and pattern of each rule that has matched no file so far."""
        return [(rule.line, rule.text) for rule, _ in self._patterns if rule.line not in self._matched]


def _parse_lines(text: str) -> tuple[list[_Rule], list[tuple[int, str]]]:
    """Return the rules, and what is wrong with fields, by number of the line."""
    rules: list[_Rule] = []
    problems: list[tuple[int, str]] = []
    for number, line in enumerate(map(str.strip, text.split("\n")), 1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("/") or "://" in line.split()[0]:
            rules.append(_Rule(number, line, []))
        elif not rules:
            problems.append((number, "a field has to follow a path, which begins with a slash"))
        else:
            try:
                rules[-1].fields.append(_parse_field(number, line))
            except ValueError as error:
                problems.append((number, str(error)))
    return rules, problems


def _compile_pattern(text: str) -> re.Pattern[str]:
    """Return a pattern for decoded URL paths. Raises ValueError."""
    if len(text) > _MAX_LINE_CHARACTERS:
        raise ValueError(f"the path has more than {_MAX_LINE_CHARACTERS} characters")
    if not text.startswith("/"):
        raise ValueError("a path has no scheme and no host: it begins with a slash")
    if "?" in text or "#" in text or len(text.split()) > 1:
        raise ValueError("a path has no query, no fragment and no space; write %3F, %23 or %20 for one in a file name")
    literals, wildcards = _PATTERN_PART.split(text)[::2], _PATTERN_PART.split(text)[1::2]
    names = [_SPLAT if part == "*" else part[1:] for part in wildcards]
    if len(set(names)) < len(names):
        raise ValueError("a path has one * at most, and one placeholder of each name")
    if any(len(_PATTERN_PART.findall(part)) > 1 + part.count("*") for part in text.split("/")):
        raise ValueError("a path has one placeholder at most between two slashes")
    groups = [f"(?P<{name}>{'.*' if part == '*' else '[^/]+'})" for name, part in zip(names, wildcards, strict=True)]
    parts = [re.escape(unquote(literal)) + group for literal, group in zip(literals, [*groups, ""], strict=True)]
    return re.compile("".join(parts), re.DOTALL)


def _parse_field(number: int, text: str) -> _Field:
    """Return the field of a line. Raises ValueError."""
    if text.startswith("!"):
        name, value = text[1:].strip(), None
    else:
        name, colon, rest = text.partition(":")
        if not colon:
            raise ValueError("expected `Name: value`, `! Name`, or a path that begins with a slash")
        name, value = name.strip(), rest.strip()
    problem = explain_invalid_field(name, value)
    if problem:
        raise ValueError(problem)
    return _Field(number, name, value)


def _match_first(pattern: re.Pattern[str], paths: Iterable[str]) -> re.Match[str] | None:
    return next((match for match in map(pattern.fullmatch, paths) if match), None)


def _insert_matched(value: str, match: re.Match[str]) -> str:
    """Return the value of a field with what the pattern has matched, percent-encoded."""
    known = match.groupdict()
    return _PLACEHOLDER.sub(lambda found: quote(known[found[1]]) if found[1] in known else found[0], value)


def _add_field(earlier: _Field | None, field: _Field, path: str) -> _Field:
    """Return a field with the value that it has from a rule before. Raises InvalidHeaderRulesError."""
    if earlier is None or earlier.value is None or field.value is None or earlier.value == field.value:
        return field
    if field.name.lower() in SINGLE_VALUE_NAMES:
        problem = f"{field.name} has another value for {path} in line {earlier.line}, and is no list"
        remedy = f"Write `! {field.name}` above it to replace that"
        raise InvalidHeaderRulesError([(field.line, f"{problem}. {remedy}")])
    return _Field(field.line, field.name, f"{earlier.value}, {field.value}")
