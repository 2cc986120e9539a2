"""The ``{% compress %}`` blocks of Jinja templates, in environments with django-compressor's extension.

Rule: a block is rendered with the names that its template sets, imports or defines at the top, and those that are set
around the block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.template import engines
from django.template.utils import InvalidTemplateEngineError

EXTENSION = "compressor.contrib.jinja2ext.CompressorExtension"
Render = Callable[[dict[str, Any]], set[str]]
"""Renders a block with the given names, and returns the missing ones."""


def list_jinja_environments() -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Yield the environments of the engines, with their context processors, and COMPRESS_JINJA2_GET_ENVIRONMENT's."""
    environments = {
        id(engine.env): (engine.env, tuple(getattr(engine, "template_context_processors", ())))
        for engine in engines.all()
        if hasattr(engine, "env")
    }
    with suppress(InvalidTemplateEngineError, ImportError, AttributeError):
        named_one = settings.COMPRESS_JINJA2_GET_ENVIRONMENT()
        environments.setdefault(id(named_one), (named_one, ()))
    yield from environments.values()


def find_jinja_blocks(environment: Any) -> Iterator[tuple[str, int, Render]]:
    """Yield file, line and renderer of each block in the environment's templates."""
    if EXTENSION not in environment.extensions:
        return
    from jinja2 import TemplateError, nodes

    for name in environment.list_templates():
        try:
            source, file, _ = environment.loader.get_source(environment, name)
            tree = environment.parse(source, name, file) if "compress" in source else nodes.Template([])
        except (TemplateError, UnicodeDecodeError):  # not a template, or one that would fail in a request, too
            continue
        found = [node for node in tree.body if isinstance(node, _list_definition_types())]
        top = [node for node in tree.body if isinstance(node, _list_definition_types() + _list_assignment_types())]
        for block in tree.find_all(nodes.CallBlock):
            callee = getattr(block.call, "node", None)
            if isinstance(callee, nodes.ExtensionAttribute) and callee.identifier == EXTENSION:
                bodies = [[*found, *_enclose_block(tree.body, block)], [*top, block], [block]]
                trees = [nodes.Template(body) for body in bodies]
                yield file or name, block.lineno, _make_renderer(environment, trees, name)


def _list_definition_types() -> tuple[type, ...]:
    from jinja2 import nodes

    return nodes.Import, nodes.FromImport, nodes.Macro


def _list_assignment_types() -> tuple[type, ...]:
    from jinja2 import nodes

    return nodes.Assign, nodes.AssignBlock


def _enclose_block(body: list[Any], block: Any) -> list[Any]:
    """Return the block in its loops and ``with`` tags, each after the assignments before it."""
    from jinja2 import nodes

    for number, node in enumerate(body):
        if node is block:
            inner = [block]
        elif any(each is block for each in node.find_all(nodes.CallBlock)):
            lists = [part for _, part in node.iter_fields() if isinstance(part, list)]
            inner = next(found for part in lists if (found := _enclose_block(part, block)))
            if isinstance(node, nodes.For) and not _enclose_block(node.else_, block):
                inner = [nodes.For(node.target, node.iter, inner, [], node.test, node.recursive, lineno=node.lineno)]
            elif isinstance(node, nodes.With):
                inner = [nodes.With(node.targets, node.values, inner, lineno=node.lineno)]
        else:
            continue
        return [*(each for each in body[:number] if isinstance(each, _list_assignment_types())), *inner]
    return []


class _Block(dict[str, Any]):
    """The context of a block: the missing names, and whether the block was rendered."""

    def __init__(self) -> None:
        super().__init__()
        self.missing: set[str] = set()
        self.is_inside = self.is_rendered = False

    def render(self, caller: Callable[[], str]) -> None:
        """Render the contents of the block, and store them where the extension reads them."""
        self.is_inside = self.is_rendered = True
        try:
            self["original_content"] = caller()
        finally:
            self.is_inside = False


def _make_renderer(environment: Any, trees: list[Any], name: str) -> Render:
    """Return a function that renders the first of the trees in which the block has all its names."""
    from jinja2 import Template

    block = _Block()
    recording = environment.overlay(undefined=_make_undefined_type(block))
    tag = recording.extensions[EXTENSION]  # the overlay's own

    def compress(kind: str, mode: str, basename: str | None, caller: Any, forced: bool) -> Any:
        block.render(caller)
        return tag.render_compressed(block, kind, mode or "file", basename, forced=forced)

    tag._compress = compress

    def render(given: dict[str, Any]) -> set[str]:
        missing: set[str] = set()
        errors: list[Exception] = []
        for tree in trees:
            block.missing.clear()
            block.is_rendered = False
            try:
                Template.from_code(recording, recording.compile(tree, name), {**environment.globals}).render(given)
            except Exception as error:
                errors += [] if block.missing else [error]
            else:
                if block.is_rendered and not block.missing:
                    return set()
            missing = missing or set(block.missing)
        if errors and not missing:
            raise errors[0]
        return missing

    return render


def _make_undefined_type(block: _Block) -> type:
    """Return a type for Jinja's undefined names that records their use in the block."""
    from jinja2 import ChainableUndefined
    from jinja2.utils import missing as absent

    class RecordingUndefined(ChainableUndefined):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._record()

        def _record(self) -> None:
            if block.is_inside and self._undefined_obj is absent:
                block.missing.add(str(self._undefined_name))

        def __str__(self) -> str:
            self._record()
            return super().__str__()

        def __iter__(self) -> Iterator[Any]:
            self._record()
            return super().__iter__()

        def __bool__(self) -> bool:
            self._record()
            return super().__bool__()

    return RecordingUndefined
