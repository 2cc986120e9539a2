"""The loggers of this program and of its server, beside those that the project's LOGGING sets up.

Rule: what is to be told is told, whatever the project does: a LOGGING without `disable_existing_loggers` turns every
logger off that was there before.
"""

from __future__ import annotations

import logging
from typing import Any

_OURS = ("static_host", "uvicorn")


def turn_on() -> None:
    """Turn our loggers on that the project's LOGGING has turned off."""
    for name, logger in logging.root.manager.loggerDict.items():
        if name.partition(".")[0] in _OURS and isinstance(logger, logging.Logger):
            logger.disabled = False


def show_exceptions(settings: Any) -> None:
    """Log exceptions in views, whole, where the project has no logging: Django's default only mails them."""
    if not settings.LOGGING and not settings.DEBUG:
        handler = logging.StreamHandler()
        handler.setLevel(logging.ERROR)
        logging.getLogger("django.request").addHandler(handler)
