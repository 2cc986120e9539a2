"""Each variable: what it accepts, what it refuses and how it says so; and the README's table of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from static_host.conf.settings import InvalidSettingsError, Settings, list_variables
from static_host.conf.validators import parse_static_host

README = Path(__file__).parents[2] / "README.md"
COMPOSE = README.with_name("docker-compose.yml")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("static_host.conf.settings.SECRETS_DIRECTORY", tmp_path / "secrets")


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("", ""),
        ("//", "//"),
        ("cdn.example.com", "//cdn.example.com"),
        ("//cdn.example.com", "//cdn.example.com"),
        ("//cdn.example.com/", "//cdn.example.com"),
        ("https://cdn.example.com", "https://cdn.example.com"),
        ("https://cdn.example.com/assets/", "https://cdn.example.com/assets"),
        ("HTTPS://CDN.Example.com/Assets", "https://cdn.example.com/Assets"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("localhost:8080", "//localhost:8080"),
        ("cdn.example.com/assets", "//cdn.example.com/assets"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://cdn.example.com/a%20b", "https://cdn.example.com/a%20b"),
        ("xn--bcher-kva.example", "//xn--bcher-kva.example"),
    ],
)
def test_a_static_host_is_accepted(value: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_STATIC_HOST", value)
    assert Settings.read().static_host == host


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("https://user:password@cdn.example.com", "it has credentials"),
        ("user@cdn.example.com", "it has credentials"),
        ("https://cdn.example.com?v=1", "it has a query"),
        ("https://cdn.example.com/#top", "it has a fragment"),
        ("https://cdn example.com", "it has a space"),
        ("cdn.example.com ", "it has a space"),
        ("ftp://cdn.example.com", "its scheme is neither http nor https"),
        ("s3://bucket/assets", "its scheme is neither http nor https"),
        ("/assets/", "it names no host"),
        ("///assets", "it is not a host name"),
        ("https://", "it is not a host name"),
        ("https:cdn.example.com", "it is not a host name"),
        ("http:/cdn.example.com", "it is not a host name"),
        ("javascript:alert(1)", "it is not a host name"),
        ("cdn.example.com:99999", "it is not a host name"),
        ("-cdn.example.com", "it is not a host name"),
        ("cdn.example.com\\assets", "it is not a host name"),
        ("https://cdn.example.com/../x", "its path has a dot segment"),
        ("bücher.example", "its host is not in its ASCII form (xn--…)"),
        ("//bücher.example/assets", "its host is not in its ASCII form (xn--…)"),
        ("https://cdn.example.com/é", "its path is not in its ASCII form (%…)"),
    ],
)
def test_a_static_host_is_refused(value: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_static_host(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DJANGO_SETTINGS_MODULE", "my-site.settings"),
        ("DJANGO_SETTINGS_MODULE", "mysite/settings.py"),
        ("DJANGO_STATIC_HOST", "ftp://cdn.example.com"),
        ("DJANGO_STATIC_PREFIX", "static/"),
        ("DJANGO_STATIC_PREFIX", "/static"),
        ("DJANGO_STATIC_PREFIX", "/"),
        ("DJANGO_STATIC_PREFIX", "/a/../b/"),
        ("DJANGO_STATIC_PREFIX", "//cdn.example.com/"),
        ("DJANGO_STATIC_MAX_AGE", "-1"),
        ("DJANGO_STATIC_MAX_AGE", "1h"),
        ("DJANGO_STATIC_IMMUTABLE_PATTERN", "("),
        ("DJANGO_STATIC_ROOT_FILES", "../secrets.txt"),
        ("DJANGO_STATIC_ROOT_FILES", "/etc/passwd"),
        ("DJANGO_STATIC_CODINGS", "br,lzma"),
        ("DJANGO_STATIC_CODINGS", "gzip,zopfli"),
        ("DJANGO_STATIC_MISSING_REFERENCES", "ignore"),
        ("DJANGO_STATIC_PREVIOUS", "ftp://example.com/static"),
        ("DJANGO_STATIC_PREVIOUS", "https://[::1"),
        ("DJANGO_STATIC_PREVIOUS", "https://example.com:99999"),
        ("DJANGO_STATIC_PREVIOUS", "https://example.com/a b"),
        ("DJANGO_STATIC_PREVIOUS", "https://example.com/é"),
        ("DJANGO_STATIC_PREVIOUS", "https://example.com/a/../b"),
        ("DJANGO_STATIC_PREVIOUS", "previous,https://example.com/?token=1"),
        ("DJANGO_STATIC_PREVIOUS_PROBLEMS", "ignore"),
        ("DJANGO_STATIC_KEEP_RELEASES", "0"),
        ("DJANGO_STATIC_KEEP_AGE", "30"),
        ("DJANGO_STATIC_KEEP_AGE", "1y"),
        ("DJANGO_SENDFILE_ROOTS", "/var/lib/files"),
        ("DJANGO_SENDFILE_ROOTS", "/protected/"),
        ("DJANGO_SENDFILE_ROOTS", "/protected/="),
        ("DJANGO_SENDFILE_ROOTS", "/protected/=files"),
        ("DJANGO_SENDFILE_ROOTS", "/protected=/var/lib/files"),
        ("DJANGO_SENDFILE_ROOTS", "protected/=/var/lib/files"),
        ("DJANGO_SENDFILE_ROOTS", "/=/var/lib/files"),
        ("DJANGO_SENDFILE_ROOTS", "/a/../b/=/var/lib/files"),
        ("DJANGO_SENDFILE_ROOTS", "//cdn.example.com/=/var/lib/files"),
        ("DJANGO_SENDFILE_ROOTS", "/a/=/one,/a/=/two"),
        ("DJANGO_SENDFILE_ROOTS", "/a/=/one,two"),
        ("DJANGO_STATIC_MEDIA_TYPES", ".foo"),
        ("DJANGO_STATIC_MEDIA_TYPES", ".foo=text"),
        ("DJANGO_STATIC_MEDIA_TYPES", "=text/x"),
        ("DJANGO_STATIC_MEDIA_TYPES", ".=text/x"),
        ("DJANGO_STATIC_MEDIA_TYPES", "a/b.foo=text/x"),
        ("DJANGO_STATIC_MEDIA_TYPES", ".tar.foo=text/x"),
        ("DJANGO_STATIC_MEDIA_TYPES", ".foo=text/x,.FOO=text/y"),
        ("DJANGO_STATIC_NOT_FOUND", "errors/"),
        ("DJANGO_STATIC_NOT_FOUND", "../404.html"),
        ("DJANGO_STATIC_NOT_FOUND", "/404.html"),
        ("SOURCE_DATE_EPOCH", "yesterday"),
        ("DJANGO_INTERFACE", "gateway"),
        ("DJANGO_THREADS", "0"),
        ("DJANGO_THREADS", "1.5"),
        ("DJANGO_DEBUG", "maybe"),
        ("HOST", "http://0.0.0.0"),
        ("HOST", "unix:site.sock"),
        ("HOST", "unix:"),
        ("HOST", "unix:/" + "a" * 107),
        ("SOCKET_MODE", "rw"),
        ("SOCKET_MODE", "666.0"),
        ("SOCKET_MODE", "1777"),
        ("SOCKET_MODE", "0o660"),
        ("SOCKET_MODE", "0888"),
        ("PORT", "65536"),
        ("PORT", "0x50"),
        ("WEB_CONCURRENCY", "auto"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.0/8,10.0.0.0/99"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.5/8"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.1,*"),
    ],
)
def test_a_wrong_value_is_named_with_its_variable(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettingsError) as caught:
        Settings.read()
    assert caught.value.exit_code == 2
    assert re.search(rf"^  {name}={re.escape(repr(value))}: .*Expected: \S.*\.$", str(caught.value), re.MULTILINE)


@pytest.mark.parametrize("name", ["DJANGO_STATIC_HOST", "DJANGO_STATIC_STORE", "DJANGO_STATIC_PREVIOUS"])
def test_a_password_in_a_url_is_refused_and_not_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scheme = "s3" if name == "DJANGO_STATIC_STORE" else "https"
    monkeypatch.setenv(name, f"{scheme}://user:p@ssword@example.com/x")
    with pytest.raises(InvalidSettingsError) as caught:
        Settings.read()
    assert f"  {name}='{scheme}://…@example.com/x': it has credentials" in str(caught.value)
    assert "ssword" not in str(caught.value)


@pytest.mark.parametrize("blank", ["", " ", ","])
def test_blank_codings_of_pages_are_none(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    assert Settings.read().page_codings == ("zstd", "br", "gzip")
    monkeypatch.setenv("DJANGO_PAGE_CODINGS", blank)
    assert Settings.read().page_codings == ()


def test_a_blank_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "WEB_CONCURRENCY", "DJANGO_STATIC_ROOT", "DJANGO_STATIC_ROOT_FILES", "DJANGO_THREADS"):
        monkeypatch.setenv(name, " ")
    settings = Settings.read()
    assert (settings.port, settings.workers, settings.static_root, settings.threads) == (8000, 1, None, 10)
    assert settings.static_root_files == ("favicon.ico", "robots.txt")


def test_root_files_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_STATIC_ROOT_FILES", ",")
    assert Settings.read().static_root_files == ()


@pytest.mark.parametrize(
    ("value", "roots"),
    [
        (" ", ()),
        ("/protected/=/var/lib/files", ("/protected/=/var/lib/files",)),
        ("/a/=/one, /b/c/=/two=2/", ("/a/=/one", "/b/c/=/two=2/")),
    ],
)
def test_directories_of_named_files(monkeypatch: pytest.MonkeyPatch, value: str, roots: tuple[str, ...]) -> None:
    monkeypatch.setenv("DJANGO_SENDFILE_ROOTS", value)
    assert Settings.read().sendfile_roots == roots


def test_media_types_are_by_extension_and_by_file_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "DJANGO_STATIC_MEDIA_TYPES",
        ' .Foo = a/b; c="d=e" , Name.BAR=text/x, .=',
    )
    with pytest.raises(InvalidSettingsError, match=r"'\.' is neither an extension, such as \.foo, nor a file name"):
        Settings.read()
    monkeypatch.setenv("DJANGO_STATIC_MEDIA_TYPES", ' .Foo = a/b; c="d=e" , Name.BAR=text/x,')
    assert Settings.read().static_media_types == ('.foo=a/b; c="d=e"', "name.bar=text/x")
    monkeypatch.setenv("DJANGO_STATIC_MEDIA_TYPES", ".foo=text")
    with pytest.raises(InvalidSettingsError, match=r"'text', for \.foo, is not a media type\. Expected: "):
        Settings.read()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("/var/lib/files", "'/var/lib/files' does not name a path, then =, then the absolute path of a directory"),
        ("/a/=/one,/a/=/two", "one path stands for two directories"),
    ],
)
def test_a_wrong_directory_of_named_files_says_why(monkeypatch: pytest.MonkeyPatch, value: str, reason: str) -> None:
    monkeypatch.setenv("DJANGO_SENDFILE_ROOTS", value)
    with pytest.raises(InvalidSettingsError) as caught:
        Settings.read()
    assert f"  DJANGO_SENDFILE_ROOTS={value!r}: {reason}" in str(caught.value)


def test_the_environment_goes_before_env_file_and_that_before_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secrets").mkdir()
    for name, value in (("PORT", "1"), ("DJANGO_THREADS", "1"), ("DJANGO_SECRET_KEY", "from a file")):
        (tmp_path / "secrets" / name).write_text(value)
    (tmp_path / ".env").write_text("PORT=2\nDJANGO_THREADS=2\nDATABASE_URL=postgres://elsewhere\n")
    monkeypatch.setenv("PORT", "3")
    settings = Settings.read()
    assert (settings.port, settings.threads) == (3, 2)
    assert settings.secret_key is not None
    assert settings.secret_key.get_secret_value() == "from a file"
    assert "from a file" not in repr(settings)


def test_an_env_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"PORT=\xff\xfe")
    with pytest.raises(InvalidSettingsError, match=r"the file \.env is not UTF-8"):
        Settings.read()


def test_every_variable_is_in_one_group_and_in_the_readme() -> None:
    listed = [each.name for each in list_variables()]
    assert sorted(listed) == sorted({str(field.validation_alias) for field in Settings.model_fields.values()})
    assert re.findall(r"^\| `([A-Z_]+)` \|", README.read_text(), re.MULTILINE) == listed


def test_the_readme_shows_a_default_and_a_meaning() -> None:
    assert "\n| `WEB_CONCURRENCY` | `1` | Worker processes. |\n" in README.read_text()
    assert "\n| `DJANGO_STATIC_STORE` | empty | An object store that all releases share (" in README.read_text()


def test_generated_tables_are_those_of_the_code() -> None:
    checked = subprocess.run([sys.executable, README.with_name("docs") / "generate.py", "--check"], check=False)
    assert checked.returncode == 0


OF_THE_BUILD = {
    "DJANGO_DEV_IGNORE",
    "DJANGO_STATIC_CACHE",
    "DJANGO_STATIC_CODINGS",
    "DJANGO_STATIC_DICTIONARY_BYTES",
    "DJANGO_STATIC_EFFORT",
    "DJANGO_STATIC_KEEP_AGE",
    "DJANGO_STATIC_KEEP_RELEASES",
    "DJANGO_STATIC_MEDIA_TYPES",
    "DJANGO_STATIC_MISSING_REFERENCES",
    "DJANGO_STATIC_PREVIOUS",
    "DJANGO_STATIC_PREVIOUS_PROBLEMS",
    "SOURCE_DATE_EPOCH",
}
"""What no server reads: an image is built before it is run, and not for development."""
OF_THE_IMAGE = {
    "DJANGO_PYTHON",
    "DJANGO_SETTINGS_MODULE",
    "DJANGO_SITE_DATA",
    "DJANGO_STATIC_ROOT",
    "HOST",
    "PORT",
    "SOCKET_MODE",
    "TLS_CERTIFICATE",
    "TLS_CLIENT_CA",
    "TLS_KEY",
}
OF_THE_STORE = ("AWS_", "AZURE_", "GOOGLE_")
OF_A_FILE = {"AZURE_FEDERATED_TOKEN_FILE", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT"}
"""What names a file, which a container does not have."""


def passed_on() -> dict[str, str | None]:
    listed: dict[str, str | None] = yaml.safe_load(COMPOSE.read_text())["x-site"]["environment"]
    return listed


def test_compose_passes_on_every_variable_that_a_server_reads() -> None:
    listed = passed_on()
    variables = {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert {name for name in listed if not name.startswith(OF_THE_STORE)} == variables - OF_THE_BUILD - OF_THE_IMAGE
    assert set(listed.values()) == {None}, "where it is not set, the default holds"


def test_compose_passes_on_what_the_readme_says_of_stores_but_no_names_of_files() -> None:
    told = set(re.findall(r"`((?:AWS|AZURE|GOOGLE)_[A-Z_]+)`", README.read_text()))
    assert told - passed_on().keys() == OF_A_FILE
