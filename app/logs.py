"""The loggers of this program and of its server, beside those that the project's LOGGING sets up.

Rule: what is to be told is told, whatever the project does: its LOGGING may set the root logger's level and handlers,
and turns every logger off that was there before; `logging.disable` holds for all. What the project itself logs or
prints is shown as its own.
"""

from __future__ import annotations

import logging
from typing import Any

_OURS = ("static_host", "uvicorn")
_MANAGER = logging.Manager(logging.root)
"""Our loggers ask this one whether `logging.disable` was called: it never is."""
_MANAGER.loggerDict = logging.root.manager.loggerDict


def show() -> None:
    """Write what this program logs to standard error, for the length of a command; no root logger has a part in it."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("static-host: %(message)s"))
    logger = logging.getLogger(_OURS[0])
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    turn_on()


def turn_on() -> None:
    """Turn our loggers on that the project's LOGGING has turned off."""
    for name, logger in logging.root.manager.loggerDict.items():
        if name.partition(".")[0] in _OURS and isinstance(logger, logging.Logger):
            logger.disabled, logger.manager = False, _MANAGER


def show_exceptions(settings: Any) -> None:
    """Log exceptions in views, whole, where the project has no logging: Django's default only mails them."""
    if not settings.LOGGING and not settings.DEBUG:
        handler = logging.StreamHandler()
        handler.setLevel(logging.ERROR)
        logging.getLogger("django.request").addHandler(handler)
