"""The loggers of this program and of its server, beside those that the project's LOGGING configures.

Rule: this program's messages always appear. The project's LOGGING may set the root logger's level and handlers, disable
every existing logger, or call `logging.disable`; none of it reaches our loggers. What the project itself logs or prints
keeps its own form. As JSON, each record of ours is one object on one line, with its traceback. So is what Python itself
writes to standard error: warnings, uncaught exceptions, records that cannot be written, and records without a handler.
Standard output is a command's result and no record.
"""

from __future__ import annotations

import logging
import logging.config
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from static_host.errors import StaticHostError
from static_host_django import own_logging

if TYPE_CHECKING:
    from static_host.telemetry.access_log import LogFormat

_log = logging.getLogger(own_logging.LOGGER_NAME)
_handlers: list[logging.Handler] = []
"""Our own handler, once it is created."""
_form: list[LogFormat] = ["text"]
"""The form of records in this process."""


def build_configuration(form: LogFormat = "text") -> dict[str, Any]:
    """Return the argument of `logging.config.dictConfig`, for this process and its workers."""
    own = (
        {"format": "static-host: %(message)s"}
        if form == "text"
        else {"()": "static_host_django.own_logging.JSONFormatter"}
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"own": own},
        "handlers": {
            "own": {"()": f"static_host.telemetry.log_configuration.create_{form}_handler", "formatter": "own"}
        },
        "loggers": {
            _log.name: {"handlers": ["own"], "level": "INFO", "propagate": False},
            "uvicorn": {"handlers": ["own"], "level": "WARNING", "propagate": False},
        },
    }


def configure_logging(form: LogFormat) -> None:
    """Configure our loggers and uvicorn's; `form` holds for all records from now on."""
    logging.config.dictConfig(build_configuration(form))
    enable_loggers()


def configure_own_logging() -> None:
    """Configure our loggers below another ASGI server, which has its own form for its records."""
    configuration = build_configuration(log_format())
    del configuration["loggers"]["uvicorn"]
    logging.config.dictConfig(configuration)
    enable_loggers()


def log_format() -> LogFormat:
    """Return LOG_FORMAT, whatever is wrong with the other variables, or with the packages that read them."""
    value = os.environ.get("LOG_FORMAT", "")
    if not value.strip():
        with suppress(Exception):
            from static_host.conf.settings import read_log_format

            value = read_log_format()
    return "json" if value.strip().lower().startswith("json") else "text"  # an invalid value is reported in either form


def mute() -> None:
    """Write no more records, except for the error that ends the program."""
    _handlers.clear()
    _log.handlers[:] = [logging.NullHandler()]


def is_progress_shown() -> bool:
    """Whether standard error is a terminal, so that a progress bar is of use."""
    return sys.stderr.isatty() and not is_json()


def is_json() -> bool:
    """Whether records are written as JSON."""
    return _form[0] == "json"


def create_text_handler() -> logging.Handler:
    """Return the handler for our records as text."""
    _form[0] = "text"
    return _create_handler()


def create_json_handler() -> logging.Handler:
    """Return the handler for our records as JSON, and redirect what Python itself prints to the same form."""
    _form[0] = "json"
    return _create_handler()


def _create_handler() -> logging.Handler:
    _handlers[:] = [own_logging.create_handler(is_json=is_json())]
    return _handlers[0]


def log_error(error: StaticHostError) -> None:
    """Write, on standard error, what ends the program or its start, whatever is done with other records."""
    if is_json():
        own_logging.write_record(logging.ERROR, error.format_message(), error.__cause__, error.remote_traceback)
    else:
        error.show()


def enable_loggers() -> None:
    """Enable our loggers again after the project's LOGGING has disabled them; handlers that it added stay."""
    own_logging.enable_loggers(_handlers)
