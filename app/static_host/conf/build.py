"""Settings of the group "Build"."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ByteSize

from static_host.conf import validators
from static_host.conf.validators import CommaSeparated
from static_host.conf.variable import define_variable


class BuildSettings(BaseModel):
    """What the build encodes, and what it carries of earlier releases."""

    title: ClassVar = "Build"

    static_codings: Annotated[CommaSeparated, AfterValidator(validators.validate_codings)] = define_variable(
        "DJANGO_STATIC_CODINGS",
        ("br", "zstd", "gzip"),
        "Content codings that the build makes, separated by commas: `br`, `zstd`, `gzip`. `zopfli` in place of `gzip` "
        "makes gzip slightly smaller and takes far longer (install `django-static-host[zopfli]`).",
        "br, zstd and gzip or zopfli, separated by commas, for example br,gzip",
        shown="br,zstd,gzip",
    )
    static_effort: Literal["best", "fast"] = define_variable(
        "DJANGO_STATIC_EFFORT",
        "best",
        "`best` makes the smallest files. `fast`, for CI and previews, takes about a fifth of the CPU time and makes "
        "about 6 % more bytes, 13 % for clients without zstd. Each has its own files in the cache.",
        "best or fast",
    )
    static_directory_index: str = define_variable(
        "DJANGO_STATIC_DIRECTORY_INDEX",
        "",
        "The name of the file that is served at the URL of its folder; other spellings redirect to it. The build "
        "records it.",
        "a file name, for example index.html",
        shown="the project's `WHITENOISE_INDEX_FILE`, else none",
        pattern=r"^([^/\\\x00-\x1f.][^/\\\x00-\x1f]*)?$",
    )
    static_media_types: Annotated[CommaSeparated, AfterValidator(validators.parse_media_types)] = define_variable(
        "DJANGO_STATIC_MEDIA_TYPES",
        (),
        "Media types by extension or file name, separated by commas: `.foo=application/x-foo,data=text/plain`. The "
        "build records them.",
        "extensions or file names, each with = and its media type, and commas between, as in .foo=application/x-foo",
        shown="the project's `WHITENOISE_MIMETYPES`, and a table of usual types",
    )
    static_missing_references: Literal["error", "warn"] = define_variable(
        "DJANGO_STATIC_MISSING_REFERENCES",
        "error",
        "Whether a broken reference in the project's files stops the build: `error` or `warn`. Missing source maps, "
        "and broken references in installed packages, are always warnings.",
        "error or warn",
    )
    static_cache: Path | None = define_variable(
        "DJANGO_STATIC_CACHE",
        None,
        "A directory in which builds keep encoded files, so that the next build encodes only what changed.",
        "a directory",
        shown="`$XDG_CACHE_HOME/static-host`, else `~/.cache/static-host`",
    )
    static_previous: Annotated[CommaSeparated, AfterValidator(validators.validate_sources)] = define_variable(
        "DJANGO_STATIC_PREVIOUS",
        (),
        "Where the build finds earlier releases, whose fingerprinted files it carries into the new tree. Directories, "
        "deployments (`https://…`) or object stores (`s3://…`, `gs://…`, `az://…`, `file://…`; install "
        "`django-static-host[store]`), separated by commas.",
        "directories or URLs without credentials and query (http, https, s3, gs, az, file), separated by commas",
        shown="",
    )
    static_previous_problems: Literal["error", "warn"] = define_variable(
        "DJANGO_STATIC_PREVIOUS_PROBLEMS",
        "error",
        "Whether the build stops if an earlier release is missing, or one of its files cannot be carried unchanged: "
        "`error` or `warn`. The very first build, which has nothing to carry, needs `warn`.",
        "error or warn",
    )
    static_keep_releases: int = define_variable(
        "DJANGO_STATIC_KEEP_RELEASES",
        3,
        "The largest number of earlier releases that the build carries, the newest first.",
        "a whole number from 1 to 100",
        ge=1,
        le=100,
    )
    static_keep_age: Annotated[int, BeforeValidator(validators.parse_age)] = define_variable(
        "DJANGO_STATIC_KEEP_AGE",
        30 * 86400,
        "How long the build carries a release after another one replaced it, in hours, days or weeks: `12h`, `30d`, "
        "`4w`.",
        "a number with a unit, h, d or w, for example 30d",
        shown="30d",
        ge=0,
    )
    static_dictionary_bytes: ByteSize = define_variable(
        "DJANGO_STATIC_DICTIONARY_BYTES",
        ByteSize(50_000_000),
        "How many bytes of files the build encodes against their earlier versions, for browsers that have these (dcz, "
        "RFC 9842), if `DJANGO_STATIC_PREVIOUS` is set. A file counts once for each earlier version. A megabyte takes "
        "one or two seconds of CPU time, once. `0`: no deltas, carried files come without theirs, and browsers are "
        "told to keep no file.",
        "a number of bytes, with a unit if you like, for example 50MB or 0",
        shown="50MB",
        ge=0,
    )
    source_date_epoch: int | None = define_variable(
        "SOURCE_DATE_EPOCH",
        None,
        "The release's time, in seconds since 1970, for example that of the commit. If it is not set, the tree holds "
        "no time.",
        "a whole number of seconds since 1970",
        shown="",
        ge=0,
    )
