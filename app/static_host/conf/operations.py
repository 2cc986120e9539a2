"""Settings of the group "Operations"."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator

from static_host.conf import validators
from static_host.conf.validators import CommaSeparated
from static_host.conf.variable import define_variable


class OperationsSettings(BaseModel):
    """Health checks, logs and metrics."""

    title: ClassVar = "Operations"

    health_path: Annotated[str, AfterValidator(validators.validate_path)] = define_variable(
        "DJANGO_HEALTH_PATH",
        "/healthz",
        "Path of the liveness check: 200 while the process accepts requests.",
        "a path without a query, for example /healthz",
    )
    ready_path: Annotated[str, AfterValidator(validators.validate_path)] = define_variable(
        "DJANGO_READY_PATH",
        "/readyz",
        "Path of the readiness check: 200 while requests should be sent here, else 503.",
        "a path without a query, other than that of DJANGO_HEALTH_PATH, for example /readyz",
    )
    ready_database: CommaSeparated = define_variable(
        "DJANGO_READY_DATABASE",
        (),
        "Databases of the project that must answer before the process is ready, by their names in `DATABASES`, "
        "separated by commas.",
        "names in DATABASES, separated by commas, for example default",
        shown="",
    )
    ready_migrations: bool = define_variable(
        "DJANGO_READY_MIGRATIONS",
        False,
        "Not ready while migrations are not applied. Once they are, they are not asked for again.",
        "true or false",
        shown="false",
    )
    ready_seconds: float = define_variable(
        "DJANGO_READY_SECONDS",
        10.0,
        "Not ready while requests wait and no thread has become free for so many seconds, or while all event loops "
        "have been blocked for so long. 0: no limit.",
        "a number of seconds from 0 to 86400",
        shown="10",
        ge=0,
        le=86400,
    )
    access_log: bool = define_variable(
        "ACCESS_LOG",
        True,
        "Writes a line to standard output for each request.",
        "true or false",
        shown="true",
    )
    log_format: Annotated[Literal["text", "json"], BeforeValidator(validators.normalize_log_format)] = define_variable(
        "LOG_FORMAT",
        "text",
        "The format of requests, messages and errors: `text`, for people, or `json`, one object for each.",
        "text or json",
    )
    server_timing: bool = define_variable(
        "DJANGO_SERVER_TIMING",
        False,
        "Adds `Server-Timing` to the project's responses, for everybody to see: `queue`, the milliseconds before a "
        "worker took the request, and `app`, those until its response began.",
        "true or false",
        shown="false",
    )
    metrics_port: int | None = define_variable(
        "METRICS_PORT",
        None,
        "The TCP port, on `HOST`, where Prometheus finds metrics at any path (install `django-static-host[metrics]`). "
        "With a Unix socket in `HOST` it is on 127.0.0.1. Do not publish it.",
        "a whole number from 1 to 65535, other than PORT",
        shown="",
        ge=1,
        le=65535,
    )
