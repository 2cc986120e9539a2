"""``static-host check``: what `serve` does at its start, tried without serving; and what it has no time for.

The tree is examined whole by the package that builds it, which nothing here imports: it comes by entry point, and an
image that only serves can do without. Django's own system checks come last.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import click

from app.asgi import create_app
from app.exits import Stop
from app.origin.tree import TreeDamaged
from app.project import explained
from app.settings import Settings


class ChecksFailed(Stop):
    """Django's system checks found errors."""

    exit_code = 1


def check(settings: Settings) -> None:
    """Print one line for each thing that holds. Raises Stop for the first that does not."""
    try:
        app = create_app(settings)
    except TreeDamaged as damaged:
        list(_examined(damaged.root))  # it names all files, where the boot names one
        raise
    for line in (*app.state.summary, *_examined(app.state.root)):
        click.echo(f"ok  {line}")
    with explained(settings.settings_module):
        from django.core.checks import ERROR, run_checks

        messages = run_checks()
    for message in messages:
        click.echo(f"{'error' if message.level >= ERROR else 'warning'}  {message}")
    if any(message.level >= ERROR for message in messages):
        raise ChecksFailed("Django's system checks found errors; they are listed above.")
    click.echo("ok  Django's system checks")


def _examined(root: Path) -> Iterator[str]:
    for point in entry_points(group="static_host.checks"):
        yield str(point.load()(root))
