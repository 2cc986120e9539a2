"""Settings of the group "Development"."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from static_host.conf.validators import CommaSeparated
from static_host.conf.variable import define_variable


class DevelopmentSettings(BaseModel):
    """What `static-host dev` does."""

    title: ClassVar = "Development"

    dev_ignore: CommaSeparated = define_variable(
        "DJANGO_DEV_IGNORE",
        (),
        "Files that `dev` does not watch, separated by commas: names of files or folders, or patterns of paths below "
        "the working directory.",
        "names and patterns, separated by commas, for example generated,*_pb2.py,shop/fixtures/*",
        shown="",
    )
