"""The servers of ``make bench``, each with one tree: this project, nginx, and those that Django projects use.

Rule: each is configured as its documentation says for production, with one worker, and with ten threads if threads run
Django. A server has an access log only if its name ends with the log's form. This project's goes to standard output, a
file here; nginx's is a file in the same directory, without a buffer, which is nginx's default. A server that is not
installed is skipped, with the reason.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

from benchmarks.load import Server, find_free_port
from benchmarks.measure import HERE, print_progress
from benchmarks.trees import Tree

CLOUDFRONT = (
    "Host: d111111abcdef8.cloudfront.net",
    "User-Agent: Amazon CloudFront",
    "X-Amz-Cf-Id: MFTMIHhcSTCqfIkVkGYHg9gqvaRZkT0Xq1Yvq1GdrVvLqRrPlYkZZg==",
    "Connection: Keep-Alive",
    "Via: 2.0 3af9b5d2c1fd0b2b5a0b1a2b3c4d5e6f.cloudfront.net (CloudFront)",
    "X-Forwarded-For: 203.0.113.7",
    "Accept-Encoding: br,gzip",
    "CloudFront-Forwarded-Proto: https",
    "X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678",
)
"""The nine header fields with which CloudFront asks an origin."""
THREADS = 10


_PROJECT = "benchmarks.project_static"
WSGI = "benchmarks.project_django.wsgi:application"
_ASGI = "benchmarks.project_django.asgi:application"
WHITENOISE = "whitenoise.middleware.WhiteNoiseMiddleware"
_SERVESTATIC = "servestatic.middleware.ServeStaticMiddleware"
_LOGS = {
    "off": {"ACCESS_LOG": "false"},
    "text": {},
    "json": {"LOG_FORMAT": "json"},
    "json and metrics": {"LOG_FORMAT": "json"},
}
"""This project's variables for each form of the access log; text is the default."""
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_BROTLI = Path("/usr/lib/nginx/modules/ngx_http_brotli_static_module.so")


@dataclass(frozen=True, slots=True)
class Place:
    """The tree and the options of a server. `site` is the bundled Django project in place of a bare one."""

    tree: Tree
    work: Path
    threads: int = THREADS
    workers: int = 1
    site: bool = False

    def variables(self, middleware: str = "") -> dict[str, str]:
        """Return the variables of the benchmark's project, whose static files the middleware serves."""
        return {
            "BENCH_ROOT": str(self.tree.root),
            "BENCH_SERVED_BY": middleware,
            "DJANGO_SETTINGS_MODULE": f"{_PROJECT}.settings_site" if self.site else f"{_PROJECT}.settings",
            "DJANGO_SITE_DATA": str(self.work / "site"),
            "PYTHONPATH": str(HERE.parent),
        }


def _ours(log: str, place: Place) -> Server:
    program = str(Path(sys.executable).parent / "static-host")
    metrics = log == "json and metrics"

    def command(port: int) -> tuple[str, ...]:
        listen = (f"PORT={port}", *([f"METRICS_PORT={find_free_port()}"] if metrics else []))
        return ("env", *listen, program, "serve")

    return Server(
        "this project, `static-host serve`",
        command,
        {
            **place.variables(),
            **({"DJANGO_SETTINGS_MODULE": "static_host_site.settings"} if place.site else {}),
            **_LOGS[log],
            "DJANGO_STATIC_ROOT": str(place.tree.root),
            "DJANGO_THREADS": str(place.threads),
            "WEB_CONCURRENCY": str(place.workers),
        },
        "ready on",
        ("output-{port}",) if log != "off" else (),
    )


def _nginx(how: str, log: str, place: Place) -> Server:
    def command(port: int) -> tuple[str, ...]:
        configuration = place.work / f"nginx-{port}.conf"
        filled = (
            (HERE / "nginx.conf")
            .read_text()
            .format(
                module=_BROTLI,
                user="user root;" if os.getuid() == 0 else "",  # only its owner may read the benchmark's directory
                sendfile="off" if how == "sendfile off" else "on",
                log=f"{place.work}/access-{port}.log {log}" if log != "off" else "off",
                workers=place.workers,
                work=place.work,
                root=place.tree.root,
                port=port,
            )
        )
        configuration.write_text(filled)
        return (str(NGINX), "-c", str(configuration), "-e", str(place.work / f"nginx-{port}.log"))

    logs = ("access-{port}.log",) if log != "off" else ()
    return Server(f"nginx {read_nginx_version()}, {how}", command, logs=logs)


def _on_waitress(place: Place) -> Server:
    return Server(
        f"WhiteNoise in Django on waitress, {place.threads} threads",
        lambda port: _module("waitress", f"--threads={place.threads}", f"--listen=127.0.0.1:{port}", WSGI),
        place.variables(WHITENOISE),
    )


def _on_gunicorn(place: Place) -> Server:
    return Server(
        f"WhiteNoise in Django on gunicorn, {place.threads} threads",
        lambda port: _module(
            *("gunicorn", "--worker-class", "gthread", "--threads", str(place.threads)),
            *("--workers", str(place.workers), "--bind", f"127.0.0.1:{port}", WSGI),
        ),
        place.variables(WHITENOISE),
    )


def _on_uvicorn(title: str, app: str, middleware: str, place: Place) -> Server:
    return Server(
        title,
        lambda port: _module(
            *("uvicorn", app, "--http", "httptools", "--no-access-log", "--lifespan", "off", "--port", str(port)),
        ),
        place.variables(middleware),
    )


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *arguments)


ROWS: dict[str, Callable[[Place], Server]] = {
    "ours": partial(_ours, "off"),
    "ours-text": partial(_ours, "text"),
    "ours-json": partial(_ours, "json"),
    "ours-metrics": partial(_ours, "json and metrics"),
    "nginx": partial(_nginx, "sendfile", "off"),
    "nginx-text": partial(_nginx, "sendfile", "combined"),
    "nginx-json": partial(_nginx, "sendfile", "json"),
    "nginx-read": partial(_nginx, "sendfile off", "off"),
    "nginx-read-text": partial(_nginx, "sendfile off", "combined"),
    "waitress": _on_waitress,
    "gunicorn": _on_gunicorn,
    "blacknoise": partial(_on_uvicorn, "blacknoise on uvicorn", f"{_PROJECT}.blacknoise_app:app", ""),
    "starlette": partial(_on_uvicorn, "Starlette's StaticFiles on uvicorn", f"{_PROJECT}.starlette_app:app", ""),
    "servestatic": partial(_on_uvicorn, "ServeStatic in Django on uvicorn", _ASGI, _SERVESTATIC),
    "uvicorn": partial(_on_uvicorn, "WhiteNoise in Django on uvicorn", _ASGI, WHITENOISE),
}
"""The row ours-text is this project as shipped; waitress, gunicorn and uvicorn are WhiteNoise in Django on these."""


def select_installed(names: Iterable[str]) -> list[str]:
    """Return the installed servers; print the reason for each of the others."""
    found = []
    for name in names:
        if reason := _find_reason_missing(name):
            print_progress(f"{name} is skipped: {reason}")
        else:
            found.append(name)
    return found


def _find_reason_missing(name: str) -> str:
    if name.startswith("nginx"):
        if NGINX is None:
            return "nginx is not installed (apt-get install nginx libnginx-mod-http-brotli-static)"
        return "" if _BROTLI.exists() else f"{_BROTLI} is missing (apt-get install libnginx-mod-http-brotli-static)"
    if name.startswith("ours") or find_spec(name):
        return ""
    return f"{name} is not installed (it is in requirements/projects.txt)"


@cache
def read_nginx_version() -> str:
    """Return nginx's version."""
    output = subprocess.run([str(NGINX), "-v"], capture_output=True, text=True, check=True).stderr
    return re.sub(r".*nginx/", "", output).split()[0]
