"""The literal text of templates, of which the dictionary of pages consists."""

from __future__ import annotations

import jinja2
import pytest

from static_host_django.collect import page_text
from static_host_django.collect.template_files import TemplateFile, keep_literals


@pytest.mark.parametrize(
    ("template", "literal"),
    [
        ("<p>{{ name }}</p>", "<p></p>"),
        ("a{% if x %}b{% else %}c{% endif %}d", "abcd"),
        ("a{# a secret #}b", "ab"),
        ("a{% comment %}secret {{ x }}{% if y %}another{% endcomment %}b", "ab"),
        ("a{# secret {# inner #} tail #}b", "a tail #}b"),
        ('a{{ x|default:"SECRET {{ y" }}b', "ab"),
        ('a{% firstof a "SECRET {% x" %}b', "ab"),
        ("a{% comment %}\n{% endcomment\n%} secret\n{% endcomment %}b", "ab"),
        ("a{% verbatim %}{{ kept }}{% endverbatim %}b", "a{{ kept }}b"),
        ("a{% comment %}secret, up to the end", "a"),
        ("{% static 'site.css' %}", "<site.css>"),
        ('{% static "site.css" %}', "<site.css>"),
        ("{% static 'site.css' as name %}{% static name %}", ""),
        ("{% url 'secret' %}|{% translate 'Home' %}", "|<Home>"),
        ("{% load static %}\n\n{% extends 'a.html' %}", "\n\n"),
        ("{ a } {} {%", "{ a } {} {%"),
        ("{{ {{ a }} }}", " }}"),
        ("", ""),
    ],
)
def test_what_is_literal_in_a_template(template: str, literal: str) -> None:
    def replace(tag: str) -> str:
        call = page_text._CALL.match(tag)
        return f"<{call[2] or call[3]}>" if call else ""

    assert keep_literals(template, replace) == literal


@pytest.mark.parametrize(
    ("template", "options", "literal"),
    [
        ("a{# lines\nof Jinja #}b{{ x }}c{% set y = 'SECRET' %}d", {}, "abcd"),
        ('a{{ "}}" ~ "SECRET" }}b', {}, "ab"),
        (
            "a\n## SECRET\n%% set x = 'SECRET'\nb",
            {"line_comment_prefix": "##", "line_statement_prefix": "%%"},
            "a\n\nb",
        ),
        (
            "a[[ 'SECRET' ]]<# SECRET #>b{{ c }}",
            {
                "variable_start_string": "[[",
                "variable_end_string": "]]",
                "comment_start_string": "<#",
                "comment_end_string": "#>",
            },
            "ab{{ c }}",
        ),
        ("{% raw %}{{ kept }}{% endraw %}", {}, "{{ kept }}"),
        ("a{{ 'broken }}", {}, ""),
    ],
)
def test_what_is_literal_for_jinja(template: str, options: dict[str, str], literal: str) -> None:
    environment = jinja2.Environment(**options)  # type: ignore[arg-type]
    assert TemplateFile("", template, environment).read_literals(str) == literal


@pytest.mark.parametrize(
    ("name", "is_page"),
    [
        ("a.html", True),
        ("a.html.j2", True),
        ("a.xhtml.jinja2", True),
        ("a.djhtml", True),
        ("nginx.conf.j2", False),
        ("welcome.txt.jinja", False),
        ("page.jinja", False),
        ("mail.txt", False),
        ("html", False),
    ],
)
def test_which_templates_are_pages(name: str, is_page: bool) -> None:
    assert page_text.is_page(name) is is_page
