"""The candidates for reading references, each as one function: text in, targets out.

Rule: each is used as its documentation says. A query finds nodes in a tree of tree-sitter, and Python walks the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import tinycss2
import tree_sitter_css
import tree_sitter_javascript
from tree_sitter import Language, Node, Parser, Query, QueryCursor

from static_host_build.references import Reference, UnreadableError, css_references, javascript_references

Reader = Callable[[str], list[str] | None]
"""Returns the targets in a text, or None if it refuses the text."""

_JAVASCRIPT = """
(import_statement source: (string) @source)
(export_statement source: (string) @source)
(call_expression function: [(import) (member_expression)] @called arguments: (arguments) @arguments)
(new_expression constructor: (_) @called arguments: (arguments) @arguments)
"""
_CSS = """
(import_statement . (_) @literal)
(call_expression (function_name) @name (arguments) @arguments)
"""


def read_javascript(text: str) -> list[str] | None:
    """Read a script with the build's own lexer."""
    return _read(javascript_references.find_references, text)


def read_css(text: str) -> list[str] | None:
    """Read a stylesheet with the build's own lexer."""
    return _read(css_references.find_references, text)


def _read(reader: Callable[[str], list[Reference]], text: str) -> list[str] | None:
    try:
        return [text[each.start : each.end] for each in reader(text) if not each.is_source_map]
    except UnreadableError:
        return None


class TreeSitterJavaScript:
    """tree-sitter with its grammar of JavaScript, and a query for references to other files."""

    def __init__(self) -> None:
        language = Language(tree_sitter_javascript.language())
        self._parser = Parser(language)
        self._query = Query(language, _JAVASCRIPT)

    def __call__(self, text: str) -> list[str]:
        """Return the targets of all references, as they are written."""
        tree = self._parser.parse(text.encode())
        found = []
        for _, captures in QueryCursor(self._query).matches(tree.root_node):
            found += captures.get("source", ())
            for called, arguments in zip(captures.get("called", ()), captures.get("arguments", ()), strict=True):
                found += _iter_loaded_literals(
                    called, [node for node in arguments.named_children if node.type != "comment"]
                )
        return [_get_text(node)[1:-1] for node in sorted(found, key=lambda node: node.start_byte)]


def _iter_loaded_literals(called: Node, arguments: list[Node]) -> Iterator[Node]:
    """Yield the literals that a call loads, or from which it makes a URL."""
    name = _join_name(called)
    is_url = name in ("URL", "globalThis.URL", "window.URL", "self.URL")
    is_known = len(arguments) == 2 and _join_name(arguments[1]) == "import.meta.url" if is_url else bool(arguments)
    if is_known and (is_url or name in ("import", "import.meta.resolve")):
        yield from _iter_literals(arguments[0])


def _join_name(node: Node) -> str:
    """Return the text of a name without comments and spaces."""
    if not node.children:
        return "" if node.type == "comment" else _get_text(node)
    return "".join(map(_join_name, node.children))


class TreeSitterCSS:
    """tree-sitter with its grammar of CSS."""

    def __init__(self) -> None:
        language = Language(tree_sitter_css.language())
        self._parser = Parser(language)
        self._query = Query(language, _CSS)

    def __call__(self, text: str) -> list[str]:
        """Return the targets of all references, as they are written."""
        tree = self._parser.parse(text.encode())
        found: dict[int, str] = {}
        for _, captures in QueryCursor(self._query).matches(tree.root_node):
            for node in captures.get("literal", ()):
                if node.type == "string_value":
                    found[node.start_byte] = _get_text(node)[1:-1]
            names = [_get_text(node).lower() for node in captures.get("name", ())]
            wanted = {"url", "image-set", "-webkit-image-set"}.intersection(names)
            for node in captures.get("arguments", ()) if wanted else ():
                for child in node.named_children:
                    if child.type in ("string_value", "plain_value"):
                        value = _get_text(child)
                        found[child.start_byte] = value[1:-1] if value[:1] in "\"'" else value
        return [found[start] for start in sorted(found)]


def read_css_with_tinycss2(text: str) -> list[str]:
    """Walk tinycss2's component values (CSS Syntax Level 3), except the preludes of at-rules."""
    return list(_iter_targets(tinycss2.parse_component_value_list(text)))


def _iter_targets(values: list[tinycss2.ast.Node], function: str = "", rule: str | None = None) -> Iterator[str]:
    is_first = False
    for value in values:
        kind = value.type
        if kind == "at-keyword":
            rule, is_first = value.lower_value, True
            continue
        if kind in ("whitespace", "comment"):
            continue
        counts = rule is None or (rule == "import" and is_first)
        if kind == "literal" and value.value == ";":
            rule = None
        elif (kind == "url" and counts) or (kind == "string" and _is_target(function, rule, is_first)):
            yield value.value
        elif kind == "function":
            of_url = value.lower_name == "url" and counts
            yield from _iter_targets(value.arguments, value.lower_name, None if of_url else rule)
        elif kind in ("{} block", "() block", "[] block"):
            yield from _iter_targets(value.content, "", None if kind == "{} block" else rule)
            rule = None if kind == "{} block" else rule
        is_first = False


def _is_target(function: str, rule: str | None, is_first: bool) -> bool:
    if rule is not None:
        return rule == "import" and is_first
    return function in ("url", "image-set", "-webkit-image-set")


def _iter_literals(node: Node) -> Iterator[Node]:
    if node.type in ("string", "template_string"):
        if not any(child.type == "template_substitution" for child in node.children):
            yield node
    elif node.type == "ternary_expression":
        for field in ("consequence", "alternative"):
            yield from _iter_literals(node.child_by_field_name(field))
    elif node.type == "parenthesized_expression":
        for child in node.named_children:
            yield from _iter_literals(child)


def _get_text(node: Node) -> str:
    return str(node.text, "utf-8")
