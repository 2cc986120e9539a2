"""Access to a store through obstore: what counts as an index, and as a store; and what is said of an error."""

from __future__ import annotations

import asyncio
import importlib.util
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

from static_host.conf.settings import InvalidSettingsError
from static_host.object_store import client
from static_host.object_store.client import (
    NotAStoreError,
    StoreOpenError,
    StoreTimeouts,
    format_index_path,
    format_reason,
    list_indexes,
    open_store,
    require_obstore,
    require_store_async,
    select_indexes,
)
from static_host.object_store.providers import Provider, find_provider

TIMEOUTS = StoreTimeouts(2.0, 60.0, 1)


class Refusing:
    """A store that lists no object, and gives none: it raises this error, or returns something for None."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.asked: list[str] = []

    def list(self, prefix: str) -> list[list[dict[str, Any]]]:
        self.asked.append(f"{prefix}*")
        return [[], []]

    def get(self, path: str) -> bytes:
        self.asked.append(path)
        if self.error:
            raise self.error
        return b"<html>"

    async def get_async(self, path: str) -> bytes:
        return self.get(path)


def test_an_index_has_the_name_of_its_release() -> None:
    assert format_index_path("3f9a") == "releases/3f9a.index"


def test_without_obstore_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    require_obstore("s3://a")
    asked: list[str] = []
    monkeypatch.setattr(client, "find_spec", asked.append)
    for require in (lambda: require_obstore("s3://a"), lambda: open_store("s3://a", TIMEOUTS)):
        with pytest.raises(InvalidSettingsError) as missing:
            require()
        assert str(missing.value) == (
            "s3://a needs obstore, which is not installed: pip install 'django-static-host[store]'."
        )
    assert asked == ["obstore"] * 2
    assert importlib.util.find_spec("obstore")


def test_a_directory_is_a_store_and_is_made_only_if_it_is_to_be(tmp_path: Path) -> None:
    url = (tmp_path / "store").as_uri()
    with pytest.raises(StoreOpenError) as failed:
        open_store(url, TIMEOUTS)
    assert str(failed.value).startswith("cannot be opened: ")
    assert "credentials" not in str(failed.value)
    assert not (tmp_path / "store").exists()
    open_store(url, TIMEOUTS, mkdir=True)
    assert (tmp_path / "store").is_dir()
    open_store(url, TIMEOUTS)


def test_a_store_has_these_time_limits_and_may_be_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr("obstore.store.from_url", lambda url, **options: given.append((url, options)))
    open_store("s3://a", StoreTimeouts(2.0, 60.0, 1))
    open_store("s3://a", StoreTimeouts(0.5, 600.0, 4), mkdir=True)
    open_store("file:///a", TIMEOUTS)
    (_, first), (_, second), third = given
    assert {name: str(value) for name, value in first["client_options"].items()} == {
        "allow_http": "True",
        "timeout": "0:01:00",
        "connect_timeout": "0:00:02",
    }
    assert first["retry_config"]["max_retries"] == 1
    assert str(first["retry_config"]["retry_timeout"]) == "0:01:00"
    assert str(second["client_options"]["connect_timeout"]) == "0:00:00.500000"
    assert (second["retry_config"]["max_retries"], str(second["retry_config"]["retry_timeout"])) == (4, "0:03:00")
    assert third == ("file:///a", {})
    assert [url for url, _ in given] == ["s3://a", "s3://a", "file:///a"]
    assert "mkdir" not in first


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("s3://a", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ("gs://a", "GOOGLE_APPLICATION_CREDENTIALS, the path of a credentials file"),
        ("az://a", "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"),
        ("file:///a", ""),
    ],
)
def test_a_store_that_cannot_be_opened_needs_its_provider_s_variables(
    url: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("no\n  key.")

    monkeypatch.setattr("obstore.store.from_url", fail)
    with pytest.raises(StoreOpenError) as failed:
        open_store(url, TIMEOUTS)
    remedy = remedy and f". Set its credentials ({remedy}), or give the machine a role"
    assert str(failed.value) == f"cannot be opened: no key{remedy}"


def test_each_provider_has_its_words() -> None:
    s3 = Provider("bucket", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "AWS_REGION, AWS_ENDPOINT_URL")
    assert find_provider("s3://bucket/path:1") == s3
    azure = find_provider("az://a")
    google = find_provider("gs://a")
    assert (azure and azure.bucket, google and google.address) == ("container", "GOOGLE_BASE_URL")
    assert find_provider("file:///s3") is None


def test_indexes_are_objects_below_releases_with_their_suffix_the_newest_first() -> None:
    def facts(path: str, day: int) -> dict[str, Any]:
        return {"path": path, "last_modified": datetime(2026, 1, day, tzinfo=UTC)}

    objects = [
        facts("releases/b.index", 1),
        facts("releases/c.index", 2),
        facts("releases/a.index", 1),
        facts("releases/a.txt", 3),
        facts("files/a.index", 3),
    ]
    assert [each["path"] for each in select_indexes(objects)] == [
        "releases/c.index",
        "releases/b.index",
        "releases/a.index",
    ]


def test_the_indexes_of_a_store_are_listed_in_all_its_batches(tmp_path: Path) -> None:
    (tmp_path / "releases").mkdir()
    for name in ("1.index", "2.index", "readme.txt"):
        (tmp_path / "releases" / name).write_text("x")
    store = open_store(tmp_path.as_uri(), TIMEOUTS)
    assert sorted(facts["path"] for facts in list_indexes(store)) == ["releases/1.index", "releases/2.index"]
    (tmp_path / "releases/1.index").unlink()
    (tmp_path / "releases/2.index").unlink()
    assert list_indexes(store) == []


@pytest.mark.parametrize("error", [FileNotFoundError("x"), PermissionDeniedError("x")])
def test_a_store_that_has_no_release_refuses_an_object_that_cannot_exist(error: Exception) -> None:
    store = Refusing(error)
    assert list_indexes(store) == []
    asyncio.run(require_store_async(store))
    assert store.asked == ["releases/*", "releases/none", "releases/none"]


@pytest.mark.parametrize("error", [OSError("reset"), UnauthenticatedError("x"), ValueError("x")])
def test_another_error_is_passed_on(error: Exception) -> None:
    for ask in (lambda: list_indexes(Refusing(error)), lambda: asyncio.run(require_store_async(Refusing(error)))):
        with pytest.raises(type(error)) as failed:
            ask()
        assert failed.value is error


def test_what_returns_that_object_is_no_store() -> None:
    for ask in (lambda: list_indexes(Refusing(None)), lambda: asyncio.run(require_store_async(Refusing(None)))):
        with pytest.raises(NotAStoreError) as failed:
            ask()
        assert str(failed.value) == ("the server there is not an object store: it returns an object that cannot exist")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), "no answer in time"),
        (TimeoutError("fewer bytes"), "fewer bytes"),
        (ValueError(), "ValueError"),
        (ValueError("..."), "ValueError"),
        (ValueError("a  b\n c.\n\nDebug source: secret"), "a b c"),
        (ValueError("a\n\nb\n\nDebug source: x\n\nDebug source: y"), "a b"),
        (ValueError("no INDEX.."), "no INDEX"),
        (ValueError("x" * 299 + ".."), "x" * 299),
        (ValueError("x" * 301), "x" * 300),
    ],
)
def test_an_error_s_reason_is_one_line_without_obstore_s_debugging_output(error: Exception, reason: str) -> None:
    assert format_reason(error) == reason
