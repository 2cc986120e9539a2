"""The views: three pages, a file in two ways, and an upload."""

from __future__ import annotations

from pathlib import Path
from random import Random

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from benchmarks.project_django.models import City

_random = Random(1)
_WORDS = ["".join(_random.choices("aeioulnrst", k=_random.randrange(3, 10))) for _ in range(2000)]
TABLE = "<!doctype html>\n<title>Table</title>\n<table>\n" + "".join(
    f'<tr class="row{number % 2 + 1}"><th><a href="/people/{number}/change/">{_random.choice(_WORDS)}</a></th>'
    f'<td class="field-email">{_random.choice(_WORDS)}@example.org</td><td class="field-name">'
    f"{' '.join(_random.choices(_WORDS, k=3))}</td></tr>\n"
    for number in range(120)
)


def hello(_request: HttpRequest) -> HttpResponse:
    """Return a short text, so that almost the whole cost is the server's and Django's own."""
    return HttpResponse("Hello, world!", content_type="text/plain")


def rows(request: HttpRequest) -> HttpResponse:
    """Return twenty rows of a table as a page."""
    return render(request, "rows.html", {"cities": City.objects.order_by("-inhabitants")[:20]})


def table(_request: HttpRequest) -> HttpResponse:
    """Return a page of 20 kB: a table whose rows have little in common."""
    return HttpResponse(TABLE)


def send_file(_request: HttpRequest, name: str) -> FileResponse:
    """Return a file."""
    return FileResponse((Path(settings.MEDIA_ROOT) / name).open("rb"))


def name_file(_request: HttpRequest, name: str) -> HttpResponse:
    """Leave the same file to the server in front."""
    return HttpResponse(headers={"X-Accel-Redirect": f"/protected/{name}"})


def receive(request: HttpRequest) -> HttpResponse:
    """Return the length of an uploaded file."""
    file = request.FILES["file"]
    assert isinstance(file, UploadedFile)
    return HttpResponse(str(file.size), content_type="text/plain")


urlpatterns = [
    path("hello", hello),
    path("rows", rows),
    path("table", table),
    path("file/<name>", send_file),
    path("accel/<name>", name_file),
    path("upload", receive),
]
