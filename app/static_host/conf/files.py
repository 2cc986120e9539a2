"""Settings of the group "Uploads and downloads"."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel

from static_host.conf import validators
from static_host.conf.validators import CommaSeparated
from static_host.conf.variable import define_variable


class FileSettings(BaseModel):
    """The files that visitors have uploaded, and those that views hand out."""

    title: ClassVar = "Uploads and downloads"

    sendfile_roots: Annotated[CommaSeparated, AfterValidator(validators.validate_sendfile_roots)] = define_variable(
        "DJANGO_SENDFILE_ROOTS",
        (),
        "Directories of the files that a view may name in `X-Accel-Redirect` or `X-Sendfile`, each with the path that "
        "stands for it in `X-Accel-Redirect`, separated by commas. Empty: both fields are removed.",
        "paths with directories, separated by commas, for example /protected/=/var/lib/files",
        shown="",
    )
