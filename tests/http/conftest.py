"""Servers that the tests of the wire share: a project that shows what it is asked, by WSGI and by ASGI."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import Running, run_server
from tests.support.wire_project import VARIABLES, make_wire_project


@pytest.fixture(scope="session")
def wire_project(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A project that shows what it is asked. Tests do not change it."""
    return make_wire_project(tmp_path_factory.mktemp("wire"), cache)


@pytest.fixture(scope="session")
def wsgi(wire_project: Path) -> Iterator[Running]:
    """The server of that project, which it calls by WSGI."""
    with run_server(cwd=wire_project, DJANGO_INTERFACE="wsgi", **VARIABLES) as running:
        yield running


@pytest.fixture(scope="session")
def asgi(wire_project: Path) -> Iterator[Running]:
    """The server of that project, which it calls by ASGI."""
    with run_server(cwd=wire_project, DJANGO_INTERFACE="asgi", **VARIABLES) as running:
        yield running


@pytest.fixture(scope="session", params=["wsgi", "asgi"])
def wire(request: pytest.FixtureRequest, wsgi: Running, asgi: Running) -> Running:
    """Either of them."""
    return asgi if request.param == "asgi" else wsgi
