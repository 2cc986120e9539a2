"""The command ``static-host compare``."""

from __future__ import annotations

import json
from typing import Any

import click
from pydantic import ByteSize, TypeAdapter, ValidationError

from static_host.conf.settings import InvalidSettingsError
from static_host.conf.validators import mask_credentials, validate_sources
from static_host_build.cli import CONTEXT_SETTINGS, read_settings


def _parse_size(_context: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    """Return a number of bytes, written as in variables: ``50kB``."""
    try:
        return None if value is None else int(TypeAdapter(ByteSize).validate_python(value))
    except ValidationError:
        raise click.BadParameter(f"{value!r} is not a number of bytes, for example 50kB or 2MB.") from None


@click.command(
    "compare", short_help="Compare two releases, as a gate for the new one.", context_settings=CONTEXT_SETTINGS
)
@click.argument("old")
@click.argument("new")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown, for a comment in a pull request.")
@click.option("--purge-list", "as_purge_list", is_flag=True, help="Print the URL paths to purge at a CDN, one a line.")
@click.option(
    "--most-growth", callback=_parse_size, metavar="SIZE", help="Limit how much larger all new files are (br)."
)
@click.option("--most-download", callback=_parse_size, metavar="SIZE", help="Limit what visitors of OLD download (br).")
@click.option("--no-vanishing", is_flag=True, help="Refuse a release that lacks URLs of OLD.")
@click.option("--no-changed-immutables", is_flag=True, help="Refuse other bytes under an immutable URL.")
def compare_command(old: str, new: str, as_json: bool, as_markdown: bool, as_purge_list: bool, **limits: Any) -> None:
    """Print what the release at NEW changes for visitors, CDNs and pages of the release at OLD.

    OLD and NEW are what `build --previous` takes: the directory of a tree, also one copied from an image; the address
    of a deployment (https://www.example.com, with DJANGO_STATIC_SHOW_INDEX=true there); an object store, of which the
    newest release counts. Compare before you publish. The command reads indexes, and the manifests of Vite and
    webpack-bundle-tracker that are among the static files. It needs no project.

    OLD's own files are compared with all that NEW serves, so carried files have not vanished. Bytes count each distinct
    content once, and no source maps.

    With limits the command is a gate: it prints the same, and ends with exit code 1 if one is exceeded. Other exit
    codes: 2 for a wrong option, 3 if a place cannot be read.

    --purge-list prints URL paths as browsers request them, for the CDN's own tool: all whose bytes, media type or own
    header fields change, and names without a fingerprint that vanish.

    \b
    --json prints an object with sorted keys; lists have URL paths; lengths are
    in bytes, each distinct content counted once:
        old, new            place, release, prefix
        vanished            URLs that NEW does not serve
        changed_immutables  immutable URLs with other bytes
        changed             URLs without a fingerprint with other bytes
        purge               what --purge-list prints
        download            what a browser with all files of OLD downloads: files,
                            and bytes by coding: identity, gzip, zstd, br;
                            dictionaries (br, zstd and deltas)
        growth              of all files: old and new, each with identity and br
        media_types         a list: media_type, old and new as in growth
        entry_points        a list: entry_point, old and new as in growth; empty
                            if OLD or NEW has no manifest
        without_delta       a list of new and changed files that suit a
                            dictionary and have no delta for OLD: path, br
        limits              a list: option, allowed, measured, ok
        ok                  whether all limits are kept
    """  # noqa: D301 - click asks for the backspace itself
    from static_host_build.compare import comparison_report
    from static_host_build.compare.compared_release import read_compared_releases
    from static_host_build.compare.comparison import compare_releases
    from static_host_build.compare.limits import measure_limits, require_limits

    if as_json + as_markdown + as_purge_list > 1:
        raise click.UsageError("--json, --markdown and --purge-list exclude each other.")
    _validate_places(old, new)
    comparison = compare_releases(*read_compared_releases(old, new, read_settings()))
    measured = measure_limits(comparison, **limits)
    if as_purge_list:
        click.echo("".join(f"{path}\n" for path in comparison.purge), nl=False)
    elif as_json:
        click.echo(json.dumps(comparison_report.make_document(comparison, measured), indent=2, sort_keys=True))
    elif as_markdown:
        click.echo(comparison_report.format_markdown(comparison, measured))
    else:
        click.echo(comparison_report.format_text(comparison, measured))
    require_limits(measured)


def _validate_places(*places: str) -> None:
    """Raise InvalidSettingsError if a place is neither a directory nor the URL of a deployment or store."""
    try:
        validate_sources(places)
    except ValueError as error:
        expects = "Expected: directories, or URLs without credentials and query (http, https, s3, gs, az, file)"
        raise InvalidSettingsError(f"compare {mask_credentials(' '.join(places))}: {error}. {expects}.") from None
