"""Settings of the group "Static files"."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ByteSize

from static_host.conf import validators
from static_host.conf.validators import CommaSeparated
from static_host.conf.variable import define_variable

DEFAULT_MAX_AGE_SECONDS = 60


class StaticFileSettings(BaseModel):
    """Where static files are served, and how."""

    title: ClassVar = "Static files"

    static_host: Annotated[str, AfterValidator(validators.parse_static_host)] = define_variable(
        "DJANGO_STATIC_HOST",
        "",
        "The host from which browsers fetch static files: the CDN's address, with a path if it has one. `//`: the "
        "page's own host. Empty: the host of the project's `STATIC_URL`, else the page's own.",
        "a host or an http(s) URL without credentials, query or fragment, for example https://cdn.example.com",
        shown="",
    )
    static_prefix: Annotated[str | None, AfterValidator(validators.validate_url_prefix)] = define_variable(
        "DJANGO_STATIC_PREFIX",
        None,
        "The URL path below which static files are served.",
        "a path that begins and ends with a slash, for example /static/",
        shown="the path of the project's `STATIC_URL`, else `/static/`",
    )
    static_root: Path | None = define_variable(
        "DJANGO_STATIC_ROOT",
        None,
        "The directory of the static tree: the build writes it, the server reads it.",
        "a directory",
        shown="the project's `STATIC_ROOT`, else `staticfiles`",
    )
    static_root_files: Annotated[CommaSeparated, AfterValidator(validators.validate_relative_names)] = define_variable(
        "DJANGO_STATIC_ROOT_FILES",
        ("favicon.ico", "robots.txt"),
        "Files of the tree that are also served at `/`, separated by commas. A name that ends with a slash stands for "
        "everything below it. `,`: none.",
        "names below the static root, separated by commas, for example favicon.ico,robots.txt",
        shown="favicon.ico,robots.txt",
    )
    static_fallback: Annotated[str, AfterValidator(validators.validate_fallback)] = define_variable(
        "DJANGO_STATIC_FALLBACK",
        "",
        "A file of the tree that answers requests for HTML whose path the project's URLconf does not know: the page of "
        "a single-page application. Empty: Django's own 404.",
        "the name of a file below the static root, for example index.html",
        shown="",
    )
    static_not_found: Annotated[str, AfterValidator(validators.validate_fallback)] = define_variable(
        "DJANGO_STATIC_NOT_FOUND",
        "",
        "A file of the tree that answers requests for HTML that name a missing static file, with the status 404. "
        "Empty: a line of text.",
        "the name of a file below the static root, for example 404.html",
        shown="",
    )
    static_max_age: int | None = define_variable(
        "DJANGO_STATIC_MAX_AGE",
        None,
        "Seconds for which caches may reuse a file without a fingerprint before they revalidate it.",
        "a number of seconds from 0 to 31536000",
        shown=f"the project's `WHITENOISE_MAX_AGE`, else `{DEFAULT_MAX_AGE_SECONDS}`",
        ge=0,
        le=31536000,
    )
    static_cdn_max_age: int | None = define_variable(
        "DJANGO_STATIC_CDN_MAX_AGE",
        None,
        "Seconds for which a CDN may keep a file without a fingerprint, if it reads `CDN-Cache-Control` (RFC 9213). "
        "Each release must then purge what it changes: `static-host compare --purge-list`. Unset: no such field.",
        "a number of seconds from 0 to 31536000",
        shown="",
        ge=0,
        le=31536000,
    )
    static_immutable_pattern: Annotated[str, AfterValidator(validators.validate_pattern)] = define_variable(
        "DJANGO_STATIC_IMMUTABLE_PATTERN",
        "",
        "A regular expression. The build records files whose name below the prefix matches it as immutable, in "
        "addition to those that Django's manifest fingerprints.",
        "a regular expression, for example ^vite/assets/",
        shown="",
    )
    static_security: bool = define_variable(
        "DJANGO_STATIC_SECURITY",
        True,
        "What the project's `SecurityMiddleware` does to its responses, static ones get as well: HSTS, the redirect to "
        "https, `Referrer-Policy`, `Cross-Origin-Opener-Policy`.",
        "true or false",
        shown="true",
    )
    static_memory: ByteSize = define_variable(
        "DJANGO_STATIC_MEMORY",
        ByteSize(64_000_000),
        "Memory for requested static files, in bytes. Other files, and every file above 1 MiB, are sent from the disk.",
        "a number of bytes, with a unit if you like, for example 64MB or 256MiB",
        shown="64MB",
        ge=0,
    )
    static_show_index: bool = define_variable(
        "DJANGO_STATIC_SHOW_INDEX",
        False,
        "Serves the tree's index as `static-host.index` below the prefix, so that the next build can carry files from "
        "this deployment. The index names every file that is served.",
        "true or false",
        shown="false",
    )
