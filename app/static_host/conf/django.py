"""Settings of the group "Django project"."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel

from static_host.conf.variable import define_variable


class DjangoSettings(BaseModel):
    """Which project is served, and how Django is called."""

    title: ClassVar = "Django project"

    settings_module: str = define_variable(
        "DJANGO_SETTINGS_MODULE",
        "static_host_site.settings",
        "The settings module of the Django project to serve, importable from the working directory.",
        "a dotted module name, for example mysite.settings",
        pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)*$",
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
        "Requests that may wait for a thread of a synchronous Django, in each worker process. Further requests get 503 "
        "with `Retry-After`.",
        "a whole number from 0 to 100000",
        ge=0,
        le=100000,
    )
