"""The loggers of static-host in whatever process, beside those that the project's LOGGING configures.

Rule: this program's messages always appear. The project's LOGGING may set the root logger's level and handlers, disable
every existing logger, or call `logging.disable`; none of it reaches our loggers. What the project itself logs or prints
keeps its own form. As JSON, each record of ours is one object on one line, with its traceback. So is what Python itself
writes to standard error: warnings, uncaught exceptions, records that cannot be written, and records without a handler.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from typing import Any

LOGGER_NAME = "static_host"
_OWN_LOGGERS = (LOGGER_NAME, "uvicorn")
_MANAGER = logging.Manager(logging.root)
"""The manager of our loggers: `logging.disable` sets a level on the root's manager, and never on this one."""
_MANAGER.loggerDict = logging.root.manager.loggerDict
_log = logging.getLogger(LOGGER_NAME)
_warnings = logging.getLogger("static_host.warnings")
_basic_config = logging.basicConfig


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
        elif record.exc_text:
            facts["exception"] = record.exc_text
        if record.stack_info:
            facts["stack"] = record.stack_info
        return json.dumps(facts)


def enable_loggers(handlers: Sequence[logging.Handler]) -> None:
    """Enable our loggers again after the project's LOGGING has disabled them; handlers that it added stay."""
    for name, logger in logging.root.manager.loggerDict.items():
        if name.partition(".")[0] in _OWN_LOGGERS and isinstance(logger, logging.Logger):
            logger.disabled, logger.manager = False, _MANAGER
            if name.startswith(f"{LOGGER_NAME}."):
                logger.propagate = True
                logger.setLevel(logging.NOTSET)
    if handlers:
        _log.handlers[:] = [*handlers, *(handler for handler in _log.handlers if handler not in handlers)]
        _log.filters.clear()
        _log.propagate = False
        _log.setLevel(logging.INFO)


def create_handler(*, is_json: bool) -> logging.Handler:
    """Return a handler for our records, on standard error. As JSON, redirect what Python itself prints there, too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter() if is_json else logging.Formatter("static-host: %(message)s"))
    if is_json:
        _redirect_python()
    return handler


def write_record(level: int, message: str, error: Any = None, shown: str = "") -> None:
    """Write one JSON object to standard error without a logger, which the project may have changed.

    `error` is an exception, or what `sys.exc_info` returns. `shown` is the traceback of an exception that another
    process raised.
    """
    fault = (type(error), error, error.__traceback__) if isinstance(error, BaseException) else error
    record = _log.makeRecord(_log.name, level, "", 0, "%s", (message,), fault)
    record.exc_text = shown
    sys.stderr.write(f"{JSONFormatter().format(record)}\n")  # in one call: other processes write here, too
    sys.stderr.flush()


def _redirect_python() -> None:
    sys.excepthook = _log_crash
    threading.excepthook = lambda crash: _log_crash(crash.exc_type, crash.exc_value, crash.exc_traceback)
    sys.unraisablehook = _log_unraisable
    warnings.showwarning = _log_warning
    if logging.lastResort:
        logging.lastResort.setFormatter(JSONFormatter())
    logging.basicConfig = _configure_root
    logging.Handler.handleError = _log_unwritable_record  # type: ignore[assignment, method-assign]  # there is no hook for it


def _log_crash(kind: type[BaseException], error: BaseException | None, where: Any) -> None:
    if not issubclass(kind, (KeyboardInterrupt, SystemExit)):
        write_record(logging.CRITICAL, "uncaught exception", (kind, error or kind(), where))


def _log_unraisable(fault: Any) -> None:
    error = (fault.exc_type, fault.exc_value or fault.exc_type(), fault.exc_traceback)
    write_record(logging.ERROR, f"{fault.err_msg or 'Exception ignored in'}: {fault.object!r}", error)


def _log_warning(message: Any, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any) -> None:
    _warnings.warning("%s:%d: %s: %s", filename, lineno, category.__name__, message)


def _configure_root(**options: Any) -> None:
    """Call `logging.basicConfig`; without options, which is how `logging.error` calls it, with our formatter."""
    handler = logging.StreamHandler()
    handler.setFormatter(JSONFormatter())
    _basic_config(**options or {"handlers": [handler]})


def _log_unwritable_record(_: logging.Handler, record: logging.LogRecord) -> None:
    """Log that a record cannot be written, mostly because its arguments do not match its message."""
    if logging.raiseExceptions:
        write_record(logging.ERROR, f"a record of {record.name} cannot be written: {record.msg!r}", sys.exc_info())


def log_view_exceptions(settings: Any, *, is_json: bool) -> None:
    """Log exceptions in views with their tracebacks if the project has no LOGGING: Django's default only mails them.

    With one, they go to the project's handlers, also if it disables the loggers that exist before.

    Leaves out UnreadablePostError (the client closed the connection during its upload), and everything when the root
    logger has handlers of the project's, which log these exceptions already.
    """
    from django.http import UnreadablePostError

    def is_fault(record: logging.LogRecord) -> bool:
        is_upload = record.exc_info and isinstance(record.exc_info[1], UnreadablePostError)
        return not is_upload and not logging.root.handlers

    logging.getLogger("django.request").disabled = False
    if not settings.LOGGING and not settings.DEBUG:
        handler = logging.StreamHandler()
        handler.setLevel(logging.ERROR)
        handler.addFilter(is_fault)
        if is_json:
            handler.setFormatter(JSONFormatter())
        logging.getLogger("django.request").addHandler(handler)
