"""The command ``static-host releases``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from static_host_build.cli import CONTEXT_SETTINGS, read_settings


@click.command("releases", short_help="List the releases that a tree has files of.", context_settings=CONTEXT_SETTINGS)
@click.argument(
    "directory", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="[DIR]", required=False
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of the table.")
def releases_command(directory: Path | None, as_json: bool) -> None:
    """List the tree's own release and the earlier releases whose files it carries.

    DIR is a tree; by default the static root. The first line is the tree's own release and counts all of its files. The
    lines of earlier releases count fingerprinted files; "alone" are those that no newer release in the tree has.
    "bytes" is the size on disk in all codings.

    \b
    --json prints an object:
        root      the tree
        releases  a list, the newest first: release, time (seconds since 1970, or
                  null), origin (the source it came from), files, bytes,
                  files_alone, bytes_alone
        deltas    files of the tree's own release that are encoded against earlier
                  versions (dcz): resources, deltas, bytes, instead (bytes of the
                  smallest other codings), renamed (deltas against a file of
                  another name); carried, carried_bytes (deltas of carried files)
    """  # noqa: D301 - click asks for the backspace itself
    from static_host.origin.tree import load_tree
    from static_host_build.carry.release_sizes import describe_release, measure_releases
    from static_host_build.collect.project_process import find_static_root
    from static_host_build.dictionary.deltas import measure_savings
    from static_host_build.report import releases_table

    root = directory or find_static_root(read_settings())
    tree = load_tree(root)
    tree.close()
    sizes = measure_releases(tree.index.releases, tree.index.values())
    saving = measure_savings(tree.index.values())
    if as_json:
        own = {name: value for name, value in asdict(saving).items() if name != "seconds"}
        document = {"root": str(root), "releases": [describe_release(size) for size in sizes], "deltas": own}
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo("\n".join([releases_table.format_releases(sizes), *releases_table.format_deltas(saving)]))
