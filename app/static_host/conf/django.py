"""Settings of the group "Django project"."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ByteSize

from static_host.conf.manage_py import find_settings_module
from static_host.conf.variable import define_variable

BUNDLED_SETTINGS_MODULE = "static_host_site.settings"


def _choose_settings_module(value: str) -> str:
    return value or find_settings_module() or BUNDLED_SETTINGS_MODULE


class DjangoSettings(BaseModel):
    """Which project is served, and how Django is called."""

    title: ClassVar = "Django project"

    settings_module: Annotated[str, BeforeValidator(_choose_settings_module)] = define_variable(
        "DJANGO_SETTINGS_MODULE",
        "",
        "The settings module of the Django project, importable from the working directory.",
        "a dotted module name, for example mysite.settings",
        shown="the one that `manage.py` in the working directory names, else the bundled site's",
        validate_default=True,
        pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)*$",
    )
    python: str | None = define_variable(
        "DJANGO_PYTHON",
        None,
        "The Python interpreter (3.10 or newer) that has the project and its packages. Django runs in worker processes "
        "of that interpreter, apart from the server. Unset: that of the virtual environment `VIRTUAL_ENV`, else of "
        "`.venv` in the working directory, else the server's own.",
        "a path or a program's name, for example .venv/bin/python",
        shown="",
    )
    request_seconds: float = define_variable(
        "DJANGO_REQUEST_SECONDS",
        60.0,
        "Seconds within which a response has to begin. Then the client gets 504, the view's "
        "stack is logged, and its worker is replaced. A view may go on for as long without a client. 0: no limit.",
        "a number of seconds from 0 to 86400",
        shown="60",
        ge=0,
        le=86400,
    )
    max_body: ByteSize = define_variable(
        "DJANGO_MAX_BODY",
        ByteSize(1 << 30),
        "The most bytes of a request's body. A longer one gets 413. A body over 256 kB is kept "
        "in a temporary file until a thread takes it.",
        "a number of bytes, with a unit if you like, for example 100MB or 100MiB",
        shown="1 GiB",
        ge=0,
    )
    preload: Literal["auto", "true", "false"] = define_variable(
        "DJANGO_PRELOAD",
        "auto",
        "`true`: workers are forked from a process that has loaded the project, so they share memory and start at "
        "once. `false`: each loads it. `auto`: forked, unless the loaded project has started a thread, or opened a "
        "socket, a pipe or a database connection.",
        "auto, true or false",
    )
    worker_requests: int = define_variable(
        "DJANGO_WORKER_REQUESTS",
        0,
        "Requests after which a worker is replaced, up to 10 % more by chance. The next one is ready before. "
        "0: no limit.",
        "a whole number from 0 to 1000000000",
        ge=0,
        le=1_000_000_000,
    )
    worker_memory: ByteSize = define_variable(
        "DJANGO_WORKER_MEMORY",
        ByteSize(0),
        "Memory in bytes (resident) above which a worker is replaced. The next one is ready before. 0: no limit.",
        "a number of bytes, with a unit if you like, for example 512MB or 512MiB",
        shown="0",
        ge=0,
    )
    interface: Literal["auto", "wsgi", "asgi"] = define_variable(
        "DJANGO_INTERFACE",
        "auto",
        "How Django is called: `wsgi`, in threads; `asgi`; or `auto`: `asgi` if the project sets `ASGI_APPLICATION`, "
        "else `wsgi`.",
        "auto, wsgi or asgi",
    )
    threads: int = define_variable(
        "DJANGO_THREADS",
        10,
        "Threads for a synchronous Django, in each worker process.",
        "a whole number from 1 to 1000",
        ge=1,
        le=1000,
    )
    queue: int = define_variable(
        "DJANGO_QUEUE",
        1000,
        "Requests that may wait for a thread of a synchronous Django. Further requests get 503 with `Retry-After`.",
        "a whole number from 0 to 100000",
        ge=0,
        le=100000,
    )
