"""The command ``static-host publish``."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import click

from static_host.telemetry import log_configuration
from static_host.telemetry.log_configuration import reported


@click.command(
    "publish",
    short_help="Put the tree's fingerprinted files into the store.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument(
    "directory", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="[DIR]", required=False
)
@click.option("--replace", "is_replacing", is_flag=True, help="Let files take the place of others with the same name.")
@click.option(
    "--renew",
    "days",
    type=click.IntRange(0, 36_500),
    metavar="DAYS",
    help="Send again what was sent longer ago, so that no rule of the store's removes it for its age.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document in place of the line.")
def publish_command(directory: Path | None, is_replacing: bool, days: int | None, as_json: bool) -> None:
    """Put the fingerprinted files of the tree in DIR into DJANGO_STATIC_STORE, before its release is rolled out.

    DIR is the static root unless it is named. Servers of other releases that have the same DJANGO_STATIC_STORE then
    find the files there that new pages ask for: no page is broken while old and new containers serve side by side.

    Every coding of every fingerprinted file is sent, and the index last: until it is there, the store has no new
    release. What is there already, with its length and its digest, is not sent again; a run that was cut short, or that
    is repeated, sends what is missing. Nothing is ever removed. Where a rule of the store's removes objects by age,
    --renew keeps a file that did not change from it: what is older is sent again, and then as young as the release.

    A name that another release has published with other bytes is an error: pages of one of the two would get the wrong
    file. --replace lets the newer file have it.

    Credentials, region and endpoint are those of the store's own variables (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
    AWS_REGION, AWS_ENDPOINT_URL; GOOGLE_APPLICATION_CREDENTIALS, GOOGLE_BASE_URL; AZURE_STORAGE_ACCOUNT_NAME,
    AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_ENDPOINT and so on) or of the machine's role. They need to list, read and
    write objects; a server's to list and read them.

    Exits with 2 if a setting is wrong or obstore is not installed (pip install 'django-static-host[store]'), with 3 if
    the tree is missing or damaged, with 7 if the store cannot be reached, refuses, is none, or has no such bucket.

    \b
    --json prints an object; lengths are in bytes:
        store, release     where, and what
        files, bytes       of all codings of all fingerprinted files
        sent, sent_bytes   what was not there yet, or was sent again (--renew)
        seconds            of the whole
        warnings           a list of texts
    """  # noqa: D301 - click asks for the backspace itself
    with reported():
        from static_host.conf.misspelled import read_settings
        from static_host.project.project import configure_project
        from static_host_build.publish.publisher import publish

        settings = read_settings()
        made = publish(
            directory or configure_project(settings).static_root,
            settings,
            _show_sending,
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


def _show_sending(lengths: Iterable[int], total: int) -> Iterator[int]:
    """Give the lengths on, and draw how many of the bytes they were, where a person looks at a terminal."""
    if not log_configuration.is_progress_shown():
        yield from lengths
        return
    with click.progressbar(length=total, label="static-host: sending", file=sys.stderr, width=0) as progress:
        for length in lengths:
            progress.update(length)
            yield length
