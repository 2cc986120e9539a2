"""Settings of the group "Object store"."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ByteSize

from static_host.conf import validators
from static_host.conf.variable import define_variable


class ObjectStoreSettings(BaseModel):
    """The object store that all releases share."""

    title: ClassVar = "Object store"

    static_store: Annotated[str, AfterValidator(validators.parse_store_url)] = define_variable(
        "DJANGO_STATIC_STORE",
        "",
        "An object store that all releases share (`s3://…`, `gs://…`, `az://…`, `file://…`; install "
        "`django-static-host[store]`). `static-host publish` puts a release's fingerprinted files there; a server "
        "looks there for a file that its tree lacks. Credentials, region and endpoint are the store's own variables.",
        "a URL without credentials and query (s3, gs, az, file), for example s3://bucket/mysite",
        shown="",
    )
    static_store_timeout: float = define_variable(
        "DJANGO_STATIC_STORE_TIMEOUT",
        2.0,
        "The longest time in seconds that a request waits for `DJANGO_STATIC_STORE`; then its answer is 404.",
        "a number of seconds from 0.05 to 60",
        shown="2",
        ge=0.05,
        le=60,
    )
    static_store_disk: ByteSize = define_variable(
        "DJANGO_STATIC_STORE_DISK",
        ByteSize(256_000_000),
        "Disk space for files from `DJANGO_STATIC_STORE`, in bytes, in `DJANGO_STATIC_STORE_DIRECTORY`. In memory they "
        "count towards `DJANGO_STATIC_MEMORY`. 0: memory only, and no file above 1 MiB.",
        "a number of bytes, with a unit if you like, for example 256MB or 1GiB",
        shown="256MB",
        ge=0,
    )
    static_store_directory: Path | None = define_variable(
        "DJANGO_STATIC_STORE_DIRECTORY",
        None,
        "The directory of these files. Worker processes share it.",
        "a directory",
        shown="`static-host-store-` and the user's number, in the directory for temporary files",
    )
