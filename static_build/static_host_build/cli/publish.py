"""The command ``static-host publish``."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import click

from static_host_build.cli import CONTEXT_SETTINGS, read_settings


@click.command(
    "publish", short_help="Put the tree's fingerprinted files into the store.", context_settings=CONTEXT_SETTINGS
)
@click.argument(
    "directory", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="[DIR]", required=False
)
@click.option(
    "--replace", "is_replacing", is_flag=True, help="Overwrite files of other releases that have the same name."
)
@click.option(
    "--renew",
    "days",
    type=click.IntRange(0, 36_500),
    metavar="DAYS",
    help="Send files again that are older than DAYS, so that no rule of the store removes them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
def publish_command(directory: Path | None, is_replacing: bool, days: int | None, as_json: bool) -> None:
    """Put the fingerprinted files of the tree in DIR into DJANGO_STATIC_STORE, before you roll the release out.

    DIR is a tree; by default the static root. Servers of other releases with the same DJANGO_STATIC_STORE then find the
    files that new pages ask for. No page breaks while old and new containers serve side by side.

    Sends every coding of every fingerprinted file, and the index last. Without the index, the store does not have the
    new release. An object that already has the right length and digest is not sent again, so an interrupted run can be
    repeated. The command never removes an object. If a rule of the store removes objects by age, use --renew: it sends
    unchanged files again once they are older than DAYS.

    It is an error if another release has published the same name with other bytes: pages of one release would get the
    wrong file. --replace overwrites the older file.

    Credentials, region and endpoint come from the store's own variables (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
    AWS_REGION, AWS_ENDPOINT_URL; GOOGLE_APPLICATION_CREDENTIALS, GOOGLE_BASE_URL; AZURE_STORAGE_ACCOUNT_NAME,
    AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_ENDPOINT and so on) or from the machine's role. `publish` must be allowed
    to list, read and write objects; a server, to list and read them.

    Exit codes: 2 if a setting is wrong or obstore is not installed (pip install 'django-static-host[store]'); 3 if the
    tree is missing or damaged; 7 if the store cannot be reached, denies access, is not an object store, or lacks the
    bucket.

    \b
    --json prints an object; lengths are in bytes:
        store, release     the store's URL, the release's digest
        files, bytes       of all codings of all fingerprinted files
        sent, sent_bytes   of new files, and of those sent again (--renew)
        seconds            of the whole command
        warnings           a list of texts
    """  # noqa: D301 - click asks for the backspace itself
    from static_host_build.collect.project_process import find_static_root
    from static_host_build.publish.publisher import publish
    from static_host_build.report.progress import show_sending

    settings = read_settings()
    made = publish(
        directory or find_static_root(settings),
        settings,
        show_sending,
        is_replacing=is_replacing,
        renewal_age=None if days is None else timedelta(days=days),
    )
    for warning in made.warnings:
        logging.getLogger("static_host.build").warning("%s", warning)
    if as_json:
        click.echo(json.dumps(asdict(made), indent=2))
    else:
        click.echo(
            f"static-host: release {made.release} is in {made.store}: {made.files:,} files, {made.bytes:,} bytes; "
            f"{made.sent:,} files, {made.sent_bytes:,} bytes sent; {made.seconds:.1f} s"
        )
