"""Fixtures: the two ways to host a project, and the environments that a project may have."""

from __future__ import annotations

from functools import partial

import pytest

from tests.real.environments import DJANGO, Environment, require_environment
from tests.real.everything import IN_PROJECTS_ALL
from tests.real.hosts import Hosting, in_a_container, in_a_process

collect_ignore = ["packages"]
"""Packages that are built; their own tests are their own affair."""


@pytest.fixture(scope="session", params=["process", "image"])
def hosted(request: pytest.FixtureRequest) -> Hosting:
    """Hosts a project, in a process or in a container."""
    return _make_hosting(request)


@pytest.fixture(scope="session", params=["process", pytest.param("image", marks=IN_PROJECTS_ALL)])
def hosted_large(request: pytest.FixtureRequest) -> Hosting:
    """Hosts a project with many packages: in a container only by ``make projects-all``."""
    return _make_hosting(request)


def _make_hosting(request: pytest.FixtureRequest) -> Hosting:
    if request.param == "process":
        return partial(in_a_process, request.getfixturevalue("cache"))
    return partial(in_a_container, request.getfixturevalue("image"))


@pytest.fixture(scope="module", params=DJANGO, ids="-".join)
def environment(request: pytest.FixtureRequest) -> Environment:
    """An environment of each kind."""
    return require_environment(*request.param)
