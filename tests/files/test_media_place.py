from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from static_host.files.media_place import MediaPlace, Storage, UnservableMediaError, find_media_place
from static_host_django.script_name import expand_prefix

S3 = "storages.backends.s3.S3Storage"


def make_storage(**values: Any) -> Storage:
    facts: dict[str, Any] = {"class_path": "django.core.files.storage.filesystem.FileSystemStorage", "is_local": True}
    facts |= {"location": "/srv/media", "url": "/media/", "obstacle": "", "private_files": {}}
    return Storage.from_facts({**facts, **values})


def find(storage: Storage, static_root: str = "/srv/static", script_name: str | None = None) -> MediaPlace | None:
    return find_media_place(
        storage, Path(static_root), (b"/static/",), lambda prefix: expand_prefix(prefix, script_name)
    )


@pytest.mark.parametrize(
    ("url", "script_name", "prefixes"),
    [
        ("/media/", None, (b"/media/",)),
        ("/media", None, (b"/media/",)),
        ("https://media.example.com/files/", None, (b"/files/",)),
        ("//media.example.com/files/", None, (b"/files/",)),
        ("/app/media/", "/app", (b"/app/media/", b"/media/")),
        ("/caf%C3%A9%20x/", None, ("/café x/".encode(),)),
        ("/café/", None, ("/café/".encode(),)),
    ],
)
def test_a_local_storage_is_served_at_the_path_of_its_url(
    url: str, script_name: str | None, prefixes: tuple[bytes, ...]
) -> None:
    assert find(make_storage(url=url), script_name=script_name) == MediaPlace(Path("/srv/media"), prefixes)


def test_a_bucket_is_not_ours() -> None:
    storage = make_storage(class_path=S3, is_local=False, location="", url="")
    assert find(storage) is None
    assert storage.describe_foreign() == f"uploads are not served here: they are in {S3}, which is no local directory"


def test_a_storage_that_cannot_be_used_is_not_served() -> None:
    storage = make_storage(obstacle="ImportError: no boto3")
    assert find(storage) is None
    assert storage.describe_foreign().endswith("the default storage cannot be used: ImportError: no boto3")


@pytest.mark.parametrize(
    ("values", "message", "remedy"),
    [
        ({"location": ""}, "MEDIA_ROOT is empty", "MEDIA_ROOT"),
        ({"location": "", "url": "/"}, "MEDIA_ROOT is empty", "MEDIA_ROOT"),
        ({"url": ""}, "MEDIA_URL = '' has no path of its own", "MEDIA_URL"),
        ({"url": "/"}, "MEDIA_URL = '/' has no path of its own", "MEDIA_URL"),
        ({"url": "//"}, "MEDIA_URL = '//' has no path of its own", "MEDIA_URL"),
        ({"url": "https://a.example/"}, "MEDIA_URL = 'https://a.example/' has no path of its own", "MEDIA_URL"),
        ({"url": "/static/"}, "and the static files at /static/ overlap", "MEDIA_URL"),
        ({"url": "/static/media/"}, "and the static files at /static/ overlap", "MEDIA_URL"),
        ({"url": "/%73tatic/media/"}, "and the static files at /static/ overlap", "MEDIA_URL"),
        ({"location": "/"}, "contains the working directory", "MEDIA_ROOT"),
        ({"private_files": {"the settings": "/srv/media/mysite/settings.py"}}, "contains the settings", "MEDIA_ROOT"),
    ],
)
def test_what_has_anything_else_in_it_is_refused(values: dict[str, Any], message: str, remedy: str) -> None:
    with pytest.raises(UnservableMediaError) as error:
        find(make_storage(**values))
    assert error.value.message.startswith("DJANGO_SERVE_MEDIA=true: ")
    assert message in error.value.message
    assert remedy in error.value.remedy
    assert error.value.exit_code == 2


@pytest.mark.parametrize("static_root", ["/srv/media", "/srv/media/static", "/srv/media/a/b"])
def test_a_directory_with_the_static_tree_is_refused(static_root: str) -> None:
    with pytest.raises(UnservableMediaError, match="contains the static tree"):
        find(make_storage(), static_root)


def test_links_hide_nothing_from_the_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "code/static").mkdir(parents=True)
    (tmp_path / "media").symlink_to(tmp_path / "code")
    storage = make_storage(location=str(tmp_path / "media"))
    with pytest.raises(UnservableMediaError, match="contains the static tree"):
        find(storage, str(tmp_path / "code/static"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "code/link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnservableMediaError, match="contains the static tree"):  # visitors can follow the link's name
        find(storage, str(tmp_path / "code/link"))
    monkeypatch.chdir(tmp_path / "code/static")
    with pytest.raises(UnservableMediaError, match="contains the working directory"):
        find(storage)


def test_a_directory_beside_the_code_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    storage = make_storage(location=str(tmp_path / "media"), private_files={"x": str(tmp_path / "media2/x")})
    assert find(storage, str(tmp_path / "static")) is not None


def test_the_start_up_line_names_directory_and_path() -> None:
    assert MediaPlace(Path("/srv/media"), (b"/app/media/", b"/media/")).summary == (
        "uploads of /srv/media at /app/media/ and /media/"
    )
