"""``static-host compare`` with what real builds made: trees, a deployment by its address, a store."""

from __future__ import annotations

import json
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from static_host.origin.index import INDEX_FILE_NAME
from tests.support.delta_releases import Rollout, build_bundled_rollout
from tests.support.indexes import describe, write_index
from tests.support.processes import run, run_server
from tests.support.projects import SETTINGS
from tests.support.releases import read_index
from tests.support.stores import serve_in_thread

SECRET = "a-secret-of-sixteen-letters"


def compare(old: object, new: object, *options: str, **variables: str) -> dict[str, Any]:
    result = run("static-host", "compare", str(old), str(new), "--json", *options, cwd=Path("/"), **variables)
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def leave_places_out(found: dict[str, Any]) -> dict[str, Any]:
    places = {key: {**found[key], "place": ""} for key in ("old", "new")}
    return {**found, **places}


def test_a_visitor_with_an_earlier_release_downloads_deltas(rollout: Rollout) -> None:
    first, second, third = rollout.trees
    for old in (first, second):
        found = compare(old, third, "--no-vanishing", "--no-changed-immutables")
        script = read_index(third)[rollout.names[2]]
        lengths = {each.coding: each.length for each in script.representations if each.coding != "dcz"}
        deltas = {each.length for each in script.representations if each.coding == "dcz"}
        assert found["download"].pop("dictionaries") in deltas
        assert found["download"] == {"files": 1, **lengths}
        assert (found["changed"], found["purge"]) == (["/static/app.js"], ["/static/app.js"])
        assert (found["vanished"], found["without_delta"]) == ([], [])
    back = compare(third, first)  # a rollback: the newer release's own files go
    assert back["vanished"] == [f"/static/{rollout.names[2]}"]
    assert back["without_delta"] == [{"br": back["download"]["br"], "path": f"/static/{rollout.names[0]}"}]


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Rollout:
    return build_bundled_rollout(tmp_path_factory.mktemp("bundled"), cache)


def test_entry_points_of_real_builds(bundled: Rollout) -> None:
    found = compare(bundled.trees[0], bundled.trees[1])
    assert sorted(each["entry_point"] for each in found["entry_points"]) == [
        f"dist/{folder}/src/home.js" for folder in ("esbuild", "hashes", "numbers", "renamed")
    ]
    assert all(each["new"]["identity"] > 2000 for each in found["entry_points"])


def test_a_deployment_is_compared_by_its_address(bundled: Rollout) -> None:
    old, new = bundled.trees
    variables = {"DJANGO_STATIC_SHOW_INDEX": "true", "DJANGO_ORIGIN_SECRET": SECRET}
    with run_server(cwd=bundled.project, **SETTINGS, DJANGO_STATIC_ROOT=str(old), **variables) as server:
        expected = leave_places_out(compare(old, new))
        for address in (server.url, f"{server.url}/", f"{server.url}/static"):
            found = compare(address, new, DJANGO_ORIGIN_SECRET=SECRET)
            assert found["old"]["place"] == address
            assert leave_places_out(found) == expected
        refused = run("static-host", "compare", server.url, str(new), cwd=Path("/"))
    assert (refused.returncode, refused.stdout) == (3, "")
    assert f"{server.url}/static/{INDEX_FILE_NAME} returns 403 Forbidden." in refused.stderr


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_a_deployment_without_a_path_has_the_prefix_of_the_other_place(tmp_path: Path) -> None:
    tree = write_index(tmp_path / "served/assets", ("a.css", describe("a.css", "a")), prefix="/assets/")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=tree.parent))
    with serve_in_thread(server):
        address = f"http://127.0.0.1:{server.server_port}"
        for pair in ((address, tree), (tree, address)):
            assert compare(*pair)["vanished"] == []
        assert compare(address, address, DJANGO_STATIC_PREFIX="/assets/")["growth"]["new"]["identity"] == 1
        unknown = run("static-host", "compare", address, address, cwd=Path("/"))
    assert (unknown.returncode, "/static/static-host.index returns 404" in unknown.stderr) == (3, True)


def test_the_newest_release_of_a_store_is_compared(bundled: Rollout, tmp_path: Path) -> None:
    store = f"file://{tmp_path}/store"
    for tree in bundled.trees:
        published = run("static-host", "publish", str(tree), cwd=tree, DJANGO_STATIC_STORE=store, **SETTINGS)
        assert published.returncode == 0, published.stderr
    found = compare(bundled.trees[0], store)
    expected = leave_places_out(compare(bundled.trees[0], bundled.trees[1]))
    assert leave_places_out(found) == {**expected, "entry_points": []}  # manifests are not published
    assert compare(store, store)["download"]["files"] == 0
