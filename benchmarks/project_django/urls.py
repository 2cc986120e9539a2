"""The two views."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from benchmarks.project_django.models import City


def hello(_request: HttpRequest) -> HttpResponse:
    """Return a short text, so that almost the whole cost is the server's and Django's own."""
    return HttpResponse("Hello, world!", content_type="text/plain")


def rows(request: HttpRequest) -> HttpResponse:
    """Return twenty rows of a table as a page."""
    return render(request, "rows.html", {"cities": City.objects.order_by("-inhabitants")[:20]})


urlpatterns = [path("hello", hello), path("rows", rows)]
