"""Settings of the group "Pages"."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel

from static_host.conf import validators
from static_host.conf.validators import CommaSeparated
from static_host.conf.variable import define_variable


class PageSettings(BaseModel):
    """How the responses of Django are sent."""

    title: ClassVar = "Pages"

    page_codings: Annotated[CommaSeparated, AfterValidator(validators.validate_page_codings)] = define_variable(
        "DJANGO_PAGE_CODINGS",
        ("zstd", "br", "gzip"),
        "Content codings in which the server sends what Django has made, the preferred one first, separated by commas: "
        "`zstd`, `br`, `gzip`. `,`: none.",
        "zstd, br and gzip, separated by commas, for example br,gzip",
        shown="zstd,br,gzip",
    )
    page_padding: int = define_variable(
        "DJANGO_PAGE_PADDING",
        100,
        "The most bytes of random length that are added to an encoded page, so that its length does not give away a "
        "secret in it. 0: none.",
        "a whole number from 0 to 256",
        ge=0,
        le=256,
    )
