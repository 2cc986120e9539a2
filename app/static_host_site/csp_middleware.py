"""The Content-Security-Policy of the bundled site (W3C CSP Level 3).

Rule: scripts, styles, fonts and images come from the site itself or from its static host. Inline code and framing are
forbidden. Django has its own middleware since 6.0; this one also works with 5.2.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse

GetResponse = Callable[[HttpRequest], HttpResponse]


def content_security_policy(get_response: GetResponse) -> GetResponse:
    """Middleware: set the policy on every response except Django's debug pages, whose styles are inline."""
    policy = build_policy(settings.STATIC_URL)

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not (settings.DEBUG and response.status_code >= 400):
            response.headers["Content-Security-Policy"] = policy
        return response

    return middleware


def build_policy(static_url: str) -> str:
    """Return the header's value for a site whose static files are below `static_url`."""
    sources = " ".join(["'self'", *_extract_origin(static_url)])
    kinds = ("script-src", "style-src", "font-src", "img-src", "connect-src")
    rules = ["default-src 'none'", *(f"{kind} {sources}" for kind in kinds)]
    rules += ["form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
    return "; ".join(rules)


def _extract_origin(url: str) -> list[str]:
    parts = urlsplit(url)
    scheme = f"{parts.scheme}://" if parts.scheme else ""  # without a scheme, the page's own applies
    return [scheme + parts.netloc] if parts.netloc else []
