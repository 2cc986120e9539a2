"""What a test needs of the machine: skipped where it is missing, and required in CI."""

from __future__ import annotations

import os

import pytest

IN_CI = bool(os.environ.get("CI"))


def required(reason: str) -> None:
    """Without a reason do nothing; with one fail in CI, and skip elsewhere."""
    if reason and IN_CI:
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


def needs(is_there: object, reason: str) -> pytest.MarkDecorator:
    """Return the mark of tests that are skipped where something is not there, but in CI, where they then fail."""
    return pytest.mark.skipif(not is_there and not IN_CI, reason=reason)
