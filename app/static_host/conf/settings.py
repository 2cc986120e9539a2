"""The settings of static-host: the only reader of the environment.

Rule: every variable is one typed field with a description, in the class of its purpose; `GROUPS` lists these classes in
the order of the documentation. Values come from the environment, then from ``.env`` in the working directory, then from
files in ``/run/secrets``. All wrong values are reported together, each with the variable's name, its value and what
would be right. A variable that is set but blank counts as not set, unless a blank value is one of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, cast

from dotenv.parser import parse_stream
from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from static_host.conf import validators
from static_host.conf.build import BuildSettings
from static_host.conf.bundled_site import BundledSiteSettings
from static_host.conf.development import DevelopmentSettings
from static_host.conf.django import DjangoSettings
from static_host.conf.files import FileSettings
from static_host.conf.object_store import ObjectStoreSettings
from static_host.conf.operations import OperationsSettings
from static_host.conf.pages import PageSettings
from static_host.conf.server import ServerSettings
from static_host.conf.static_files import StaticFileSettings
from static_host.errors import StaticHostError

SECRETS_DIRECTORY = Path("/run/secrets")
"""Where container platforms mount secrets, one file for each variable."""

GROUPS = (
    StaticFileSettings,
    BuildSettings,
    ObjectStoreSettings,
    DjangoSettings,
    PageSettings,
    FileSettings,
    ServerSettings,
    OperationsSettings,
    DevelopmentSettings,
    BundledSiteSettings,
)


_BLANK_IS_A_VALUE = ("page_codings",)


class InvalidSettingsError(StaticHostError):
    """One or more variables cannot be used; the message lists them all."""

    exit_code = 2


class Variable(NamedTuple):
    """One variable as the documentation shows it. `default` is Markdown, empty if there is none."""

    name: str
    default: str
    description: str
    group: str


class Settings(
    # The reverse of GROUPS: pydantic collects fields from the last base to the first.
    BundledSiteSettings,
    DevelopmentSettings,
    OperationsSettings,
    ServerSettings,
    FileSettings,
    PageSettings,
    DjangoSettings,
    ObjectStoreSettings,
    BuildSettings,
    StaticFileSettings,
    BaseSettings,
):
    """All settings, frozen. ``Settings.read()`` reads them."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_file=".env",
        env_file_encoding="utf-8",
        case_sensitive=True,
        validate_default=False,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _treat_blank_as_unset(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, str) and not value.strip() and info.field_name not in (None, *_BLANK_IS_A_VALUE):
            return cls.model_fields[info.field_name].get_default()
        return value

    @field_validator("ready_path")
    @classmethod
    def _require_distinct_path(cls, value: str, info: ValidationInfo) -> str:
        if value == info.data.get("health_path"):
            raise ValueError("it is that of DJANGO_HEALTH_PATH")
        return value

    @field_validator("tls_key", "tls_client_ca")
    @classmethod
    def _require_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value and info.data.get("tls_certificate", value) is None:
            raise ValueError("TLS_CERTIFICATE is not set")
        return value

    @field_validator("metrics_port")
    @classmethod
    def _require_distinct_port(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value and value == info.data.get("port"):
            raise ValueError("it is that of PORT")
        return value

    @classmethod
    def read(cls) -> Settings:
        """Read the settings of this process. Raises InvalidSettingsError, which lists every wrong variable."""
        try:
            return cls(_secrets_dir=SECRETS_DIRECTORY if SECRETS_DIRECTORY.is_dir() else None)  # type: ignore[call-arg]  # pydantic-settings' own
        except ValidationError as error:
            raise InvalidSettingsError(_format_validation_error(error)) from None
        except UnicodeDecodeError as error:
            raise InvalidSettingsError(f"the file .env is not UTF-8: {error}.", remedy="Save it as UTF-8.") from None
        except (OSError, SettingsError) as error:
            reason = error.__cause__ or error
            raise InvalidSettingsError(
                f"the settings in .env or {SECRETS_DIRECTORY} cannot be read: {reason}"
            ) from None


def list_variables() -> Iterator[Variable]:
    """Yield all variables, group by group."""
    for group in GROUPS:
        for field in group.model_fields.values():
            extra: Any = field.json_schema_extra
            yield Variable(str(field.validation_alias), extra["shown"], str(field.description), group.title)


def find_set_variables() -> dict[str, str]:
    """Return all variables that are set and not blank, also those of other programs: name → where it is set."""
    found: dict[str, str] = {}
    with suppress(OSError):
        found |= {path.name: str(SECRETS_DIRECTORY) for path in SECRETS_DIRECTORY.iterdir()}
    with suppress(OSError, UnicodeDecodeError), Path(".env").open(encoding="utf-8") as file:
        found |= {line.key: ".env" for line in parse_stream(file) if line.key and (line.value or "").strip()}
    return found | {name: "the environment" for name, value in os.environ.items() if value.strip()}


class _LogFormatSettings(BaseSettings):
    model_config = Settings.model_config

    log_format: str = Field("", validation_alias="LOG_FORMAT")


def read_log_format() -> str:
    """Return LOG_FORMAT, also from .env or the secrets. Raises an exception if these cannot be read."""
    return _LogFormatSettings(_secrets_dir=SECRETS_DIRECTORY if SECRETS_DIRECTORY.is_dir() else None).log_format  # type: ignore[call-arg]


def _format_validation_error(error: ValidationError) -> str:
    fields = {field.validation_alias: field for field in Settings.model_fields.values()} | Settings.model_fields
    lines = []
    for problem in error.errors(include_url=False):
        field = fields[str(problem["loc"][0])]  # by its variable, or by its own name if that is not set
        name, extra = str(field.validation_alias), cast("Any", field.json_schema_extra)
        reason = f"{problem['ctx']['error']}. " if problem["type"] == "value_error" else ""
        value = (
            "…"
            if "SECRET" in name and "HEADER" not in name
            else repr(validators.mask_credentials(str(problem["input"])))
        )
        lines.append(f"  {name}={value}: {reason}Expected: {extra['expected']}.")
    count = "this variable is" if len(lines) == 1 else f"these {len(lines)} variables are"
    return "\n".join([f"{count} wrong:", *lines])
