"""The template tags: ``{% load static_host %}``.

Rule: the overlay brings them into every process of the project. A project that also runs without it has
``static_host_django`` in INSTALLED_APPS.
"""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.safestring import SafeString

from static_host_django import scripts

register = template.Library()
register.simple_tag(scripts.static_integrity)


@register.simple_tag(takes_context=True)
def importmap(context: Any, *names: str) -> SafeString:
    """Render an import map with the page's nonce: see `scripts.build_importmap`."""
    return scripts.render_importmap(*names, nonce=_find_nonce(context))


@register.simple_tag(takes_context=True)
def modulepreload(context: Any, *names: str) -> SafeString:
    """Render preloads of modules with the page's nonce: see `scripts.render_modulepreloads`."""
    return scripts.render_modulepreloads(*names, nonce=_find_nonce(context))


def _find_nonce(context: Any) -> object:
    """Return the nonce of Django's context processor, of Django's middleware, or of django-csp; or None.

    A nonce is lazy and false until it is used, and then it is in the policy.
    """
    request = getattr(context, "request", None) or context.get("request")
    found = (context.get("csp_nonce"), getattr(request, "csp_nonce", None), getattr(request, "_csp_nonce", None))
    return next((nonce for nonce in found if nonce is not None), None)
