"""The loggers of this program and of its server, beside those that the project's LOGGING sets up.

Rule: what is to be told is told, whatever the project does: its LOGGING may set the root logger's level and handlers,
and turns every logger off that was there before; `logging.disable` holds for all. What the project itself logs or
prints is shown as its own. As JSON, every record of ours is one object on one line, its traceback included; so is what
Python itself prints: warnings, exceptions that nobody caught, records that cannot be written, and those for which there
is no handler. What a command prints on standard output is its result, and no record.
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
"""Our loggers ask this one whether `logging.disable` was called: it never is."""
_MANAGER.loggerDict = logging.root.manager.loggerDict
_basic_config = logging.basicConfig
_log = logging.getLogger("static_host")
_warnings = logging.getLogger("static_host.warnings")
_handlers: list[logging.Handler] = []
"""The handler of our own, as soon as there is one."""
_form: list[LogFormat] = ["text"]
"""How records are written in this process."""


class JSONFormatter(logging.Formatter):
    """Writes a record as one JSON object."""

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
    """Masks secrets in the targets of uvicorn's access log, as ours does."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record's target, and let it pass."""
        if isinstance(record.args, tuple) and len(record.args) == 5:
            client, method, whole, *rest = record.args
            path, _, query = str(whole).encode("latin-1", "replace").partition(b"?")
            record.args = (client, method, format_target(path, query), *rest)
        return True


def build_configuration(form: LogFormat = "text") -> dict[str, Any]:
    """Return what logging.config.dictConfig is told, in this process and in its workers."""
    own = (
        {"format": "static-host: %(message)s"}
        if form == "text"
        else {"()": "static_host.telemetry.log_configuration.JSONFormatter"}
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"own": own},
        "handlers": {"own": {"()": f"static_host.telemetry.log_configuration.{form}_handler", "formatter": "own"}},
        "loggers": {
            _log.name: {"handlers": ["own"], "level": "INFO", "propagate": False},
            "uvicorn": {"handlers": ["own"], "level": "WARNING", "propagate": False},
        },
    }


def build_configuration_with_access_log() -> dict[str, Any]:
    """Return the same, in the form that is in use, with uvicorn's access log."""
    access = {"()": "uvicorn.logging.AccessFormatter", "fmt": "%(client_addr)s %(request_line)s %(status_code)s"}
    stdout = {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}
    made = build_configuration(_form[0])
    made["formatters"]["access"] = made["formatters"]["own"] if is_json() else access
    made["filters"] = {"masked": {"()": "static_host.telemetry.log_configuration.MaskTargetFilter"}}
    made["handlers"]["access"] = {**stdout, "formatter": "access", "filters": ["masked"]}
    made["loggers"]["uvicorn.access"] = {"handlers": ["access"], "level": "INFO", "propagate": False}
    return made


def configure_logging(form: LogFormat) -> None:
    """Write our records in this form from now on."""
    logging.config.dictConfig(build_configuration(form))
    enable_loggers()


def log_format() -> LogFormat:
    """Return LOG_FORMAT, whatever is wrong with the other variables, or with the packages that read them."""
    value = os.environ.get("LOG_FORMAT", "")
    if not value.strip():
        with suppress(Exception):
            from static_host.conf.settings import read_log_format

            value = read_log_format()
    return "json" if value.strip().lower().startswith("json") else "text"  # a value that is none is told in either


def mute() -> None:
    """Write no records but what ends the program."""
    _handlers.clear()
    _log.handlers[:] = [logging.NullHandler()]


def draws() -> bool:
    """Whether somebody looks at a bar on standard error."""
    return sys.stderr.isatty() and not is_json()


def is_json() -> bool:
    """Whether records are written as JSON."""
    return _form[0] == "json"


def text_handler() -> logging.Handler:
    """Return what writes our records."""
    _form[0] = "text"
    return _handler()


def json_handler() -> logging.Handler:
    """Return what writes our records, and have what Python itself prints written in the same form."""
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
    logging.Handler.handleError = _unwritten  # type: ignore[assignment, method-assign]  # there is no hook for it
    return _handler()


def _handler() -> logging.Handler:
    _handlers[:] = [logging.StreamHandler(sys.stderr)]
    return _handlers[0]


def log_error(error: StaticHostError) -> None:
    """Write, on standard error, what ends the program or its start, whatever is done with other records."""
    if is_json():
        _write(logging.ERROR, error.format_message(), error.__cause__)
    else:
        error.show()


@contextmanager
def telling_of_crashes() -> Iterator[None]:
    """Tell of an exception that ends a process of multiprocessing's, which would print it in a form of its own."""
    try:
        yield
    except Exception:
        sys.excepthook(*sys.exc_info())
        raise SystemExit(1) from None


def enable_loggers() -> None:
    """Turn our loggers on that the project's LOGGING has turned off; its own handlers for them stay."""
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
    """Log exceptions in views, whole, where the project has no logging: Django's default only mails them.

    A client that went away in the middle of its upload is not among them. Handlers of the root logger's, which the
    project may have without LOGGING, write them, too.
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
    """Do what `logging.basicConfig` does; without options, as `logging.error` and its like call it, in our form."""
    handler = logging.StreamHandler()
    handler.setFormatter(JSONFormatter())
    _basic_config(**options or {"handlers": [handler]})


def _write(level: int, message: str, error: Any) -> None:
    """Write a record by itself: what is told in the last moment needs no logger that somebody may have changed."""
    fault = (type(error), error, error.__traceback__) if isinstance(error, BaseException) else error
    record = _log.makeRecord(_log.name, level, "", 0, "%s", (message,), fault)
    sys.stderr.write(f"{JSONFormatter().format(record)}\n")  # at once: other processes write here, too
    sys.stderr.flush()


def _unwritten(_: logging.Handler, record: logging.LogRecord) -> None:
    """Tell of a record that cannot be written: most often its arguments are not those of its message."""
    if logging.raiseExceptions:
        _write(logging.ERROR, f"a record of {record.name} cannot be written: {record.msg!r}", sys.exc_info())


def _log_crash(kind: type[BaseException], error: BaseException | None, where: Any) -> None:
    if not issubclass(kind, KeyboardInterrupt | SystemExit):
        _write(logging.CRITICAL, "an exception that nobody caught", (kind, error or kind(), where))


def _log_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any
) -> None:
    _warnings.warning("%s:%d: %s: %s", filename, lineno, category.__name__, message)
