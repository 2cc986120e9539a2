"""The command ``static-host releases``."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

import click

from static_host_build.cli import CONTEXT_SETTINGS, read_settings


def _check_urls(_context: click.Context, _option: click.Parameter, urls: tuple[str, ...]) -> tuple[str, ...]:
    """Return the URLs of metrics. Raises BadParameter."""
    for url in urls:
        try:
            parts = urlsplit(url)
            is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_valid = False
        if not is_valid or not (url.isascii() and url.isprintable()):
            raise click.BadParameter(f"{url} is not a URL like http://10.0.0.5:9100/.")
    return urls


@click.command("releases", short_help="List the releases that a tree has files of.", context_settings=CONTEXT_SETTINGS)
@click.argument(
    "directory", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="[DIR]", required=False
)
@click.option(
    "--seen",
    "metrics_urls",
    multiple=True,
    callback=_check_urls,
    metavar="METRICS_URL",
    help="Add when each release was last asked for, from the metrics of a server. Repeat it for several servers.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of the table.")
def releases_command(directory: Path | None, metrics_urls: tuple[str, ...], as_json: bool) -> None:
    """List the tree's own release and the earlier releases whose files it carries.

    DIR is a tree; by default the static root. The first line is the tree's own release and counts all of its files. The
    lines of earlier releases count fingerprinted files; "alone" are those that no newer release in the tree has.
    "bytes" is the size on disk in all codings.

    --seen http://HOST:METRICS_PORT/ adds the requests for fingerprinted files that one release alone has, since the
    server's start. A CDN and browsers answer most requests, so releases are in use for longer. "-": no such server has
    the release, or it has no file that others lack. If metrics cannot be read, the exit code is 8.

    \b
    --json prints an object:
        root      the tree
        releases  a list, the newest first: release, time (seconds since 1970, or
                  null), origin (the source it came from), files, bytes,
                  files_alone, bytes_alone; with --seen also requests,
                  last_request (0: none) and counted_since (seconds since 1970),
                  all null where the table has "-"
        deltas    files of the tree's own release that are encoded against earlier
                  versions (dcz): resources, deltas, bytes, instead (bytes of the
                  smallest other codings), renamed (deltas against a file of
                  another name); carried, carried_bytes (deltas of carried files)
    """  # noqa: D301 - click asks for the backspace itself
    from static_host.origin.tree import load_tree
    from static_host_build.carry.release_requests import describe_requests, read_release_requests
    from static_host_build.carry.release_sizes import describe_release, measure_releases
    from static_host_build.collect.project_process import find_static_root
    from static_host_build.dictionary.deltas import measure_savings
    from static_host_build.report import releases_table

    root = directory or find_static_root(read_settings())
    tree = load_tree(root)
    tree.close()
    sizes = measure_releases(tree.index.releases, tree.index.values())
    saving = measure_savings(tree.index.values())
    requests = None
    if metrics_urls:
        alone = set(map(tree.index.name_only_release, tree.index.iter_resources()))
        requests = {digest: found for digest, found in read_release_requests(metrics_urls).items() if digest in alone}
    if as_json:
        own = {name: value for name, value in asdict(saving).items() if name != "seconds"}
        releases = [{**describe_release(size), **describe_requests(requests, size.release.digest)} for size in sizes]
        document = {"root": str(root), "releases": releases, "deltas": own}
        click.echo(json.dumps(document, indent=2))
    else:
        table = releases_table.format_releases(sizes, requests, time.time())
        click.echo("\n".join([table, *releases_table.format_deltas(saving)]))
