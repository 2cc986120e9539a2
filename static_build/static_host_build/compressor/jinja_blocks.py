"""The ``{% compress %}`` blocks of Jinja's templates, where an environment has django-compressor's extension.

Rule: a block is rendered by itself, with what its template sets, imports or defines at its top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

EXTENSION = "compressor.contrib.jinja2ext.CompressorExtension"
Render = Callable[[dict[str, Any]], set[str]]
"""Renders a block with the names that are given, and returns those that it asked for in vain."""


def jinja_blocks(environment: Any) -> Iterator[tuple[str, int, Render]]:
    """Yield file, line and the block, for each block of the environment's templates."""
    if EXTENSION not in environment.extensions:
        return
    from jinja2 import TemplateError, nodes

    for name in environment.list_templates():
        try:
            source, file, _ = environment.loader.get_source(environment, name)
            tree = environment.parse(source, name, file) if "compress" in source else nodes.Template([])
        except (TemplateError, UnicodeDecodeError):  # no template, or one that fails at a request, too
            continue
        kinds = (nodes.Assign, nodes.Import, nodes.FromImport, nodes.Macro)
        top = [node for node in tree.body if isinstance(node, kinds)]
        for block in tree.find_all(nodes.CallBlock):
            callee = getattr(block.call, "node", None)
            if isinstance(callee, nodes.ExtensionAttribute) and callee.identifier == EXTENSION:
                yield file or name, block.lineno, _renderer(environment, nodes.Template([*top, block]), name)


def _renderer(environment: Any, tree: Any, name: str) -> Render:
    from jinja2 import Template, Undefined
    from jinja2.utils import missing as absent

    missing: set[str] = set()

    class Noting(Undefined):
        """Notes a name that nobody has given."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            if self._undefined_obj is absent:
                missing.add(str(self._undefined_name))

    noting = environment.overlay(undefined=Noting)

    def render(given: dict[str, Any]) -> set[str]:
        missing.clear()
        try:
            Template.from_code(noting, noting.compile(tree, name), {**environment.globals}).render(given)
        except Exception:
            if not missing:
                raise
        return missing

    return render
