"""The ``{% compress %}`` blocks of a project's templates, rendered without a request.

Rule: each block is rendered in each template that contains, extends or includes it, for each language and each context
of COMPRESS_OFFLINE_CONTEXT. It has the names that context processors give without a request, and those of the tags
around it. A block that uses another name, the request or the database is a problem, because each request could give it
another value. It is no problem if all its missing names come from the templates that include its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from traceback import format_exception_only
from typing import Any

from compressor.cache import get_offline_hexdigest
from compressor.offline.django import DjangoParser
from compressor.templatetags.compress import CompressorMixin, CompressorNode
from django.conf import settings
from django.template import Context, Template, engines
from django.template.backends.django import DjangoTemplates
from django.template.defaulttags import ForNode
from django.template.library import InclusionNode
from django.template.loader_tags import IncludeNode
from django.utils import translation

from static_host_django.compressor import make_key
from static_host_django.compressor_blocks.jinja_blocks import find_jinja_blocks, list_jinja_environments
from static_host_django.compressor_blocks.template_context import (
    RequestRequiredError,
    forbid_database,
    list_languages,
    list_template_names,
    make_context_reader,
    restore_plain_names,
)

_PACKAGE_FOLDERS = {"site-packages", "dist-packages"}
_LIBRARY_MODULES = ("compressor.", "django.template", "jinja2.")
"""Modules whose exceptions describe an error in a template; others are reported with their traceback."""
_VARIABLE_ATTRIBUTES = ("asvar", "target_var", "varname", "var_name", "variable_name", "variable")
"""Attributes in which nodes of Django's own tags, and of `simple_tag`, keep the name that they set."""


@dataclass(frozen=True, slots=True, order=True)
class BlockProblem:
    """A block that cannot be rendered: its template and line, the template that was rendered, and the reason."""

    file: str
    line: int
    rendered_file: str
    reason: str
    is_unknown: bool = False
    """Whether the block needs a value that only a request has."""

    def __str__(self) -> str:
        via = "" if self.rendered_file == self.file else f" (in {self.rendered_file})"
        return f"{self.file}, line {self.line}{via}: {self.reason}"

    @property
    def is_installed(self) -> bool:
        """Whether the block is in an installed package, which the project cannot change."""
        return not _PACKAGE_FOLDERS.isdisjoint(Path(self.file).parts)


class _RecordingContext(Context):
    """A context that records the names that a template uses and that are not defined."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(dict(values))
        self.missing: set[str] = set()

    def __getitem__(self, key: Any) -> Any:
        try:
            return super().__getitem__(key)
        except KeyError:
            self.missing.add(key)
            raise


class BlockRenderer:
    """Renders all blocks; `manifest` has the result for each, by a key of its content.

    It has the keys of this program for the running project, and those of django-compressor's own offline mode.
    """

    def __init__(self, contexts: list[dict[str, Any]]) -> None:
        self.manifest: dict[str, str] = {}
        self._contexts = contexts
        self.exceptions: list[Exception] = []
        self._problems: set[BlockProblem] = set()
        self._rendered: set[tuple[str, int]] = set()

    @property
    def problems(self) -> list[BlockProblem]:
        """The problems, except those of a template rendered alone if a template that includes it renders the block."""
        own = (p for p in self._problems if p.rendered_file != p.file or (p.file, p.line) not in self._rendered)
        return sorted(own)

    def render(self) -> None:
        """Render the blocks of all templates, which writes their files."""
        with forbid_database(), self._patch_render_compressed():
            for engine in engines.all():
                if isinstance(engine, DjangoTemplates):
                    self._render_django(engine)
            for environment, processors in list_jinja_environments():
                self._render_jinja(environment, processors)

    def _render_django(self, engine: Any) -> None:
        values = make_context_reader(engine.engine.template_context_processors, self._contexts)
        for name in list_template_names(engine.engine):
            for loader in engine.engine.template_loaders:
                loader.reset()  # compressor changes the templates that it walks
            try:
                template = engine.engine.get_template(name)
            except Exception:  # noqa: S112 - it would fail in a request, too; and many are never used
                continue
            self._render_template(template, values)

    def _render_template(self, template: Template, values: Callable[[], list[dict[str, Any]]]) -> None:
        for language in list_languages():
            with translation.override(language):
                for given in values():
                    context = _RecordingContext(given)
                    context.template = template
                    is_without = True
                    for node, scope in _iterate_blocks(template, template, context, ()):
                        self._render_node(node, template, scope)
                        is_without = False
                    if is_without:
                        return

    def _render_node(self, node: Any, template: Template, context: _RecordingContext) -> None:
        context.missing.clear()
        with self._record_problems(_locate_block(node), _format_path(template.origin.name)), context.push():
            try:
                node.render(context)
            finally:
                _refuse_missing(context.missing)  # also if rendering fails

    def _render_jinja(self, environment: Any, processors: tuple[Any, ...]) -> None:
        values = make_context_reader(processors, self._contexts)
        for file, line, render in find_jinja_blocks(environment):
            for language in list_languages():
                with translation.override(language):
                    for given in values():
                        with self._record_problems((_format_path(file), line), _format_path(file)):
                            _refuse_missing(render(given))

    @contextmanager
    def _record_problems(self, place: tuple[str, int], start: str) -> Iterator[None]:
        """Record an exception as a problem of the block at a place. Also keep exceptions of the project's own tags."""
        try:
            yield
        except RequestRequiredError as error:
            self._problems.add(BlockProblem(*place, start, str(error), is_unknown=True))
        except Exception as error:
            is_library = type(error).__module__.startswith(_LIBRARY_MODULES)
            self._problems.add(
                BlockProblem(*place, start, str(error) if is_library else format_exception_only(error)[-1].strip())
            )
            if not is_library and not isinstance(error, OSError):
                self.exceptions.append(error)
        else:
            self._rendered.add(place)

    @contextmanager
    def _patch_render_compressed(self) -> Iterator[None]:
        compress = CompressorMixin.render_compressed

        def render_compressed(
            block: Any, context: Any, kind: str, mode: str, name: str | None = None, *_: Any, **__: Any
        ) -> str:
            content = block.get_original_content(context)
            key = make_key(settings, block, kind, mode, name, content)
            missing = getattr(context, "missing", None)
            if key not in self.manifest and not missing:
                made = compress(block, context, kind, mode, name, forced=bool(settings.COMPRESS_ENABLED))
                self.manifest[key] = made.replace(str(settings.COMPRESS_URL), settings.COMPRESS_URL_PLACEHOLDER)
                for own in map(get_offline_hexdigest, (content, restore_plain_names(content))):
                    self.manifest.setdefault(own, self.manifest[key])
            if getattr(block, "token", None) and not missing:
                self._rendered.add(_locate_block(block))
            return self.manifest.get(key, "")

        CompressorMixin.render_compressed = render_compressed
        try:
            yield
        finally:
            CompressorMixin.render_compressed = compress


def _refuse_missing(missing: set[str]) -> None:
    if missing:
        raise RequestRequiredError(f"it uses {', '.join(sorted(missing))}")


def _iterate_blocks(
    node: Any, template: Template, context: _RecordingContext, including: tuple[str, ...]
) -> Iterator[tuple[Any, _RecordingContext]]:
    """Yield the blocks below a node, each with the context that the tags around it set."""
    for child in _list_children(node, template, context):
        if isinstance(child, CompressorNode):
            yield child, context
            continue
        _set_variable(child, context)
        included = _find_included_template(child, context)
        for bound in _list_iterations(child, context):
            scope: Any = context.new() if getattr(child, "isolated_context", False) else context
            with scope.push(**bound):
                if included is None:
                    yield from _iterate_blocks(child, template, scope, including)
                elif included.origin.name not in including:
                    with scope.render_context.push_state(included):
                        yield from _iterate_blocks(included, template, scope, (*including, included.origin.name))


def _list_children(node: Any, template: Template, context: _RecordingContext) -> list[Any]:
    """Return the child nodes; for a template that extends another one, the other's nodes with its own blocks."""
    try:
        return list(DjangoParser(charset="utf-8").get_nodelist(node, template, context))
    except Exception:  # only a request decides which template it extends, or that is missing
        return list(node.nodelist)


def _list_iterations(node: Any, context: _RecordingContext) -> Iterator[dict[str, Any]]:
    """Yield the names that a tag sets for its contents, once for each time that it renders them."""
    items: list[Any] = []
    if isinstance(node, ForNode):
        sequence: Any = node.sequence
        context.missing.clear()
        with suppress(Exception):
            items = list(sequence.resolve(context))
        items = [] if context.missing else items[::-1] if node.is_reversed else items
    for number, item in enumerate(items):
        values = item if len(node.loopvars) > 1 and hasattr(item, "__iter__") else [item]
        count = {"counter0": number, "counter": number + 1, "revcounter": len(items) - number}
        ends = {"first": number == 0, "last": number + 1 == len(items), "revcounter0": len(items) - number - 1}
        loop = {"forloop": count | ends | {"parentloop": context.get("forloop", {})}}
        yield dict(zip(node.loopvars, values, strict=False)) | loop
    if not items:  # only a request has its items, or there are none
        yield _resolve_bound_names(node, context)


def _resolve_bound_names(node: Any, context: _RecordingContext) -> dict[str, Any]:
    """Return the names that a tag sets for its contents: ``with``, and ``include`` with values."""
    bound = {}
    for name, expression in getattr(node, "extra_context", {}).items():
        context.missing.clear()
        with suppress(Exception):
            value = expression.resolve(context)
            if not context.missing:
                bound[name] = value
    return bound


def _set_variable(node: Any, context: _RecordingContext) -> None:
    """Render a tag that sets a name for the nodes after it, as ``{% static "x.css" as name %}`` does."""
    name = next((name for each in _VARIABLE_ATTRIBUTES if isinstance(name := getattr(node, each, None), str)), None)
    if isinstance(node, InclusionNode):  # renders the blocks of its template with the names that it sets
        context.missing.clear()
        with suppress(Exception), context.push():
            node.render(context)
    elif name and not getattr(node, "nodelist", None):
        context.missing.clear()
        with suppress(Exception):
            node.render(context)
        if context.missing:
            context.dicts[-1].pop(name, None)


def _find_included_template(node: Any, context: _RecordingContext) -> Any:
    """Return the template that a tag includes; None if it includes none, or only a request decides which."""
    if not isinstance(node, IncludeNode):
        return None
    with suppress(Exception):
        template = node.template.resolve(context)
        engine: Any = context.template and context.template.engine
        return template if hasattr(template, "render") else engine.get_template(template)
    return None


def _locate_block(node: Any) -> tuple[str, int]:
    return _format_path(node.origin.name), node.token.lineno


def _format_path(file: str) -> str:
    path = Path(file + "")  # a name in an `include` is a SafeString, which Path does not accept
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
