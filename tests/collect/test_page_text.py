"""The literal text of templates, of which the dictionary of pages consists."""

from __future__ import annotations

import pytest

from static_host_django.collect import page_text


@pytest.mark.parametrize(
    ("template", "literal"),
    [
        ("<p>{{ name }}</p>", "<p></p>"),
        ("a{% if x %}b{% else %}c{% endif %}d", "abcd"),
        ("a{# a secret #}b", "ab"),
        ("a{#\nlines of Jinja\n#}b", "ab"),
        ("a{% comment %}secret {{ x }}{% if y %}another{% endcomment %}b", "ab"),
        ("a{%- comment 'why' -%}secret{%- endcomment -%}b", "ab"),
        ("a{% comment %}secret, up to the end", "a"),
        ("{% static 'site.css' %}", "<site.css>"),
        ('{%- static "site.css" -%}', "<site.css>"),
        ("{% static 'site.css' as name %}{% static name %}", ""),
        ("{% url 'index' %}|{% url \"index\" 1 %}", "<index>|"),
        ("{% load static %}\n\n{% extends 'a.html' %}", "\n\n"),
        ("{ a } {} {%", "{ a } {} {%"),
        ("{{ {{ a }} }}", "{{  }}"),
        ("", ""),
    ],
)
def test_what_is_literal_in_a_template(template: str, literal: str) -> None:
    def replace(tag: str) -> str:
        call = page_text._CALL.match(tag)
        return f"<{call[2] or call[3]}>" if call else ""

    assert page_text._keep_literals(template, replace) == literal
