"""The front page: the delivery inspector."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page, require_safe

from static_host_site.figures import read_figures


@require_safe
@conditional_page
@cache_control(private=True, no_cache=True)
def inspector(request: HttpRequest) -> HttpResponse:
    """Show how this page's own files are built and delivered, without a database query."""
    return render(request, "site/inspector.html", {"figures": read_figures()})
