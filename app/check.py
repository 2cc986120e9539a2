"""``static-host check``: what `serve` does at its start, tried without serving; and Django's own system checks."""

from __future__ import annotations

import click

from app.asgi import create_app
from app.exits import Stop
from app.project import explained
from app.settings import Settings


class ChecksFailed(Stop):
    """Django's system checks found errors."""

    exit_code = 1


def check(settings: Settings) -> None:
    """Print one line for each thing that holds. Raises Stop for the first that does not."""
    for line in create_app(settings).state.summary:
        click.echo(f"ok  {line}")
    with explained(settings.settings_module):
        from django.core.checks import ERROR, run_checks

        messages = run_checks()
    for message in messages:
        click.echo(f"{'error' if message.level >= ERROR else 'warning'}  {message}")
    if any(message.level >= ERROR for message in messages):
        raise ChecksFailed("Django's system checks found errors; they are listed above.")
    click.echo("ok  Django's system checks")
