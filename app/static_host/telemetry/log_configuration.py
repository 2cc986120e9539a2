"""The loggers of this program and of its server, beside those that the project's LOGGING configures.

Rule: this program's messages always appear. The project's LOGGING may set the root logger's level and handlers, disable
every existing logger, or call `logging.disable`; none of it reaches our loggers. What the project itself logs or prints
keeps its own form. As JSON, each record of ours is one object on one line, with its traceback. So is what Python itself
writes to standard error: warnings, uncaught exceptions, records that cannot be written, and records without a handler.
Standard output is a command's result and no record.
"""

from __future__ import annotations

import json
import logging
import logging.config
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from static_host.errors import StaticHostError
from static_host.telemetry.request_record import format_target

if TYPE_CHECKING:
    from static_host.telemetry.access_log import LogFormat

_OWN_LOGGERS = ("static_host", "uvicorn")
_MANAGER = logging.Manager(logging.root)
"""The manager of our loggers: `logging.disable` sets a level on the root's manager, and never on this one."""
_MANAGER.loggerDict = logging.root.manager.loggerDict
_basic_config = logging.basicConfig
_log = logging.getLogger("static_host")
_warnings = logging.getLogger("static_host.warnings")
_handlers: list[logging.Handler] = []
"""Our own handler, once it is created."""
_form: list[LogFormat] = ["text"]
"""The form of records in this process."""


class JSONFormatter(logging.Formatter):
    """Formats a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object, in ASCII."""
        time_of_second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        facts = {
            "time": f"{time_of_second}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage().strip(),
        }
        if record.exc_info and record.exc_info[0]:
            facts["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            facts["stack"] = record.stack_info
        return json.dumps(facts)


class MaskTargetFilter(logging.Filter):
    """Masks secrets in the targets of uvicorn's access log, as our own access log does."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record's target, and let it pass."""
        if isinstance(record.args, tuple) and len(record.args) == 5:
            client, method, whole, *rest = record.args
            path, _, query = str(whole).encode("latin-1", "replace").partition(b"?")
            record.args = (client, method, format_target(path, query), *rest)
        return True


def build_configuration(form: LogFormat = "text") -> dict[str, Any]:
    """Return the argument of `logging.config.dictConfig`, for this process and its workers."""
    own = (
        {"format": "static-host: %(message)s"}
        if form == "text"
        else {"()": "static_host.telemetry.log_configuration.JSONFormatter"}
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


def build_configuration_with_access_log() -> dict[str, Any]:
    """Return the configuration in the current form, with uvicorn's access log on standard output."""
    access = {"()": "uvicorn.logging.AccessFormatter", "fmt": "%(client_addr)s %(request_line)s %(status_code)s"}
    stdout = {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}
    configuration = build_configuration(_form[0])
    configuration["formatters"]["access"] = configuration["formatters"]["own"] if is_json() else access
    configuration["filters"] = {"masked": {"()": "static_host.telemetry.log_configuration.MaskTargetFilter"}}
    configuration["handlers"]["access"] = {**stdout, "formatter": "access", "filters": ["masked"]}
    configuration["loggers"]["uvicorn.access"] = {"handlers": ["access"], "level": "INFO", "propagate": False}
    return configuration


def configure_logging(form: LogFormat) -> None:
    """Configure our loggers; `form` holds for all records from now on."""
    logging.config.dictConfig(build_configuration(form))
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
    sys.excepthook = lambda kind, error, where: _log_crash(kind, error, where)
    threading.excepthook = lambda crash: _log_crash(crash.exc_type, crash.exc_value, crash.exc_traceback)
    sys.unraisablehook = lambda fault: _write(
        logging.ERROR, f"{fault.err_msg or 'Exception ignored in'}: {fault.object!r}", _build_exc_info(fault)
    )
    warnings.showwarning = _log_warning
    if logging.lastResort:
        logging.lastResort.setFormatter(JSONFormatter())
    logging.basicConfig = _configure_root
    logging.Handler.handleError = _log_unwritable_record  # type: ignore[assignment, method-assign]  # there is no hook for it
    return _create_handler()


def _create_handler() -> logging.Handler:
    _handlers[:] = [logging.StreamHandler(sys.stderr)]
    return _handlers[0]


def log_error(error: StaticHostError) -> None:
    """Write, on standard error, what ends the program or its start, whatever is done with other records."""
    if is_json():
        _write(logging.ERROR, error.format_message(), error.__cause__)
    else:
        error.show()


@contextmanager
def log_crashes() -> Iterator[None]:
    """Log an exception that ends a multiprocessing process, which would print it in a form of its own.

    Raises SystemExit with exit code 1 instead.
    """
    try:
        yield
    except Exception:
        sys.excepthook(*sys.exc_info())
        raise SystemExit(1) from None


def enable_loggers() -> None:
    """Enable our loggers again after the project's LOGGING has disabled them; handlers that it added stay."""
    for name, logger in logging.root.manager.loggerDict.items():
        if name.partition(".")[0] in _OWN_LOGGERS and isinstance(logger, logging.Logger):
            logger.disabled, logger.manager = False, _MANAGER
            if name.startswith(f"{_log.name}."):
                logger.propagate = True
                logger.setLevel(logging.NOTSET)
    if _handlers:
        _log.handlers[:] = [*_handlers, *(handler for handler in _log.handlers if handler not in _handlers)]
        _log.filters.clear()
        _log.propagate = False
        _log.setLevel(logging.INFO)


def log_view_exceptions(settings: Any) -> None:
    """Log exceptions in views with their tracebacks if the project has no LOGGING: Django's default only mails them.

    Leaves out UnreadablePostError (the client closed the connection during its upload), and everything when the root
    logger has handlers of the project's, which log these exceptions already.
    """
    from django.http import UnreadablePostError

    def is_fault(record: logging.LogRecord) -> bool:
        is_upload = record.exc_info and isinstance(record.exc_info[1], UnreadablePostError)
        return not is_upload and not logging.root.handlers

    if not settings.LOGGING and not settings.DEBUG:
        handler = logging.StreamHandler()
        handler.setLevel(logging.ERROR)
        handler.addFilter(is_fault)
        if is_json():
            handler.setFormatter(JSONFormatter())
        logging.getLogger("django.request").addHandler(handler)


def _build_exc_info(fault: Any) -> Any:
    return fault.exc_type, fault.exc_value or fault.exc_type(), fault.exc_traceback


def _configure_root(**options: Any) -> None:
    """Call `logging.basicConfig`; without options, which is how `logging.error` calls it, with our formatter."""
    handler = logging.StreamHandler()
    handler.setFormatter(JSONFormatter())
    _basic_config(**options or {"handlers": [handler]})


def _write(level: int, message: str, error: Any) -> None:
    """Write one record to standard error without a logger, which the project may have changed."""
    fault = (type(error), error, error.__traceback__) if isinstance(error, BaseException) else error
    record = _log.makeRecord(_log.name, level, "", 0, "%s", (message,), fault)
    sys.stderr.write(f"{JSONFormatter().format(record)}\n")  # in one call: other processes write here, too
    sys.stderr.flush()


def _log_unwritable_record(_: logging.Handler, record: logging.LogRecord) -> None:
    """Log that a record cannot be written, mostly because its arguments do not match its message."""
    if logging.raiseExceptions:
        _write(logging.ERROR, f"a record of {record.name} cannot be written: {record.msg!r}", sys.exc_info())


def _log_crash(kind: type[BaseException], error: BaseException | None, where: Any) -> None:
    if not issubclass(kind, KeyboardInterrupt | SystemExit):
        _write(logging.CRITICAL, "uncaught exception", (kind, error or kind(), where))


def _log_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any
) -> None:
    _warnings.warning("%s:%d: %s: %s", filename, lineno, category.__name__, message)
