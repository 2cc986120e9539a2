"""A rollout: with the store no static file is broken, and without it some are, so that the test can tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.origin.test_cases import by_socket
from tests.support.cases import Case
from tests.support.nginx import NGINX
from tests.support.processes import run_server
from tests.support.projects import SETTINGS
from tests.support.releases import read_index
from tests.support.required import required
from tests.support.rollout_visits import PHASES, Trees, build_trees, publish, roll_out
from tests.support.stores import run_moto

pytestmark = [pytest.mark.timeout(300)]

NOTHING = dict.fromkeys(PHASES, 0)


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Trees:
    required("" if NGINX else "nginx is not installed")
    return build_trees(tmp_path_factory.mktemp("rollout"), cache)


def test_without_a_setting_new_pages_break_on_old_containers_and_old_pages_on_new_ones(
    trees: Trees, tmp_path: Path
) -> None:
    figures = roll_out(trees.old, trees.new, trees.project, tmp_path)
    assert figures.broken["old"] == 0
    assert figures.broken["both"] > 0
    assert figures.broken["new"] > 0
    assert figures.names


def test_what_is_carried_is_there_for_old_pages_and_does_not_help_new_ones(trees: Trees, tmp_path: Path) -> None:
    figures = roll_out(trees.old, trees.carrying, trees.project, tmp_path)
    assert figures.broken["both"] > 0
    assert figures.broken["new"] == 0


@pytest.mark.parametrize("scheme", ["file", "s3"])
def test_with_the_store_no_file_of_any_page_is_broken(trees: Trees, tmp_path: Path, scheme: str) -> None:
    with run_moto() as variables:
        place = f"file://{tmp_path}/store" if scheme == "file" else "s3://bucket/mysite"
        store = {"DJANGO_STATIC_STORE": place, **variables}
        publish(trees, trees.old, store)
        publish(trees, trees.new, store)
        figures = roll_out(trees.old, trees.new, trees.project, tmp_path, **store)
    assert figures.broken == NOTHING
    assert min(figures.requested.values()) > 50


def test_with_both_neither_is_any_and_new_containers_need_no_store_for_old_pages(trees: Trees, tmp_path: Path) -> None:
    store = {"DJANGO_STATIC_STORE": f"file://{tmp_path}/store"}
    publish(trees, trees.carrying, store)
    assert roll_out(trees.old, trees.carrying, trees.project, tmp_path, **store).broken == NOTHING


def test_an_old_container_gives_a_returning_visitor_the_change_alone_as_the_new_one_does(
    trees: Trees, tmp_path: Path
) -> None:
    (delta,) = (path for path in trees.carrying.rglob("site.*.dcz"))
    index = read_index(trees.carrying)
    name = next(name for name, resource in index.items() if delta.name in {r.file for r in resource.representations})
    dictionary = next(r.dictionary for r in index[name].representations if r.dictionary)
    request = (("accept-encoding", "br, dcz"), ("available-dictionary", f":{dictionary}:"))
    case = Case("", f"/static/{name}", 200, request=request)
    store = {
        "DJANGO_STATIC_STORE": f"file://{tmp_path}/store",
        "DJANGO_STATIC_STORE_DIRECTORY": str(tmp_path / "shelf"),
    }
    publish(trees, trees.carrying, store)
    with (
        run_server(cwd=trees.project, DJANGO_STATIC_ROOT=str(trees.carrying), **SETTINGS) as new,
        run_server(cwd=trees.project, DJANGO_STATIC_ROOT=str(trees.old), **SETTINGS, **store) as old,
    ):
        status, headers, body = by_socket(new, case)
        assert (status, dict(headers)["content-encoding"], body) == (200, "dcz", delta.read_bytes())
        assert by_socket(old, case) == (status, headers, body)
