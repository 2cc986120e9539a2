from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class NeverCached:
    """What teams put in for their pages, and then find on their static files."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response["Cache-Control"] = "no-cache, no-store, must-revalidate, max-age=0"
        response.set_cookie("tracking", "1")
        return response
