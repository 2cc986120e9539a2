"""Google's store and Azure's: what is published there, found there and told of it, as in S3's and in directories."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import pytest
from obstore.store import from_url

from static_host.object_store.circuit_breaker import MAX_FAILURES
from static_host.origin.index import INDEX_FILE_NAME
from tests.publish.test_publish import document, expected, published
from tests.support.cloud_stores import KINDS, Cloud, run_cloud
from tests.support.processes import SCRIPTS, make_environment, run
from tests.support.projects import SETTINGS, copy_project
from tests.support.releases import read_index
from tests.support.store_servers import build_another_release, fetch, is_404, serve_with_store
from tests.support.waiting import wait_until

ODD = "menü für 50% & 1 ~ [a] +b@2x*.txt"
LARGE = 6 << 20


@pytest.fixture(scope="module", params=KINDS)
def place(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    with run_cloud(request.param) as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A project whose names and lengths are not only those that are easy, built."""
    project = copy_project("plain", tmp_path_factory.mktemp("clouds"))
    (project / "mysite/static" / ODD).write_text("odd")
    (project / "mysite/static/large.bin").write_bytes(Random(1).randbytes(LARGE))
    result = run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **SETTINGS)
    assert result.returncode == 0, result.stderr
    return project


@pytest.fixture(scope="module")
def tree(site: Path) -> Path:
    return (site / "staticfiles").resolve()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The same project in a release that has none of the files."""
    return build_another_release(tmp_path_factory.mktemp("other"), cache)


@pytest.fixture(scope="module")
def full(place: Cloud, tree: Path) -> str:
    """The URL of a store with the release. Tests do not change it."""
    result = published(tree, place.url("full"), **place.variables)
    assert result.returncode == 0, result.stderr
    return place.url("full")


@contextmanager
def opened(place: Cloud, url: str) -> Iterator[Any]:
    """What obstore itself sees there."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in place.variables.items():
            patch.setenv(name, value)
        yield from_url(url, client_options={"allow_http": True})


def there(store: Any) -> dict[str, bytes]:
    paths = [facts["path"] for batch in store.list() for facts in batch]
    return {path: bytes(store.get(path).bytes()) for path in paths}


def test_a_release_is_published_with_what_is_told_of_its_objects(place: Cloud, full: str, tree: Path) -> None:
    with opened(place, full) as store:
        assert there(store) == expected(tree)
        attributes = [store.get(f"files/site.e8e374d844cc.css{end}").attributes for end in ("", ".br")]
    caching = {"Cache-Control": "public, max-age=31536000, immutable"}
    assert attributes == [
        {"Content-Type": "text/css; charset=utf-8", "statichostdigest": "11PONsKYSbetyDbcMlpAF65Z", **caching},
        {"Content-Type": "application/octet-stream", "statichostdigest": "W-beZnwQuOVuBP5mCaUfEqZF", **caching},
    ]


def test_what_is_there_is_not_sent_again_but_to_be_younger(place: Cloud, tree: Path) -> None:
    url = place.url("again")
    count = len(expected(tree)) - 1
    for options, sent in (((), count), ((), 0), (("--renew", "1"), 0), (("--renew", "0"), count)):
        place.gate.passed_lines.clear()
        assert document(published(tree, url, "--json", *options, **place.variables))["sent"] == sent
        if not sent:
            assert [
                line for line in place.gate.passed_lines if line.startswith("PUT ") and "/releases/" not in line
            ] == []
            assert not any(line.startswith("HEAD ") for line in place.gate.passed_lines)  # the index vouches for all


def test_without_an_index_the_digest_beside_an_object_vouches_for_it(place: Cloud, tree: Path) -> None:
    url = place.url("unvouched")
    assert published(tree, url, **place.variables).returncode == 0
    with opened(place, url) as store:
        (index,) = (path for path in there(store) if path.startswith("releases/"))
        store.delete(index)
        body = expected(tree)["files/site.e8e374d844cc.css"]
        store.put("files/site.e8e374d844cc.css", b"!" * len(body))
        store.put("files/site.e8e374d844cc.css.br", b"")
    place.gate.passed_lines.clear()
    assert document(published(tree, url, "--json", **place.variables))["sent"] == 2
    assert not any(line.startswith("GET ") and "large" in line for line in place.gate.passed_lines)
    with opened(place, url) as store:
        assert there(store) == expected(tree)


def test_a_run_that_was_killed_is_gone_on_with(place: Cloud, tree: Path) -> None:
    url = place.url("killed")
    place.gate.passed_lines.clear()
    place.gate.is_passed = lambda line: not line.startswith("PUT ") or len(puts(place)) < 5
    variables = {"DJANGO_STATIC_STORE": url, **SETTINGS, **place.variables}
    command = [str(SCRIPTS / "static-host"), "publish", str(tree)]
    with subprocess.Popen(command, cwd=tree, env=make_environment(variables), stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: len(puts(place)) >= 5, lambda: puts(place))
        process.kill()
    place.gate.is_passed = lambda line: True
    with opened(place, url) as store:
        before = there(store)
        assert before
        assert not any(path.startswith("releases/") for path in before)
        again = document(published(tree, url, "--json", **place.variables))
        assert (again["files"], again["sent"]) == (len(expected(tree)) - 1, len(expected(tree)) - 1 - len(before))
        assert there(store) == expected(tree)


def puts(place: Cloud) -> list[str]:
    return [line for line in place.gate.passed_lines if line.startswith("PUT ")]


def test_a_server_finds_every_file_in_every_coding(
    place: Cloud, full: str, tree: Path, other: Path, tmp_path: Path
) -> None:
    index = read_index(tree)
    with serve_with_store(other, full, tmp_path, **place.variables) as running:
        for name, resource in index.items():
            for each in resource.representations if resource.immutable else ():
                status, caching, body = fetch(running, f"/static/{quote(name)}", each.coding)
                assert (status, body) == (200, (tree / each.file).read_bytes()), each.file
                assert caching == "public, max-age=31536000, immutable"
        assert is_404(fetch(running, "/static/none.0123456789ab.js"))


def test_other_bytes_are_not_served(place: Cloud, tree: Path, other: Path, tmp_path: Path) -> None:
    url = place.url("other")
    assert published(tree, url, **place.variables).returncode == 0
    with opened(place, url) as store:
        store.put("files/site.e8e374d844cc.css.br", b"!" * (tree / "site.e8e374d844cc.css.br").stat().st_size)
        store.delete("files/digits.781e5e245d69.txt")
    with serve_with_store(other, url, tmp_path, **place.variables) as running:
        assert is_404(fetch(running, "/static/site.e8e374d844cc.css"))
        assert is_404(fetch(running, "/static/digits.781e5e245d69.txt", "identity"))
        assert fetch(running, "/static/site.e8e374d844cc.css", "gzip")[0] == 200
        running.wait_for(f"{url}/files/site.e8e374d844cc.css.br has other bytes than its index says: it is not served")


def test_a_store_that_is_silent_costs_a_404_and_is_spared(place: Cloud, full: str, other: Path, tmp_path: Path) -> None:
    try:
        with serve_with_store(other, full, tmp_path, **place.variables, DJANGO_STATIC_STORE_TIMEOUT="0.2") as running:
            place.gate.is_passed = lambda line: False

            def is_spared() -> bool:
                assert is_404(fetch(running, "/static/site.e8e374d844cc.css"))
                return f"the store {full} has failed {MAX_FAILURES} times in a row" in running.output

            wait_until(is_spared, lambda: running.output)
    finally:
        place.gate.is_passed = lambda line: True


@pytest.mark.parametrize("change", ["nobody listens", "wrong credentials", "no bucket"])
def test_a_server_starts_with_a_store_that_cannot_be_used_and_says_why(
    place: Cloud, other: Path, tmp_path: Path, change: str
) -> None:
    variables = {
        "nobody listens": place.unreachable_variables,
        "wrong credentials": place.wrong_variables,
        "no bucket": {},
    }[change]
    url = place.url() if change != "no bucket" else f"{place.kind}://nowhere"
    said = {"nobody listens": "error sending request", "wrong credentials": "40[13] ", "no bucket": "404 "}[change]
    with serve_with_store(other, url, tmp_path, **{**place.variables, **variables}) as running:
        assert is_404(fetch(running, "/static/site.e8e374d844cc.css"))
        running.wait_for(f"the store {url}: ")
        assert re.search(rf"the store {url}: .*{said}", running.output), running.output


def test_a_build_carries_what_was_published(
    place: Cloud, full: str, tree: Path, other: Path, tmp_path: Path, cache: Path
) -> None:
    root = tmp_path / "carrying"
    variables = {"DJANGO_STATIC_CACHE": str(cache), "DJANGO_STATIC_ROOT": str(root), **SETTINGS, **place.variables}
    told = {"DJANGO_STATIC_PREVIOUS": full, "DJANGO_STATIC_MISSING_REFERENCES": "warn"}
    result = run("static-host", "build", cwd=other, **told, **variables)
    assert result.returncode == 0, result.stderr
    assert [each.digest for each in read_index(root).releases[1:]] == [read_index(tree).releases[0].digest]
    for path, body in expected(tree).items():
        if path.startswith("files/"):
            assert (root / path.removeprefix("files/")).read_bytes() == body
    assert (root / INDEX_FILE_NAME).is_file()


ADDRESS = {
    "gs": "GOOGLE_BASE_URL",
    "az": "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ENDPOINT",
}
CREDENTIALS = {
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, the path of a credentials file",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}


def refused(tree: Path, url: str, variables: dict[str, str]) -> str:
    result = published(tree, url, **variables)
    assert (result.returncode, result.stdout) == (7, "")
    assert "Traceback" not in result.stderr
    assert "Debug source" not in result.stderr
    return result.stderr


def test_a_bucket_that_is_not_there_is_told(place: Cloud, tree: Path) -> None:
    noun = {"gs": "bucket", "az": "container"}[place.kind]
    said = refused(tree, f"{place.kind}://nowhere/mysite", place.variables)
    begins = f"static-host: {place.kind}://nowhere/mysite: there is no such {noun}. Create it, or name another one in"
    assert said.startswith(begins)


def test_credentials_that_are_wrong_are_told(place: Cloud, tree: Path) -> None:
    said = refused(tree, place.url(), {**place.variables, **place.wrong_variables})
    begins = (
        f"static-host: {place.url()}: the store denies access. Are the credentials right ({CREDENTIALS[place.kind]})"
    )
    assert said.startswith(begins)


def test_an_address_where_nobody_listens_is_told(place: Cloud, tree: Path) -> None:
    said = refused(tree, place.url(), {**place.variables, **place.unreachable_variables})
    begins = (
        f"static-host: {place.url()}: the store cannot be reached. Is its address right ({ADDRESS[place.kind]}), and"
    )
    assert said.startswith(begins)
