"""Template filters that format quantities."""

from django import template

register = template.Library()


@register.filter
def format_grouped(number: int | None) -> str:
    """Return 12345 as ``12,345``, and a missing number as a dash."""
    return "—" if number is None else f"{number:,}"


@register.filter
def format_kilobytes(number: int) -> str:
    """Return 12345 as ``12.3``: kilobytes of 1000 bytes."""
    return f"{number / 1000:,.1f}"
