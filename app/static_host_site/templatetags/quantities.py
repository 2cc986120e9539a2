"""Template filters that format quantities."""

from datetime import datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.timesince import timesince

register = template.Library()


@register.filter
def format_grouped(number: int | None) -> str:
    """Return 12345 as ``12,345``, and a missing number as a dash."""
    return "—" if number is None else f"{number:,}"


@register.filter
def format_kilobytes(number: int) -> str:
    """Return 12345 as ``12.3``: kilobytes of 1000 bytes."""
    return f"{number / 1000:,.1f}"


@register.filter
def format_percent(share: float) -> str:
    """Return 12.345 as ``12.3%``, for attributes of SVG."""
    return f"{share:.1f}%"


@register.filter
def format_age(moment: datetime) -> str:
    """Return how long ago a moment was, in its largest unit: ``3 days ago``."""
    if timezone.now() - moment < timedelta(minutes=1):
        return "just now"
    return f"{timesince(moment, depth=1)} ago"
