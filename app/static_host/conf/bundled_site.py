"""Settings of the group "Bundled site"."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, SecretStr

from static_host.conf.validators import CommaSeparated
from static_host.conf.variable import define_variable


class BundledSiteSettings(BaseModel):
    """The site that is served if no project is named."""

    title: ClassVar = "Bundled site"

    debug: bool = define_variable(
        "DJANGO_DEBUG",
        False,
        "Debug mode of the bundled site. A project of your own has its own `DEBUG`.",
        "true or false",
        shown="false",
    )
    secret_key: SecretStr | None = define_variable(
        "DJANGO_SECRET_KEY",
        None,
        "`SECRET_KEY` of the bundled site.",
        "a long random text",
        shown="made once, kept in `DJANGO_SITE_DATA`",
    )
    allowed_hosts: CommaSeparated = define_variable(
        "DJANGO_ALLOWED_HOSTS",
        ("localhost", "127.0.0.1", "[::1]"),
        "`ALLOWED_HOSTS` of the bundled site, separated by commas.",
        "host names, separated by commas",
        shown="localhost,127.0.0.1,[::1]",
    )
    site_data: Path = define_variable(
        "DJANGO_SITE_DATA",
        Path("var"),
        "The directory of the bundled site's SQLite database, secret key and static tree.",
        "a directory",
    )
