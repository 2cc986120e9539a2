"""A worker: one process of the project's interpreter that runs Django, and nothing of the front.

Rule: it has no listening socket. It loads the project, says so, and serves the channels that the front opens to it. It
ends when the front tells it to, or is gone; a signal to the whole process group does not end it before its requests.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import Any

from static_host_django import media, own_logging, project_loading, stacks, template
from static_host_django.answers import ANSWERS
from static_host_django.control_channel import Control
from static_host_django.unknown_paths import UnknownPaths
from static_host_django.worker_channel import Channel
from static_host_django.wsgi_worker import WSGIThread, make_base_environ

FRONT_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: str) -> None:
    """Run a worker. `arguments` is a JSON object, see `static_host.workers.worker_process`."""
    options = json.loads(arguments)
    leave_signals_to_front()
    handler = own_logging.create_handler(is_json=options["log_format"] == "json")
    own_logging.enable_loggers([handler])
    control = Control(options["control"])
    inherited = template.Inherited()
    try:
        loaded = _load(control, options, handler, inherited)
    except (Exception, SystemExit) as error:  # a settings module may call sys.exit
        control.send(**project_loading.describe_failure(error, options["settings_module"]))
        raise SystemExit(1) from None
    if loaded is None:
        return
    application, is_asgi, is_template = loaded
    if is_template:
        if is_asgi:
            import_module("static_host_django.asgi_worker")  # so that the workers share it
        own = template.serve(control)
        if own is None:
            template.exit_now()
            return
        control = own
    serve(application, control, options, is_asgi=is_asgi)


def serve(application: Any, control: Control, options: dict[str, Any], *, is_asgi: bool) -> None:
    """Serve the channels that the front opens, until it says stop or is gone."""
    _yield_to_front()
    UnknownPaths.is_wanted = bool(options["has_fallback"])
    if is_asgi:
        from static_host_django import asgi_worker

        asgi_worker.serve(application, control, options)
    else:
        _serve_threads(application, control, options)


def _yield_to_front() -> None:
    """Have Linux not interrupt the front on its core whenever it gives this process a request (SCHED_BATCH)."""
    if sys.platform == "linux" and os.sched_getscheduler(0) == os.SCHED_OTHER:
        with suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def leave_signals_to_front() -> None:
    """Have the signals that end the front not end this process: the front tells it when to end."""
    for number in FRONT_SIGNALS:
        signal.signal(number, _leave_to_front)  # not SIG_IGN, which programs started by a view would inherit
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FRONT_SIGNALS)  # the front started this process with them blocked


def _leave_to_front(_number: int, _frame: Any) -> None:
    """Do nothing: the front tells the worker when to end."""


def _load(
    control: Control, options: dict[str, Any], handler: logging.Handler, inherited: template.Inherited
) -> tuple[Any, bool, bool] | None:
    """Load the project in step with the front.

    Returns the application, whether it is ASGI, and whether this is a template; None at the end of the front.
    """
    with control.end_with_front():
        facts = project_loading.load_settings(options["settings_module"], options["interface"])
    control.send(type="settings", pid=os.getpid(), **facts)
    received = control.receive()
    if received is None:
        return None
    message, _ = received
    with control.end_with_front():
        changes = project_loading.override_settings(facts["static_url"], message["static_url"], message["root"])
        application = project_loading.load_application(is_asgi=facts["is_asgi"])
    own_logging.enable_loggers([handler])  # LOGGING may have disabled them
    from django.conf import settings

    own_logging.log_view_exceptions(settings, is_json=options["log_format"] == "json")
    preload = options.get("preload", "false")
    obstacle = "" if preload == "false" else inherited.find_obstacle()
    is_template = template.can_fork() and (preload == "true" or (preload == "auto" and not obstacle))
    described = project_loading.describe_loaded(message["paths"])
    if options["serve_media"]:
        described["storage"] = media.describe_default_storage(options["settings_module"])
    control.send(type="loaded", changes=changes, is_template=is_template, obstacle=obstacle, **described)
    return application, facts["is_asgi"], is_template


def _serve_threads(application: Any, control: Control, options: dict[str, Any]) -> None:
    base = make_base_environ(options["threads"], is_multiprocess=options["workers"] > 1)
    threads: list[WSGIThread] = []
    control.send(type="ready")
    while (received := control.receive()) is not None:
        message, descriptors = received
        if message["type"] == "channel" and len(descriptors) == 2:
            channel = Channel(*map(_open_socket, descriptors))
            thread = WSGIThread(application, base, channel, message["number"])
            threads.append(thread)
            thread.start()
        elif message["type"] == "stack":
            control.send(type="stack", id=message["id"], text=stacks.format_thread(threads, message["number"]))
        elif message["type"] in ANSWERS:
            threading.Thread(target=ANSWERS[message["type"]], args=(control, message), daemon=True).start()
        elif message["type"] == "stop":
            break


def _open_socket(descriptor: int) -> Any:
    import socket

    connection = socket.socket(fileno=descriptor)
    connection.setblocking(True)
    return connection
