"""Forms of CSS: which references are found in them, and where."""

from __future__ import annotations

import pytest

from static_host_build.references.css_references import find_references
from tests.forms import Form
from tests.forms.stylesheets import STYLESHEETS


@pytest.mark.parametrize("form", STYLESHEETS, ids=lambda form: form.name)
def test_what_is_marked_is_found_and_nothing_else(form: Form) -> None:
    found = [each for each in find_references(form.source) if each.target not in form.kept]
    assert [(each.start, each.end, each.target) for each in found] == form.references
