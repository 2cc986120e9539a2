"""Settings of the group "Uploads and downloads"."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel

from static_host.conf import validators
from static_host.conf.validators import CommaSeparated
from static_host.conf.variable import define_variable


class FileSettings(BaseModel):
    """Which files outside the static tree the server sends itself."""

    title: ClassVar = "Uploads and downloads"

    serve_media: bool = define_variable(
        "DJANGO_SERVE_MEDIA",
        False,
        "Serves the files of the project's default storage at `MEDIA_URL`, if they are in a local directory "
        "(`MEDIA_ROOT`). Every visitor may read them.",
        "true or false",
        shown="false",
    )
    media_max_age: int = define_variable(
        "DJANGO_MEDIA_MAX_AGE",
        0,
        "Seconds for which caches may reuse an upload before they revalidate it.",
        "a number of seconds from 0 to 31536000",
        ge=0,
        le=31536000,
    )
    media_inline: bool = define_variable(
        "DJANGO_MEDIA_INLINE",
        False,
        "Lets browsers show and run uploaded HTML, SVG, XML and scripts. Only for uploads on a host apart, which has "
        "no session of the site.",
        "true or false",
        shown="false",
    )
    sendfile_roots: Annotated[CommaSeparated, AfterValidator(validators.validate_sendfile_roots)] = define_variable(
        "DJANGO_SENDFILE_ROOTS",
        (),
        "Directories of the files that a view may name in `X-Accel-Redirect` or `X-Sendfile`, each with the path that "
        "stands for it in `X-Accel-Redirect`, separated by commas. Empty: both fields are removed.",
        "paths with directories, separated by commas, for example /protected/=/var/lib/files",
        shown="",
    )
