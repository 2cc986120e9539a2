"""Views that hold a thread, sleeping or computing."""

from __future__ import annotations

import time

from django.http import HttpRequest, HttpResponse
from django.urls import path


def slow(_request: HttpRequest) -> HttpResponse:
    """Sleep for half a second, like a view that waits for a database."""
    time.sleep(0.5)
    return HttpResponse("slept", content_type="text/plain")


def busy(_request: HttpRequest) -> HttpResponse:
    """Compute for a tenth of a second of CPU time of this thread."""
    end = time.thread_time() + 0.1
    number = 0
    while time.thread_time() < end:
        number = sum(range(1000), number)
    return HttpResponse(str(number), content_type="text/plain")


urlpatterns = [path("slow", slow), path("busy", busy)]
