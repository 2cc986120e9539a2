"""How the program ends when it cannot go on.

Rule: an operator's mistake is one clear message that names the thing, the value and the remedy; a fault
inside the Django project is its whole traceback, cause last. Each kind of ending has one exit code:

====  ==============================================================================================================
code  meaning
====  ==============================================================================================================
0     done; for ``serve`` and ``dev``: stopped by SIGINT or SIGTERM
1     the Django project raised an exception (its traceback is printed), ``check`` or ``verify`` found an error,
      standard output could not be written (a reader that has gone is no error), or Ctrl-C ended the command
2     a setting, an option or a command is wrong (or a package that is installed does not fit)
3     the static tree is missing, damaged or unreadable
4     the address cannot be listened on
5     the build failed; the previous tree, if any, still stands
6     earlier releases cannot be carried as they were, so the build failed; the previous tree, if any, still stands
7     the release is not published: the store cannot be reached, refuses, or has other bytes under a name
====  ==============================================================================================================
"""

from __future__ import annotations

import traceback


class StaticHostError(Exception):
    """Ends the program with a message for the operator and with ``exit_code``.

    `remedy` says what to do, where the message does not; `notes` are lines that help to find the cause.
    """

    exit_code = 1
    remedy = ""
    notes: tuple[str, ...] = ()


class AddressUnavailableError(StaticHostError):
    """The address cannot be listened on."""

    exit_code = 4


def format_message(error: StaticHostError) -> str:
    """Return the message, the remedy and the notes."""
    return "\n".join(filter(None, [str(error), error.remedy, *error.notes]))


def format_error(error: StaticHostError) -> str:
    """Return what the operator should read: message, remedy and notes, then the project's traceback if there is one."""
    message = f"static-host: {format_message(error)}"
    if error.__cause__ is None:
        return message
    return f"{message}\n\n{''.join(traceback.format_exception(error.__cause__))}".rstrip()
