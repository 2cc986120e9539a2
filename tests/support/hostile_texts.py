"""Hostile texts for each lexer, as rows of `tests.support.linearity`: a lexer that is not linear would stop a build."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from static_host_build.references import Lines, Reference, UnreadableError, find_references
from static_host_build.references.reference_resolution import resolve
from static_host_build.references.template_references import find_static_names
from tests.support.linearity import Hostile, repeat_texts

# fmt: off
SCRIPTS = (
    "import ", "export ", "import{", "import{a,", "export{a,", "export{a}", "export*from", "import a,{b",
    "import 'a';", "import('", "import(a?", "import(a/b", "import(a?b:", "import((", "import((a||", "import(/**/",
    "import(a,", "import(a=", "new URL('a',", "new URL(new URL(", "new URL /**/ ", "new URL(a?'b':", "import.meta.",
    "import.meta.url", "import.meta.resolve(", "URL", "URL(", "new ", "a/b", "a/**/", "/**/", "//\n", "/*", "=/[",
    "=/a", "=/[/]", "yield/a", "await/[", "`${", "`${a}`", "`", "\\", "${", "(", "{", "[", "({[", "()", "{}", "a:{",
    "a?b:{", "class{", "class A extends ", "class a{}", "function(", "function a(){", "function a(){}", "for(of ",
    "for(a of ", "--", "'", '"', "'\\", "a++", "++", ".", "1.", "a.import", "aimport", "<!--", "-->", "\n-->",
    "<!--\n", ";", ":", "?.", "?", " ", "\t", "case a:{", "//# sourceMappingURL=", "//# sourceMappingURL=a\n",
    "/*# sourceMappingURL=", "\\u{61}", "import '\\u{61}'", "import{a as b}from'c'\n", "a,", "=", "=>{",
    "return\n{}",
)
"""Texts that are repeated whole, including their braces."""
PARTS_OF_SCRIPTS = (
    "import(a,{import })", "import(importa {importa })", "import({a/b})", "import({a?})", "import({a/**/})",
    "/*# sourceMappingURL={ }", "//# sourceMappingURL={a}", "import '{\\x61}'", "import {/**/}'a'",
    "export *{ }from 'a'", "new{ }URL('a',import.meta.url)", "new URL('a'{ },import.meta.url)", "import({(}'a'{)})",
    "`{$}`", "/{[a]}/.x", "/{\\/}/.x", "=/[{/}", "class extends a{/**/}", "import.meta{ }.resolve('a')",
)
"""Texts in which the part between braces is repeated."""
STYLESHEETS = (
    "url(", "url('", 'url("', "url( ", "url(a ", "url(\\", "url()", "url(a)", "a(", "a()", "\\75rl(", "\\7",
    "@import ", "@import'a", "@import'a';", "@import url(", "@import/**/", "@import u", "@", "@a{", "@a(", "@a;",
    "@a ", "image-set(", "image-set('a'", "#a", "/*", "/**/", "/", "'", '"', "'\\", '"\n', "\\", "(", "{", "[", ")",
    "}", "]", "({[", "a", "-", "<!--", "-->", "a{b:c}", "/*# sourceMappingURL=", "url\\", "@import\\",
)
PARTS_OF_STYLESHEETS = (
    "/*{*}", "URL({a}", "url({a }b)", "url({ }'a')", "/*# sourceMappingURL={a}", "/*#{ }sourceMappingURL=",
    "url('{\\6}')", "url({\\6 })", "image-set({'a' })", "image-set({type('a') })", "@import{ }'a'",
    "@import{/**/}url(a)", "@{a}",
)
MARKUP = (
    "<", "<a ", "<a b='", '<a b="', "<a b=c ", "<use href='a'/>", "<!--", "<!--a-->", "<!DOCTYPE ", "<!DOCTYPE a[",
    "<![CDATA[", "<style>", "<style><![CDATA[", "<style>url(</style>", "<style>url()</style>", "<?xml-stylesheet ",
    "<?", ">", "/>", "</", "<a style='url()'/>", "<a>", "&amp;",
    "<style><!--", "<style>&", "<style>&amp;", "<style><!---->",
)
PARTS_OF_MARKUP = (
    "<use {href='a' }/>", "<a {b }>", "<a {b='c' }>", "<style>{]]}", "<style>{<![CDATA[}</style>",
    "<style>{<![CDATA[a]]>}</style>", "<?xml-stylesheet {href='a'}?>", "<use href='{&amp;}'/>", "<a b='{url(}'/>",
    "<a b='{url()}'/>", "<use href{ }/>", "<use {'}", "<use {a=}", "<style {/}>", "<!DOCTYPE a[{a}",
)
MANIFESTS = (
    "[", "{", '"', '"\\', "1", " ", "[]", '{"a":', '{"icons":[', "1,",
)
PARTS_OF_MANIFESTS = (
    '["{a}"]', "[{1,}1]", '["{\\\\}"]', "[{[],}1]", '["icons"{,"src"}]',
)
TEMPLATES = (
    "{% static 'a' %}", "{%", "{% ", "{#", "{{", "{% comment %}", "{% verbatim %}", "{% verbatim a %}", "{% static ",
    "{% static '", "{%%}", "{", "%}", "{%#{", "{% comment %}{% endcomment %}", "{%\n", "{% static 'a'\n",
)
TARGETS = ("a", "a:", "+", "/", "../", "./", "?", "#", "%", "%25", " ", "\\", "a/")
# fmt: on


def _make_finder(name: str, before: str = "", after: str = "") -> Callable[[str], None]:
    def find(text: str) -> None:
        with suppress(UnreadableError):
            find_references(name, before + text + after)

    return find


def _make_rows(function: Callable[[str], object], whole: Iterable[str], parts: Iterable[str] = ()) -> list[Hostile]:
    return [
        *(Hostile(function, lambda count, text=text: text * count) for text in whole),  # type: ignore[misc]
        *repeat_texts(function, *parts),
    ]


LANGUAGES = {
    "svg_references": _make_rows(_make_finder("a.svg"), MARKUP, PARTS_OF_MARKUP),
    "reference_resolution": _make_rows(lambda text: resolve(Reference(0, 0, text), "a/b.css", "/static/"), TARGETS),
    "javascript_references": _make_rows(_make_finder("a.js", "import.meta.url;"), SCRIPTS, PARTS_OF_SCRIPTS),
    "javascript_literals": [],  # "javascript_references" uses both
    "javascript_context": [],
    "css_references": _make_rows(_make_finder("a.css", after="url()"), STYLESHEETS, PARTS_OF_STYLESHEETS),
    "template_references": _make_rows(lambda text: list(find_static_names(text)), TEMPLATES),
    "reference": _make_rows(lambda text: Lines(text).find_line(1), ("\r", "\n", "\r\n", "\n\r", "a")),
    "webmanifest_references": _make_rows(_make_finder("a.webmanifest"), MANIFESTS, PARTS_OF_MANIFESTS),
}
"""A module of `static_host_build.references` that has regular expressions → its hostile inputs."""
