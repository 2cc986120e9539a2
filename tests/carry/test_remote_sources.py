"""Earlier releases carried from where they are not files: a running deployment, an object store."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import obstore
import pytest
from obstore.store import ObjectStore, from_url

from static_host.conf.settings import InvalidSettingsError
from static_host.origin.index import INDEX_FILE_NAME
from static_host_build.carry.object_store_source import ObjectStoreSource
from static_host_build.output.integrity import check_integrity
from tests.support.builds import Build, read_files
from tests.support.intermediaries import run_intermediary
from tests.support.processes import Running, run_server
from tests.support.projects import SETTINGS
from tests.support.releases import (
    Releaser,
    build_afresh,
    change_release,
    list_immutable_names,
    make_releaser,
    read_index,
)
from tests.support.stores import make_credentials, run_moto, run_portal
from tests.support.waiting import wait_until

SECRET = "a secret of sixteen letters".replace(" ", "-")


@pytest.fixture
def release(project: Path, build: Build, tmp_path: Path) -> Releaser:
    return make_releaser(project, build, tmp_path)


def showing(tree: Path, project: Path, **variables: str) -> AbstractContextManager[Running]:
    """Serve a tree that shows its index."""
    shown = {"DJANGO_STATIC_ROOT": str(tree), "DJANGO_STATIC_SHOW_INDEX": "true"}
    return run_server(cwd=project, **SETTINGS, **shown, **variables)


def carried_from(source: str, project: Path, build: Build, **variables: str) -> dict[str, bytes]:
    """Build release 2 with what the source has; return the files of the tree, the index left out."""
    change_release(project, "2")
    result = build_afresh(project, build, DJANGO_STATIC_PREVIOUS=source, **variables)
    assert result.returncode == 0, result.stderr
    check_integrity(project / "staticfiles")
    return {name: body for name, body in read_files(project / "staticfiles").items() if name != INDEX_FILE_NAME}


def test_files_come_from_a_running_deployment_in_every_coding(project: Path, build: Build, release: Releaser) -> None:
    one = release("1")
    with showing(one, project) as old:
        answer = httpx.get(f"{old.url}/static/static-host.index")
        assert answer.content == (one / INDEX_FILE_NAME).read_bytes()
        assert answer.headers["cache-control"] == "max-age=0, must-revalidate"
        assert answer.headers["content-type"] == "application/octet-stream"
        tag = {"if-none-match": answer.headers["etag"]}
        assert httpx.get(f"{old.url}/static/static-host.index", headers=tag).status_code == 304
        over_http = carried_from(old.url, project, build)
        named = read_index(project / "staticfiles").releases[1]
        assert (named.origin, named.time) == (old.url, None)
        assert carried_from(f"{old.url}/static/", project, build) == over_http
    assert over_http == carried_from(str(one), project, build)
    assert {name for name in over_http if name.startswith("only-1.")} == {
        name for name in read_files(one) if name.startswith("only-1.") and not name.startswith("only-1.js")
    }


def test_a_deployment_shows_no_index_unless_it_is_told_to(project: Path, build: Build, release: Releaser) -> None:
    one = release("1")
    with run_server(cwd=project, DJANGO_STATIC_ROOT=str(one), **SETTINGS) as old:
        assert httpx.get(f"{old.url}/static/static-host.index").status_code == 404
        result = build(DJANGO_STATIC_PREVIOUS=old.url)
    assert result.returncode == 6
    said = f"{old.url}/static/static-host.index returns 404 Not Found. Set DJANGO_STATIC_SHOW_INDEX=true there"
    assert said in result.stderr


def test_a_deployment_behind_a_secret_gets_it(project: Path, build: Build, release: Releaser) -> None:
    one = release("1")
    with showing(one, project, DJANGO_ORIGIN_SECRET=SECRET) as old:
        refused = build(DJANGO_STATIC_PREVIOUS=old.url)
        assert refused.returncode == 6
        assert "returns 403 Forbidden. If the deployment has a secret, set DJANGO_ORIGIN_SECRET" in refused.stderr
        found = carried_from(old.url, project, build, DJANGO_ORIGIN_SECRET=SECRET)
    assert any(name.startswith("only-1.") for name in found)
    assert not any(SECRET.encode() in body for body in read_files(project / "staticfiles").values())


def test_a_coding_that_a_cdn_does_not_pass_on_is_done_without(project: Path, build: Build, release: Releaser) -> None:
    one = release("1")
    with showing(one, project) as old, run_intermediary(old.url) as cdn:
        change_release(project, "2")
        result = build(DJANGO_STATIC_PREVIOUS=cdn.url)
        assert result.returncode == 0, result.stderr
        assert f"{cdn.url} does not pass zstd on: 2 files are carried without it." in result.stderr
        index = read_index(project / "staticfiles")
        (style,) = (name for name in list_immutable_names(one) if name.startswith("site."))
        assert [each.coding for each in index[style].representations] == ["br", "gzip", "identity"]
        check_integrity(project / "staticfiles")
        cdn.moved_prefix = "/static/only-1."
        result = build(DJANGO_STATIC_PREVIOUS=cdn.url)
        assert result.returncode == 6
        assert "only-1." in result.stderr
        assert "returns 302 Found" in result.stderr


def test_a_deployment_that_is_not_what_its_index_says_is_told_of(
    project: Path, build: Build, release: Releaser
) -> None:
    one = release("1")
    (style,) = (name for name in list_immutable_names(one) if name.startswith("site."))
    large = (one / style).stat().st_size
    with showing(one, project) as old:
        (one / style).write_bytes(b"!" * large)
        change_release(project, "2")
        result = build(DJANGO_STATIC_PREVIOUS=old.url)
    assert result.returncode == 6
    assert f"{old.url}: {style} returns 503 Service Unavailable" in result.stderr


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    """Variables for a server that speaks S3's protocol, with one bucket: ``bucket``."""
    with run_moto() as variables:
        yield variables


@pytest.fixture(params=["s3", "file"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, dict[str, str]]:
    """The URL of an empty store, and the variables that it needs."""
    if request.param == "file":
        (tmp_path / "store").mkdir()
        return f"file://{tmp_path}/store", {}
    return f"s3://bucket/{tmp_path.name}", request.getfixturevalue("s3")


def opened(url: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return from_url(url)


def publish(tree: Path, to: ObjectStore) -> None:
    """Write a release as the store's layout has it: its files, then its index."""
    index = read_index(tree)
    for resource in index.values():
        for representation in resource.representations if resource.immutable else ():
            obstore.put(to, f"files/{representation.file}", (tree / representation.file).read_bytes())
    obstore.put(to, f"releases/{index.releases[0].digest}.index", (tree / INDEX_FILE_NAME).read_bytes())


def wait_for_a_later_time(store: ObjectStore, published: Path) -> None:
    """Wait until what is written has a later time than the release: S3 tells it by the second."""
    written = obstore.head(store, f"releases/{read_index(published).releases[0].digest}.index")["last_modified"]

    def is_later() -> bool:
        obstore.put(store, "clock", b"")
        return bool(obstore.head(store, "clock")["last_modified"] > written)

    wait_until(is_later, "the store's time stands still")


def test_releases_come_from_an_object_store_the_newest_first(
    project: Path,
    build: Build,
    release: Releaser,
    place: tuple[str, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, variables = place
    to = opened(url, variables, monkeypatch)
    trees = []
    for name in ("0", "1"):
        trees.append(release(name))
        publish(trees[-1], to)
        wait_for_a_later_time(to, trees[-1])
    found = carried_from(url, project, build, **variables)
    assert {name[:6] for name in found if name.startswith("only-")} == {"only-0", "only-1", "only-2"}
    releases = read_index(project / "staticfiles").releases
    assert [each.digest for each in releases[1:]] == [read_index(tree).releases[0].digest for tree in trees[::-1]]
    assert {each.origin for each in releases[1:]} == {url}
    assert all(each.time and abs(each.time - time.time()) < 600 for each in releases[1:])
    for tree in trees:
        for name in list_immutable_names(tree):
            had = {each.file for each in read_index(tree)[name].representations}
            assert {file: found.get(file) for file in had} == {file: (tree / file).read_bytes() for file in had}
    fewer = carried_from(url, project, build, DJANGO_STATIC_KEEP_RELEASES="1", **variables)
    assert {name[:6] for name in fewer if name.startswith("only-")} == {"only-1", "only-2"}
    publish((project / "staticfiles").resolve(), to)
    again = build_afresh(project, build, DJANGO_STATIC_PREVIOUS=url, DJANGO_STATIC_KEEP_RELEASES="1", **variables)
    told = f"{url} has 3 releases; those before the newest 2 are not carried: DJANGO_STATIC_KEEP_RELEASES is 1"
    assert told in again.stderr


def test_a_release_that_is_of_no_use_takes_no_other_of_the_store_with_it(
    project: Path, build: Build, release: Releaser, tmp_path: Path
) -> None:
    store, now = tmp_path / "store", int(time.time())
    named = []
    for number, prefix in (("1", "/static/"), ("2", "/other/"), ("3", "/static/")):
        tree = release(number, DJANGO_STATIC_PREFIX=prefix)
        named.append(read_index(tree).releases[0].digest)
        publish(tree, from_url(f"file://{store}", mkdir=True))
        os.utime(store / "releases" / f"{named[-1]}.index", (now - 60 + int(number),) * 2)
    damaged = store / "releases" / "damaged.index"
    damaged.write_text("{}")
    os.utime(damaged, (now - 50,) * 2)
    change_release(project, "4")
    stopped = build_afresh(project, build, DJANGO_STATIC_PREVIOUS=f"file://{store}")
    assert stopped.returncode == 6
    warned = build_afresh(
        project, build, DJANGO_STATIC_PREVIOUS=f"file://{store}", DJANGO_STATIC_PREVIOUS_PROBLEMS="warn"
    )
    assert warned.returncode == 0, warned.stderr
    for said in (stopped.stderr, warned.stderr):
        assert f"the index file://{store}/releases/damaged.index cannot be used" in said
        assert f"the releases of file://{store}/releases/{named[1]}.index are served below /other/" in said
    assert [each.digest for each in read_index(project / "staticfiles").releases[1:]] == [named[2], named[0]]


def test_what_is_wrong_with_an_object_store_is_told(
    project: Path,
    build: Build,
    release: Releaser,
    place: tuple[str, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, variables = place
    to = opened(url, variables, monkeypatch)
    one = release("1")
    change_release(project, "2")
    result = build(DJANGO_STATIC_PREVIOUS=url, **variables)
    assert result.returncode == 6
    assert f"{url} holds no release: nothing was published there." in result.stderr
    publish(one, to)
    (style,) = (name for name in list_immutable_names(one) if name.startswith("site."))
    (own,) = (name for name in list_immutable_names(one) if name.startswith("only-"))
    obstore.put(to, f"files/{style}.gz", (one / f"{style}.gz").read_bytes()[:-1])
    obstore.delete(to, f"files/{own}")
    result = build(DJANGO_STATIC_PREVIOUS=url, **variables)
    assert result.returncode == 6
    length = (one / f"{style}.gz").stat().st_size
    said = f"{url}: {style}.gz has {length - 1} bytes, not the {length} bytes in its index"
    assert said in result.stderr
    assert f"{url}: {own} is missing" in result.stderr


def test_a_bucket_that_does_not_exist_is_told_of(build: Build, s3: dict[str, str]) -> None:
    result = build(DJANGO_STATIC_PREVIOUS="s3://no-such-bucket/static", **s3)
    assert result.returncode == 6
    assert "s3://no-such-bucket/static cannot be read: " in result.stderr
    assert "NoSuchBucket" in result.stderr
    assert "Debug source" not in result.stderr


def test_a_page_is_not_taken_for_a_store_without_releases(build: Build) -> None:
    with run_portal(b"<html><body>Log in</body></html>") as address:
        result = build(DJANGO_STATIC_PREVIOUS="s3://bucket/static", **make_credentials(address))
    assert result.returncode == 6
    assert (
        "s3://bucket/static cannot be read: the server there is not an object store: it returns an object that cannot "
        "exist. Are its credentials set, and is its address right (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; "
    ) in result.stderr


def test_without_the_extra_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("static_host.object_store.client.find_spec", lambda _: None)
    with pytest.raises(InvalidSettingsError) as caught:
        ObjectStoreSource("s3://bucket/static")
    assert str(caught.value) == (
        "s3://bucket/static needs obstore, which is not installed: pip install 'django-static-host[store]'."
    )
    assert caught.value.exit_code == 2


def test_a_directory_that_was_copied_out_of_an_image_is_a_source(
    project: Path, build: Build, release: Releaser, tmp_path: Path
) -> None:
    """``COPY --from`` follows the link that a static root is, and keeps the files' times."""
    release("1")
    image = tmp_path / "image"
    shutil.copytree(project, image, symlinks=True)
    assert (image / "staticfiles").readlink() == Path(
        f".staticfiles.releases/{(project / 'staticfiles').resolve().name}"
    )
    found = carried_from(str(image / "staticfiles"), project, build)
    assert any(name.startswith("only-1.") for name in found)
    named = read_index(project / "staticfiles").releases[1]
    assert named.time == int((image / "staticfiles" / INDEX_FILE_NAME).stat().st_mtime)
