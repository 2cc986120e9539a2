"""The two views."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from benchmarks.project_django.models import City


def hello(_request: HttpRequest) -> HttpResponse:
    """Return a short text: what remains is the server's cost, and the floor of Django's."""
    return HttpResponse("Hello, world!", content_type="text/plain")


def rows(request: HttpRequest) -> HttpResponse:
    """Return twenty rows of a table as a page."""
    return render(request, "rows.html", {"cities": City.objects.order_by("-inhabitants")[:20]})


urlpatterns = [path("hello", hello), path("rows", rows)]
