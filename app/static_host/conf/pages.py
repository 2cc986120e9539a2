"""Settings of the group "Pages"."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ByteSize

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
        "`zstd`, `br`, `gzip`. Set to nothing: none.",
        "zstd, br and gzip, separated by commas, for example br,gzip",
        shown="zstd,br,gzip",
    )
    page_dictionary: ByteSize = define_variable(
        "DJANGO_PAGE_DICTIONARY",
        ByteSize(64 << 10),
        "The most bytes of the dictionary that the build makes of the templates' text. Browsers that have it get pages "
        "as a difference to it. Its text is public. At most 1 MiB; 0: none.",
        "a number of bytes up to 1 MiB, with a unit if you like, for example 64KiB",
        shown="64 KiB",
        ge=0,
        le=1 << 20,
    )
    page_padding: int = define_variable(
        "DJANGO_PAGE_PADDING",
        100,
        "The most bytes of random length that are added to an encoded page, so that its length does not give away a "
        "secret in it. At most 256; 0: none.",
        "a whole number from 0 to 256",
        ge=0,
        le=256,
    )
