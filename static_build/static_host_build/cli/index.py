"""The command ``static-host index``."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import click

from static_host_build.cli import CONTEXT_SETTINGS, read_settings


@click.command("index", short_help="Index a tree that other tools made.", context_settings=CONTEXT_SETTINGS)
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR")
def index_command(directory: Path) -> None:
    """Write the index of a directory that other tools made, so that `static-host serve` can serve it.

    For the output of collectstatic with WhiteNoise's storages, of Vite, or of any other tool:

    \b
        static-host index dist
        DJANGO_STATIC_ROOT=dist static-host serve

    Siblings that end in .br, .gz or .zst are used if they decode to their file and are smaller; nothing is encoded. A
    file is immutable if Django's manifest (staticfiles.json) or a bundler's lists it as fingerprinted, or if
    DJANGO_STATIC_IMMUTABLE_PATTERN matches its name.

    The command writes the index, and beside each .svgz file its decoded form (.svgz.identity) for clients that do not
    accept gzip. It changes no other file. After a file has changed, run it again.
    """  # noqa: D301 - click asks for the backspace itself
    from static_host_build.external_tree_index import index_external_tree

    made = index_external_tree(Path(os.path.abspath(directory)), read_settings())  # noqa: PTH100 - keeps a symbolic link
    for warning in made.warnings:
        logging.getLogger("static_host.build").warning("%s", warning)
    immutable = sum(resource.immutable for resource in made.resources.values())
    with_coding = sum(len(resource.representations) > 1 for resource in made.resources.values())
    click.echo(
        f"static-host: {len(made.resources)} static resources in {directory}: {immutable} immutable, "
        f"{with_coding} with encoded siblings"
    )
