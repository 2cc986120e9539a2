"""Forms of JavaScript: which references are found in them, and where. Node evaluates the same forms in tests/real."""

from __future__ import annotations

import pytest

from static_host_build.references import UnreadableError
from static_host_build.references.javascript_references import find_references
from tests.forms import Form
from tests.forms.imports import FOLLOWED
from tests.forms.names import NAMES
from tests.forms.newer import NEWER, UNREADABLE
from tests.forms.slashes import SLASHES
from tests.forms.untouched import UNTOUCHED


@pytest.mark.parametrize("form", [*FOLLOWED, *UNTOUCHED, *SLASHES, *NAMES, *NEWER], ids=lambda form: form.name)
def test_what_is_marked_is_found_and_nothing_else(form: Form) -> None:
    found = [each for each in find_references(form.source) if each.target not in form.kept]
    assert [(each.start, each.end, each.target) for each in found] == form.references


@pytest.mark.parametrize(("text", "line"), [each[1:] for each in UNREADABLE], ids=[each[0] for each in UNREADABLE])
def test_what_is_no_javascript_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(UnreadableError) as caught:
        find_references(text)
    assert caught.value.line == line
