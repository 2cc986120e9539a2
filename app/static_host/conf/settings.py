"""The configuration: the only reader of the environment.

Rule: every variable is one typed field with a description; values come from the environment, then from ``.env`` in
the working directory, then from files in ``/run/secrets``. Everything that is wrong is reported together, each by
the variable's name, its value and what would be right. A variable that is set but blank counts as not set.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv.parser import parse_stream
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ByteSize,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.config import JsonDict
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from static_host.conf import validators
from static_host.conf.validators import Listed
from static_host.errors import Stop

SECRETS = Path("/run/secrets")
"""Where container platforms mount secrets, one file for each variable."""


class SettingsWrong(Stop):
    """One or more variables cannot be used; the message lists them all."""

    exit_code = 2


def _variable(name: str, default: Any, meaning: str, expects: str, shown: str | None = None, **rules: Any) -> Any:
    """Return the field of one variable: `expects` is what an error says would be right."""
    extra: JsonDict = {"expects": expects, "shown": shown if shown is not None else str(default)}
    return Field(default, validation_alias=name, description=meaning, json_schema_extra=extra, **rules)


class Settings(BaseSettings):
    """Everything that can be configured, frozen. ``Settings.read()`` is how a program gets it."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_file=".env",
        env_file_encoding="utf-8",
        case_sensitive=True,
        validate_default=False,
    )

    settings_module: str = _variable(
        "DJANGO_SETTINGS_MODULE",
        "static_host_site.settings",
        "The Django project to serve: its settings module, importable from the working directory.",
        "a dotted module name, for example mysite.settings",
        pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)*$",
    )
    static_host: Annotated[str, AfterValidator(validators.host_of_files)] = _variable(
        "DJANGO_STATIC_HOST",
        "",
        "Where browsers fetch static files, when not from the page's own host: the CDN's address, with a path if it "
        "has one. Empty or `//`: no other host.",
        "a host or an http(s) URL without credentials, query or fragment, for example https://cdn.example.com",
        shown="",
    )
    static_prefix: Annotated[str | None, AfterValidator(validators.url_prefix)] = _variable(
        "DJANGO_STATIC_PREFIX",
        None,
        "The URL path below which static files are served.",
        "a path that begins and ends with a slash, for example /static/",
        shown="the path of the project's `STATIC_URL`, else `/static/`",
    )
    static_root: Path | None = _variable(
        "DJANGO_STATIC_ROOT",
        None,
        "The directory of the static tree: the build makes it, the server reads it.",
        "a directory",
        shown="the project's `STATIC_ROOT`, else `staticfiles`",
    )
    static_max_age: int = _variable(
        "DJANGO_STATIC_MAX_AGE",
        60,
        "Seconds for which files without a fingerprint may be reused before they are revalidated.",
        "a number of seconds from 0 to 31536000",
        ge=0,
        le=31536000,
    )
    static_memory: ByteSize = _variable(
        "DJANGO_STATIC_MEMORY",
        ByteSize(64_000_000),
        "Bytes of static files that are kept in memory, by all worker processes together: those that are asked for. "
        "The others, and every file above 1 MiB, are sent from the disk.",
        "a number of bytes, with a unit if you like, for example 64MB or 256MiB",
        shown="64MB",
        ge=0,
    )
    static_immutable_pattern: Annotated[str, AfterValidator(validators.pattern)] = _variable(
        "DJANGO_STATIC_IMMUTABLE_PATTERN",
        "",
        "A regular expression, searched in names below the prefix: the build records what it finds as immutable, "
        "beside everything that Django's manifest fingerprints.",
        "a regular expression, for example ^vite/assets/",
        shown="",
    )
    static_root_files: Annotated[Listed, AfterValidator(validators.relative)] = _variable(
        "DJANGO_STATIC_ROOT_FILES",
        ("favicon.ico", "robots.txt"),
        "Files of the tree that are served at `/` too, where the tree has them, separated by commas; a name that ends "
        "with a slash is everything below it. `,`: none.",
        "names below the static root, separated by commas, for example favicon.ico,robots.txt",
        shown="favicon.ico,robots.txt",
    )
    static_codings: Annotated[Listed, AfterValidator(validators.codings)] = _variable(
        "DJANGO_STATIC_CODINGS",
        ("br", "zstd", "gzip"),
        "Content codings that the build makes, separated by commas: `br`, `zstd`, `gzip`; `zopfli` in place of `gzip` "
        "makes gzip a little smaller and takes very much longer (install `django-static-host[zopfli]`).",
        "br, zstd and gzip or zopfli, separated by commas, for example br,gzip",
        shown="br,zstd,gzip",
    )
    static_effort: Literal["best", "fast"] = _variable(
        "DJANGO_STATIC_EFFORT",
        "best",
        "How much the build tries: `best` makes files that are as small as can be; `fast`, for CI and previews, takes "
        "about a fifth of the CPU time of encoding and makes about 6 % more bytes, 13 % where no zstd is read. Each "
        "has its own files in the cache.",
        "best or fast",
    )
    static_missing_references: Literal["error", "warn"] = _variable(
        "DJANGO_STATIC_MISSING_REFERENCES",
        "error",
        "What the build makes of a reference in the project's files that leads nowhere: `error` or `warn`. A missing "
        "source map, and what a file of an installed package refers to, is always a warning.",
        "error or warn",
    )
    static_cache: Path | None = _variable(
        "DJANGO_STATIC_CACHE",
        None,
        "A directory in which builds keep encoded files, so that the next one encodes only what changed.",
        "a directory",
        shown="`$XDG_CACHE_HOME/static-host`, else `~/.cache/static-host`",
    )
    static_store: Annotated[str, AfterValidator(validators.store)] = _variable(
        "DJANGO_STATIC_STORE",
        "",
        "An object store that all releases share (`s3://…`, `gs://…`, `az://…`, `file://…`; install "
        "`django-static-host[store]`): `static-host publish` puts a release's fingerprinted files there, and a server "
        "that has not got a file looks there for it. Credentials, region and endpoint are the store's own variables.",
        "a URL without credentials and query (s3, gs, az, file), for example s3://bucket/mysite",
        shown="",
    )
    static_store_timeout: float = _variable(
        "DJANGO_STATIC_STORE_TIMEOUT",
        2.0,
        "Seconds for which a request waits for `DJANGO_STATIC_STORE`, at most; then it is answered 404.",
        "a number of seconds from 0.05 to 60",
        shown="2",
        ge=0.05,
        le=60,
    )
    static_store_disk: ByteSize = _variable(
        "DJANGO_STATIC_STORE_DISK",
        ByteSize(256_000_000),
        "Bytes of files out of `DJANGO_STATIC_STORE` that are kept on the disk, in `DJANGO_STATIC_STORE_DIRECTORY`; in "
        "memory they count towards `DJANGO_STATIC_MEMORY`. 0: in memory alone, and no file above 1 MiB.",
        "a number of bytes, with a unit if you like, for example 256MB or 1GiB",
        shown="256MB",
        ge=0,
    )
    static_store_directory: Path | None = _variable(
        "DJANGO_STATIC_STORE_DIRECTORY",
        None,
        "Where they are kept. Worker processes share it.",
        "a directory",
        shown="`static-host-store-` and the user's number, in the directory for temporary files",
    )
    static_previous: Annotated[Listed, AfterValidator(validators.sources)] = _variable(
        "DJANGO_STATIC_PREVIOUS",
        (),
        "Where the build finds earlier releases, whose fingerprinted files it carries into the new tree: directories, "
        "addresses of deployments (`https://…`) or object stores (`s3://…`, `gs://…`, `az://…`, `file://…`; install "
        "`django-static-host[store]`), separated by commas.",
        "directories or URLs without credentials and query (http, https, s3, gs, az, file), separated by commas",
        shown="",
    )
    static_previous_problems: Literal["error", "warn"] = _variable(
        "DJANGO_STATIC_PREVIOUS_PROBLEMS",
        "error",
        "What the build makes of an earlier release that is not there, or of a file of it that cannot be carried as it "
        "was: `error` or `warn`. The very first build, which has nothing to carry, needs `warn`.",
        "error or warn",
    )
    static_keep_releases: int = _variable(
        "DJANGO_STATIC_KEEP_RELEASES",
        3,
        "How many earlier releases the build carries, at most; the newest come first.",
        "a whole number from 1 to 100",
        ge=1,
        le=100,
    )
    static_keep_age: Annotated[int, BeforeValidator(validators.age)] = _variable(
        "DJANGO_STATIC_KEEP_AGE",
        30 * 86400,
        "For how long the build carries a release after another one took its place, in hours, days or weeks: `12h`, "
        "`30d`, `4w`.",
        "a number with a unit, h, d or w, for example 30d",
        shown="30d",
        ge=0,
    )
    static_dictionary_bytes: ByteSize = _variable(
        "DJANGO_STATIC_DICTIONARY_BYTES",
        ByteSize(50_000_000),
        "How many bytes of files the build encodes against their earlier versions, for browsers that have these (dcz, "
        "RFC 9842), where `DJANGO_STATIC_PREVIOUS` is set; a file counts once for each earlier version. A megabyte "
        "takes one or two seconds of a core, once. With `0` there are none, carried files come without theirs, and no "
        "browser is told to keep a file.",
        "a number of bytes, with a unit if you like, for example 50MB or 0",
        shown="50MB",
        ge=0,
    )
    static_show_index: bool = _variable(
        "DJANGO_STATIC_SHOW_INDEX",
        False,
        "Whether the server shows the tree's index, as `static-host.index` below the prefix, so that the next build "
        "can carry files from this deployment. It names every file that is served.",
        "true or false",
        shown="false",
    )
    source_date_epoch: int | None = _variable(
        "SOURCE_DATE_EPOCH",
        None,
        "The time that the build records as the release's, in seconds since 1970: for example that of the commit. "
        "Without it no time enters the tree.",
        "a whole number of seconds since 1970",
        shown="",
        ge=0,
    )
    interface: Literal["auto", "wsgi", "asgi"] = _variable(
        "DJANGO_INTERFACE",
        "auto",
        "How Django is called: `wsgi`, in threads; `asgi`; or `auto`: `asgi` where the project sets "
        "`ASGI_APPLICATION`, else `wsgi`.",
        "auto, wsgi or asgi",
    )
    threads: int = _variable(
        "DJANGO_THREADS",
        10,
        "Threads for a synchronous Django, in each worker process.",
        "a whole number from 1 to 1000",
        ge=1,
        le=1000,
    )
    backlog: int = _variable(
        "DJANGO_BACKLOG",
        1000,
        "Requests that may wait for a thread of a synchronous Django, in each worker process; further ones are "
        "answered 503 with `Retry-After`.",
        "a whole number from 0 to 100000",
        ge=0,
        le=100000,
    )
    debug: bool = _variable(
        "DJANGO_DEBUG",
        False,
        "Debug mode of the bundled site. A project of your own has its own `DEBUG`.",
        "true or false",
        shown="false",
    )
    secret_key: SecretStr | None = _variable(
        "DJANGO_SECRET_KEY",
        None,
        "`SECRET_KEY` of the bundled site.",
        "a long random text",
        shown="made once, kept in `DJANGO_SITE_DATA`",
    )
    allowed_hosts: Listed = _variable(
        "DJANGO_ALLOWED_HOSTS",
        ("localhost", "127.0.0.1", "[::1]"),
        "`ALLOWED_HOSTS` of the bundled site, separated by commas.",
        "host names, separated by commas",
        shown="localhost,127.0.0.1,[::1]",
    )
    site_data: Path = _variable(
        "DJANGO_SITE_DATA",
        Path("var"),
        "Where the bundled site keeps its SQLite database, its secret key and its static tree.",
        "a directory",
    )
    host: Annotated[str, AfterValidator(validators.host)] = _variable(
        "HOST",
        "127.0.0.1",
        "The address to listen on; `::` is every address of IPv6 and IPv4.",
        "an IP address or a host name of this machine, for example 0.0.0.0, ::1 or [::1]",
        pattern=r"^[^\s/]+$",
    )
    port: int = _variable(
        "PORT",
        8000,
        "The TCP port to listen on; 0 takes a free one.",
        "a whole number from 0 to 65535",
        ge=0,
        le=65535,
    )
    workers: int = _variable(
        "WEB_CONCURRENCY",
        1,
        "Worker processes.",
        "a whole number from 1 to 512",
        ge=1,
        le=512,
    )
    forwarded_allow_ips: Annotated[Listed, AfterValidator(validators.networks)] = _variable(
        "FORWARDED_ALLOW_IPS",
        ("127.0.0.1", "::1"),
        "Addresses or networks of the proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, separated "
        "by commas; `*` believes everyone.",
        "IP addresses or networks, separated by commas, or *",
        shown="127.0.0.1,::1",
    )

    health_path: Annotated[str, AfterValidator(validators.path)] = _variable(
        "DJANGO_HEALTH_PATH",
        "/healthz",
        "Where it is answered 200 that this process takes requests.",
        "a path without a query, for example /healthz",
    )
    ready_path: Annotated[str, AfterValidator(validators.path)] = _variable(
        "DJANGO_READY_PATH",
        "/readyz",
        "Where it is answered 200 that requests should be sent here, else 503.",
        "a path without a query, other than that of DJANGO_HEALTH_PATH, for example /readyz",
    )
    ready_database: Listed = _variable(
        "DJANGO_READY_DATABASE",
        (),
        "Databases of the project that have to answer for it to be ready, by their names in `DATABASES`, separated by "
        "commas.",
        "names in DATABASES, separated by commas, for example default",
        shown="",
    )
    drain: float = _variable(
        "DJANGO_DRAIN_SECONDS",
        0.0,
        "Seconds after SIGTERM for which requests are taken as before, while `DJANGO_READY_PATH` answers 503: as long "
        "as a load balancer needs to notice.",
        "a number of seconds from 0 to 3600",
        shown="0",
        ge=0,
        le=3600,
    )
    grace: float = _variable(
        "DJANGO_GRACE_SECONDS",
        6.0,
        "Seconds after that for requests in flight to end. Together they should be less than what the platform waits "
        "before SIGKILL (Docker 10, Kubernetes and ECS 30).",
        "a number of seconds from 0 to 3600",
        shown="6",
        ge=0,
        le=3600,
    )
    access_log: bool = _variable(
        "ACCESS_LOG",
        True,
        "Whether each request is a line on standard output.",
        "true or false",
        shown="true",
    )

    origin_secret: Annotated[SecretStr | None, AfterValidator(validators.secrets)] = _variable(
        "DJANGO_ORIGIN_SECRET",
        None,
        "A secret that the CDN sends with every request; requests without it are answered 403, health checks excepted. "
        "Two, separated by a comma, are both accepted, while one takes the place of the other.",
        "one or two texts of 16 or more letters, digits and the like, separated by a comma",
        shown="",
    )
    origin_secret_header: Annotated[str, AfterValidator(validators.field_of_its_own)] = _variable(
        "DJANGO_ORIGIN_SECRET_HEADER",
        "X-Origin-Secret",
        "The header field in which the CDN sends the secret.",
        "the name of a header field, without an underscore, for example X-Origin-Secret",
        pattern=r"^[A-Za-z0-9-]+$",
    )
    log_format: Literal["text", "json"] = _variable(
        "LOG_FORMAT",
        "text",
        "How `serve` writes its logs: `text`, for people, or `json`, one object for each request and each message.",
        "text or json",
    )
    metrics_port: int | None = _variable(
        "METRICS_PORT",
        None,
        "The TCP port, on `HOST`, where Prometheus finds metrics at any path (install `django-static-host[metrics]`). "
        "Do not publish it.",
        "a whole number from 1 to 65535, other than PORT",
        shown="",
        ge=1,
        le=65535,
    )
    keep_alive: int = _variable(
        "DJANGO_KEEP_ALIVE_SECONDS",
        75,
        "Seconds for which an idle connection is kept: longer than the CDN or load balancer keeps it, or it may send a "
        "request on a connection that is just being closed.",
        "a whole number from 1 to 3600",
        ge=1,
        le=3600,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _blank_is_unset(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, str) and not value.strip() and info.field_name:
            return cls.model_fields[info.field_name].get_default()
        return value

    @field_validator("ready_path")
    @classmethod
    def _is_another_path(cls, value: str, info: ValidationInfo) -> str:
        if value == info.data.get("health_path"):
            raise ValueError("it is that of DJANGO_HEALTH_PATH")
        return value

    @field_validator("metrics_port")
    @classmethod
    def _is_another_port(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value and value == info.data.get("port"):
            raise ValueError("it is that of PORT")
        return value

    @classmethod
    def read(cls) -> Settings:
        """Return the settings of this process. Raises SettingsWrong, naming every variable that is wrong."""
        try:
            return cls(_secrets_dir=SECRETS if SECRETS.is_dir() else None)  # type: ignore[call-arg]  # pydantic-settings' own
        except ValidationError as error:
            raise SettingsWrong(_complaints(error)) from None
        except UnicodeDecodeError as error:
            raise SettingsWrong(f"the file .env is not UTF-8: {error}. Save it as UTF-8.") from None
        except (OSError, SettingsError) as error:
            reason = error.__cause__ or error
            raise SettingsWrong(f"the settings in .env or {SECRETS} cannot be read: {reason}") from None


def names_set() -> dict[str, str]:
    """Return the names of all variables that are set and not blank, whoever reads them, with where each is set."""
    found: dict[str, str] = {}
    with suppress(OSError):
        found |= {path.name: str(SECRETS) for path in SECRETS.iterdir()}
    with suppress(OSError, UnicodeDecodeError), Path(".env").open(encoding="utf-8") as file:
        found |= {line.key: ".env" for line in parse_stream(file) if line.key and (line.value or "").strip()}
    return found | {name: "the environment" for name, value in os.environ.items() if value.strip()}


class _LogFormat(BaseSettings):
    model_config = Settings.model_config

    log_format: Literal["text", "json"] = Field("text", validation_alias="LOG_FORMAT")


def log_format() -> Literal["text", "json"]:
    """Return LOG_FORMAT, whatever is wrong with the other variables: they are to be reported in that format."""
    if os.environ.get("LOG_FORMAT", "").strip() == "json":
        return "json"
    try:
        return _LogFormat(_secrets_dir=SECRETS if SECRETS.is_dir() else None).log_format  # type: ignore[call-arg]
    except (ValidationError, SettingsError, OSError, UnicodeDecodeError):
        return "text"


def _complaints(error: ValidationError) -> str:
    fields = {field.validation_alias: field for field in Settings.model_fields.values()}
    lines = []
    for problem in error.errors(include_url=False):
        name = str(problem["loc"][0])
        extra: Any = fields[name].json_schema_extra
        reason = f"{problem['ctx']['error']}. " if problem["type"] == "value_error" else ""
        value = "…" if "SECRET" in name and "HEADER" not in name else repr(validators.shown(str(problem["input"])))
        lines.append(f"  {name}={value}: {reason}Expected: {extra['expects']}.")
    count = "this variable is" if len(lines) == 1 else f"these {len(lines)} variables are"
    return "\n".join([f"{count} wrong:", *lines])
