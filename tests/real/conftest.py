"""Fixtures: the two ways to host a project, and the environments that a project may have."""

from __future__ import annotations

from functools import partial

import pytest

from tests.real.environments import DJANGO, Environment, require_environment
from tests.real.hosts import Hosting, in_a_container, in_a_process

collect_ignore = ["packages"]
"""Packages that are built; their own tests are their own affair."""


@pytest.fixture(scope="session", params=["process", "image"])
def hosted(request: pytest.FixtureRequest) -> Hosting:
    """Hosts a project, in a process or in a container."""
    if request.param == "process":
        return partial(in_a_process, request.getfixturevalue("cache"))
    return partial(in_a_container, request.getfixturevalue("image"))


@pytest.fixture(scope="module", params=DJANGO, ids="-".join)
def environment(request: pytest.FixtureRequest) -> Environment:
    """An environment of each kind."""
    return require_environment(*request.param)
