"""``static-host publish``: a release's fingerprinted files, put into the store before it is rolled out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from obstore.store import from_url

from static_host.origin.index import INDEX_FILE_NAME, parse_index
from static_host.origin.representation import compute_digest
from static_host_build.publish.publish_errors import explain_store_error
from tests.support.builds import Build
from tests.support.processes import run
from tests.support.projects import SETTINGS
from tests.support.releases import Releaser, make_releaser, read_index
from tests.support.stores import Bucket, make_credentials, run_bucket, run_moto, run_portal

NOBODY = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_METADATA_ENDPOINT": "http://127.0.0.1:9"}
ACCOUNT = {"AZURE_STORAGE_ACCOUNT_NAME": "mysite", "AZURE_STORAGE_ACCOUNT_KEY": "c29tZXRoaW5n"}
CLIENT = {
    "AZURE_STORAGE_ACCOUNT_NAME": "mysite",
    "AZURE_CLIENT_ID": "someone",
    "AZURE_CLIENT_SECRET": "something",
    "AZURE_TENANT_ID": "somewhere",
}


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    with run_moto() as variables:
        yield variables


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Bucket]:
    (tmp_path / "bucket").mkdir()
    with run_bucket(tmp_path / "bucket") as running:
        yield running


@pytest.fixture
def release(project: Path, build: Build, tmp_path: Path) -> Releaser:
    return make_releaser(project, build, tmp_path)


def published(tree: Path, place: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(
        "static-host", "publish", str(tree), *options, cwd=tree, DJANGO_STATIC_STORE=place, **SETTINGS, **variables
    )


def expected(tree: Path) -> dict[str, bytes]:
    """Return every file that the release has to have in the store, by its path there."""
    index = read_index(tree)
    names = [r.file for resource in index.values() if resource.immutable for r in resource.representations]
    files = {f"files/{name}": (tree / name).read_bytes() for name in names}
    return {**files, f"releases/{index.releases[0].digest}.index": (tree / INDEX_FILE_NAME).read_bytes()}


def there(place: Path) -> dict[str, bytes]:
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_every_coding_of_every_fingerprinted_file_and_the_index_are_published(tree: Path, tmp_path: Path) -> None:
    place = tmp_path / "not/there/yet"
    result = published(tree, f"file://{place}")
    assert result.returncode == 0, result.stderr
    assert there(place) == expected(tree)
    count, size = (
        len(expected(tree)) - 1,
        sum(map(len, expected(tree).values())) - (tree / INDEX_FILE_NAME).stat().st_size,
    )
    assert re.fullmatch(
        rf"static-host: release [0-9a-f]{{16}} is in file://{place}: {count} files, {size:,} bytes; {count} files, "
        rf"{size:,} bytes sent; \d+\.\d s\n",
        result.stdout,
    )
    assert result.stderr == f"static-host: sending {count} of {count} files, {size:,} bytes\n"


def test_objects_in_s3_have_the_media_type_and_the_caching_and_no_content_encoding(
    tree: Path, s3: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert published(tree, "s3://bucket/facts", **s3).returncode == 0
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    store = from_url("s3://bucket/facts")
    assert {path: bytes(store.get(path).bytes()) for path in expected(tree)} == expected(tree)
    caching = {"Cache-Control": "public, max-age=31536000, immutable"}
    assert store.get("files/site.e8e374d844cc.css").attributes == {
        "Content-Type": "text/css; charset=utf-8",
        "statichostdigest": "11PONsKYSbetyDbcMlpAF65Z",
        **caching,
    }
    assert store.get("files/site.e8e374d844cc.css.br").attributes == {
        "Content-Type": "application/octet-stream",
        "statichostdigest": "W-beZnwQuOVuBP5mCaUfEqZF",
        **caching,
    }


def document(result: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert result.returncode == 0, result.stderr
    found: dict[str, object] = json.loads(result.stdout)
    return found


@pytest.mark.parametrize("scheme", ["file", "s3"])
def test_what_is_there_is_not_sent_again_and_what_is_not_right_is(
    tree: Path, tmp_path: Path, s3: dict[str, str], scheme: str, empty: Bucket
) -> None:
    place, variables = (f"file://{empty.directory}", {}) if scheme == "file" else ("s3://bucket", empty.variables)
    count = len(expected(tree)) - 1
    first = document(published(tree, place, "--json", **variables))
    assert (first["files"], first["sent"]) == (count, count)
    assert document(published(tree, place, "--json", **variables))["sent"] == 0
    style = empty.directory / "files/site.e8e374d844cc.css"
    style.write_bytes(b"!" * style.stat().st_size)
    os.utime(style, (2_000_000_000, 2_000_000_000))  # after the index: that vouches for it no more
    (empty.directory / "files/site.e8e374d844cc.css.br").write_bytes(b"")
    (empty.directory / "files/digits.781e5e245d69.txt").unlink()
    again = document(published(tree, place, "--json", **variables))
    assert again["sent"] == 3
    assert there(empty.directory) == expected(tree)


def test_the_index_comes_last_and_a_run_that_was_cut_short_goes_on(tree: Path, empty: Bucket) -> None:
    count = len(expected(tree)) - 1

    def fault(key: str, body: bytes) -> bytes | int:
        return 403 if key == "PUT files/site.e8e374d844cc.css" else body

    empty.fault = fault
    result = published(tree, "s3://bucket", **empty.variables)
    assert result.returncode == 7
    assert not (empty.directory / "releases").exists()
    sent = len(there(empty.directory))
    empty.fault = lambda key, body: body
    empty.requested_keys.clear()
    again = document(published(tree, "s3://bucket", "--json", **empty.variables))
    assert (again["files"], again["sent"]) == (count, count - sent)
    puts = [key for key in empty.requested_keys if key.startswith("PUT ")]
    assert puts[-1].startswith("PUT releases/")
    assert len(puts) == count - sent + 1
    assert there(empty.directory) == expected(tree)


def test_a_second_release_sends_what_is_new_and_leaves_the_first_one_as_it_is(release: Releaser, empty: Bucket) -> None:
    one, two = release("1"), release("2")
    place = f"file://{empty.directory}"
    assert published(one, place).returncode == 0
    again = document(published(two, place, "--json"))
    assert again["sent"] == len(expected(two).keys() - expected(one).keys()) - 1
    assert there(empty.directory) == expected(one) | expected(two)


def test_another_content_under_a_published_name_is_refused_unless_it_shall_be_replaced(
    project: Path, release: Releaser, empty: Bucket
) -> None:
    pattern = {"DJANGO_STATIC_IMMUTABLE_PATTERN": r"^digits\.txt$"}
    one = release("1", **pattern)
    (project / "mysite/static/digits.txt").write_text("9876543210")
    two = release("2", **pattern)
    place = f"file://{empty.directory}"
    assert published(one, place, **pattern).returncode == 0
    result = published(two, place, **pattern)
    named = read_index(one).releases[0].digest
    assert result.returncode == 7
    assert result.stderr == (
        "static-host: files would overwrite those of other releases:\n"
        f"  digits.txt has other bytes in release {named}\n"
        "Give them other names, or overwrite the older ones with --replace.\n"
    )
    assert there(empty.directory) == expected(one)
    assert published(two, place, "--replace", **pattern).returncode == 0
    assert there(empty.directory)["files/digits.txt"] == b"9876543210"


def test_a_name_that_no_server_would_look_for_is_a_warning(release: Releaser, empty: Bucket) -> None:
    one = release("1", DJANGO_STATIC_IMMUTABLE_PATTERN=r"^main\.js$")
    result = published(one, f"file://{empty.directory}")
    assert result.returncode == 0
    assert "static-host: main.js: servers search the store only for names with a hash. Set" in result.stderr
    result = published(one, f"file://{empty.directory}", DJANGO_STATIC_IMMUTABLE_PATTERN=r"^main\.js$")
    assert "without a hash" not in result.stderr


@pytest.mark.parametrize(
    ("place", "change", "said"),
    [
        ("s3://nowhere", {}, "s3://nowhere: there is no such bucket. Create it, or name another one in"),
        ("s3://bucket", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "s3://bucket: the store cannot be reached. Is its"),
        (
            "s3://bucket",
            NOBODY,
            "s3://bucket: there are no credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the",
        ),
        (
            "az://container",
            {},
            "az://container cannot be opened: Generic MicrosoftAzure error: Account must be specified. Set its credent",
        ),
        (
            "az://container",
            {"AZURE_STORAGE_ACCOUNT_NAME": "mysite", "AZURE_MSI_ENDPOINT": "http://127.0.0.1:9/metadata/identity/"},
            "az://container: there are no credentials. Set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
        ),
        (
            "az://container",
            {**CLIENT, "AZURE_AUTHORITY_HOST": "http://127.0.0.1:9"},
            "az://container: its credentials are not accepted. Are they right and still valid (AZURE_STORAGE_",
        ),
        (
            "gs://bucket",
            {"GOOGLE_APPLICATION_CREDENTIALS": "/dev/null/key"},
            "file from /dev/null/key: Not a directory (os error 20). Set its credentials (GOOGLE_APPLICATION_",
        ),
        ("file:///dev/null/store", {}, "file:///dev/null/store"),
    ],
)
def test_what_is_wrong_with_the_store_is_told_in_words(
    tree: Path, s3: dict[str, str], place: str, change: dict[str, str], said: str
) -> None:
    variables = {name: value for name, value in {**s3, **change}.items() if value}
    result = published(tree, place, **variables)
    assert (result.returncode, result.stdout) == (7, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert "Debug source" not in result.stderr


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "GET http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token in 1s - HTTP error",
            "gs://bucket: there are no credentials. Set GOOGLE_APPLICATION_CREDENTIALS, the path of a credentials fi",
        ),
        (
            "POST https://oauth2.googleapis.com/token in 1s - Server returned non-2xx status code: 400 Bad Request",
            "gs://bucket: its credentials are not accepted. Are they right and still valid (GOOGLE_APPLICATION_CR",
        ),
    ],
)
def test_what_keeps_google_from_giving_a_token_is_told_in_words(said: str, told: str) -> None:
    """The addresses are fixed in obstore. The first message is its own, but for its end; the second is composed."""
    error = Exception(f"Generic GCS error: Error performing token request: Error performing {said}")
    assert explain_store_error("gs://bucket", error).startswith(told)


def test_a_store_that_refuses_is_told_in_words(tree: Path, empty: Bucket) -> None:
    empty.fault = lambda key, body: 403
    result = published(tree, "s3://bucket/mysite", **empty.variables)
    assert result.returncode == 7
    assert result.stderr.startswith(
        "static-host: s3://bucket/mysite: the store denies access. Are the credentials right (AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY), and may they list, read and write objects there? ("
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "static-host: DJANGO_STATIC_STORE is not set: it names the store, for example s3://bucket/mysite.\n"),
        ("bucket", "DJANGO_STATIC_STORE='bucket': it is not the URL of an object store. Expected: a URL without"),
        ("https://bucket.example.com", "it is not the URL of an object store"),
        ("s3://", "it is not the URL of an object store"),
        ("s3://key:secret@bucket", "it has credentials"),
        ("s3://bucket?a=b", "has a query or a fragment"),
    ],
)
def test_a_setting_that_names_no_store_is_told(tree: Path, value: str, said: str) -> None:
    result = published(tree, value)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
@pytest.mark.parametrize("page", ["<html><body>Log in</body></html>", "<!doctype html><meta charset=utf-8>Log in"])
def test_a_page_is_not_taken_for_a_store(tree: Path, scheme: str, page: str) -> None:
    with run_portal(page.encode()) as address:
        google = {"GOOGLE_BASE_URL": address, "GOOGLE_BEARER_TOKEN": "something"}
        azure = {"AZURE_STORAGE_ENDPOINT": address, **ACCOUNT}
        variables = {**make_credentials(address), **google, **azure}
        result = published(tree, f"{scheme}://bucket/mysite", **variables)
    assert result.returncode == 7
    assert f"{scheme}://bucket/mysite: the server there is not an object store. Is its address right (" in result.stderr


def test_what_is_older_is_sent_again_where_that_is_asked_for(tree: Path, empty: Bucket) -> None:
    place = f"file://{empty.directory}"
    assert published(tree, place).returncode == 0
    style = empty.directory / "files/site.e8e374d844cc.css"
    long_ago = time.time() - 31 * 86_400
    os.utime(style, (long_ago, long_ago))
    assert document(published(tree, place, "--json"))["sent"] == 0
    assert document(published(tree, place, "--json", "--renew", "32"))["sent"] == 0
    assert document(published(tree, place, "--json", "--renew", "30"))["sent"] == 1
    assert time.time() - style.stat().st_mtime < 86_400
    assert there(empty.directory) == expected(tree)


@pytest.mark.parametrize("damage", ["other bytes", "shorter"])
def test_a_damaged_tree_is_not_published(tree: Path, empty: Bucket, damage: str) -> None:
    path = tree / "site.e8e374d844cc.css"
    path.write_bytes(b"!" * path.stat().st_size if damage == "other bytes" else b"")
    result = published(tree, f"file://{empty.directory}")
    assert result.returncode == 3
    assert "is damaged: site.e8e374d844cc.css: " in result.stderr
    assert not (empty.directory / "releases").exists()


def test_names_that_are_written_in_more_than_ascii_are_published_and_found(
    project: Path, build: Build, s3: dict[str, str], cache: Path, tmp_path: Path
) -> None:
    odd = "menü für 50% & 1 ~ [a] +b@2x*.txt"
    (project / "mysite/static" / odd).write_text("odd")
    assert build().returncode == 0
    tree = project / "staticfiles"
    (name,) = (name for name in read_index(tree) if name.startswith("menü") and re.search(r"\.[0-9a-f]{12}\.", name))
    for place in ("s3://bucket/odd", f"file://{tmp_path}/odd"):
        assert published(tree.resolve(), place, **s3).returncode == 0
        assert document(published(tree.resolve(), place, "--json", **s3))["sent"] == 0
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in s3.items():
                patch.setenv(variable, value)
            store = from_url(place)
            assert bytes(store.get(f"files/{name}").bytes()) == b"odd"


def test_what_was_published_can_be_carried(release: Releaser, empty: Bucket, build: Build, project: Path) -> None:
    one = release("1")
    assert published(one, f"file://{empty.directory}").returncode == 0
    two = release("2", DJANGO_STATIC_PREVIOUS=f"file://{empty.directory}")
    assert [each.digest for each in read_index(two).releases[1:]] == [read_index(one).releases[0].digest]
    index = parse_index(next((empty.directory / "releases").iterdir()).read_bytes())
    assert all(compute_digest((two / r.file).read_bytes()) == r.digest for x in index.values() if x.immutable
               for r in x.representations)  # fmt: skip
