"""The command ``static-host build``, also ``python -m static_host_build``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from static_host.conf.settings import InvalidSettingsError, Settings
from static_host.conf.validators import mask_credentials, validate_sources
from static_host.standard_streams import redirect_stdout_to_stderr
from static_host_build.cli import CONTEXT_SETTINGS, read_settings

if TYPE_CHECKING:
    from static_host_build.build_result import BuildResult


@click.command("build", short_help="Build the static tree.", context_settings=CONTEXT_SETTINGS)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
@click.option(
    "--report",
    "page",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="Also write a page about the size of the tree: one self-contained file.",
)
@click.option(
    "--previous",
    multiple=True,
    metavar="SOURCE",
    help="Carry fingerprinted files of the releases at SOURCE. Repeatable. Overrides DJANGO_STATIC_PREVIOUS.",
)
@click.option("--verify", "is_verified", is_flag=True, help="Decode every file and compare it with its source.")
def build_command(as_json: bool, page: Path | None, previous: tuple[str, ...], is_verified: bool) -> None:
    """Build the static tree: collect, fingerprint, compress, index, and swap it into place.

    Runs the project's collectstatic into a new directory, and django-compressor if the project uses it. Writes a br, a
    zstd and a gzip sibling beside each file if that saves at least 5 %. Writes the index last. One rename then makes
    the static root a symbolic link to the new tree. If anything fails, the old tree stays in place.

    Needs no database and no network.

    --previous carries the fingerprinted files of earlier releases into the new tree, unchanged. Pages that are still
    open or cached then find their files in the new container. SOURCE is the directory of a tree, the address of a
    deployment (https://www.example.com; set DJANGO_STATIC_SHOW_INDEX=true there), or an object store (s3://, gs://,
    az://, file://; needs the extra: pip install 'django-static-host[store]').

    DJANGO_STATIC_KEEP_RELEASES and DJANGO_STATIC_KEEP_AGE limit what is kept. A file that cannot be carried unchanged
    stops the build with exit code 6, unless DJANGO_STATIC_PREVIOUS_PROBLEMS=warn; the very first build needs that. For
    browsers that have an earlier version of a file, the build also encodes the file against it (dcz), within
    DJANGO_STATIC_DICTIONARY_BYTES.

    DJANGO_STATIC_CACHE keeps encoded files between builds, so only changed files are encoded again. The build also
    reuses files that the current tree or a SOURCE encoded in the same way, after decoding them and comparing them with
    the source. DJANGO_STATIC_EFFORT=fast is for CI and previews: the build takes about a fifth of the CPU time, and
    makes about 6 % more bytes. `static-host serve --help` lists all variables.

    --verify reads the new tree before it replaces the old one. Every file must have the length and the digest that the
    index records, and every encoded file must decode to its source. A carried delta cannot be decoded if its dictionary
    has left the tree; such deltas are counted separately. An unchanged tree is read too, and rebuilt if damaged.

    The table at the end counts each distinct content once: a file and its fingerprinted copy are two names for one
    content. The columns br, zstd and gzip show what a client downloads that reads only this coding. "saved" compares
    the smallest representation of each content with its bytes. "time" adds up all threads.

    \b
    --json prints an object; lengths are in bytes, the largest come first:
        release, root      the tree
        changed, seconds   whether it is new; the time of the whole build
        totals             files (distinct contents), names, identity (bytes
                           without coding), wire (the smallest of each),
                           codings (br, zstd, gzip: bytes, or null), seconds
                           (of encoding), tried (worth encoding), from_cache
                           (of these, those that an earlier build encoded)
        media_types        a list: media_type, and the keys of totals
        contents           a list: names, media_type, lengths (identity, br,
                           zstd, gzip), wire, tried, seconds, from_cache
        releases           a list, the newest first: release, time (seconds since
                           1970, or null), origin (the SOURCE it came from),
                           files, bytes (of all codings), files_alone and
                           bytes_alone (those that no newer release has)
        dropped            releases that are no longer carried: release, time,
                           origin, reason, files and bytes (that were removed)
        deltas             files encoded against their earlier versions (dcz):
                           resources, deltas, bytes, instead (bytes of the
                           smallest other coding, for each), renamed (deltas
                           against a file of another name), seconds; carried,
                           carried_bytes (deltas of carried files, which are
                           not encoded again)
        verified           with --verify: resources, files, undecoded (of these,
                           carried deltas whose dictionary has left the tree),
                           bytes, seconds
    """  # noqa: D301 - click asks for the backspace itself
    from static_host_build.collect.project_process import start_project

    settings = _override_previous(previous, read_settings())
    with redirect_stdout_to_stderr() if as_json else nullcontext(), start_project(settings) as process:
        from static_host_build.pipeline import build  # while the project is loaded
        from static_host_build.report import build_report, progress

        if page:
            build_report.check_writable(page)
        built = build(settings, process, progress.show_encoding, is_verified=is_verified)
    if page:
        build_report.write_page(page, built)
    if as_json:
        proof = {"verified": asdict(built.integrity)} if built.integrity else {}
        click.echo(json.dumps({**build_report.make_document(built), **proof}, indent=2))
    else:
        advice = build_report.format_advice(built.encoding_seconds, settings.static_effort)
        click.echo("\n".join([*_format_summary(built), build_report.format_contents_table(built), *advice]))


def _override_previous(previous: tuple[str, ...], settings: Settings) -> Settings:
    """Return the settings; sources of --previous override the variable's. Raises InvalidSettingsError."""
    if not previous:
        return settings
    try:
        return settings.model_copy(update={"static_previous": validate_sources(previous)})
    except ValueError as error:
        expects = "Expected: a directory, or a URL without credentials and query (http, https, s3, gs, az, file)"
        raise InvalidSettingsError(f"--previous {mask_credentials(' '.join(previous))}: {error}. {expects}.") from None


def _format_summary(built: BuildResult) -> Iterator[str]:
    from static_host_build.report import build_report, releases_table

    totals = build_report.ContentTotals(built.resource_set.contents)
    yield f"static-host: {len(built.resource_set.resources)} static resources in {built.root}, release {built.release}"
    kept = f"{totals.from_cache_count - totals.reused_count} of them from the cache"
    reused = f", {totals.reused_count} from an earlier tree" if totals.reused_count else ""
    yield (
        f"static-host: {totals.compressible_count} contents encoded, {kept}{reused}; "
        f"{totals.identity_bytes:,} bytes, {totals.wire_bytes:,} over the wire; {built.seconds:.1f} s"
    )
    yield from (
        f"static-host: {line}"
        for line in releases_table.format_carried_releases(built.release_sizes[1:], built.dropped)
    )
    yield from (f"static-host: {line}" for line in releases_table.format_savings(built.saving))
    if built.integrity:
        yield f"static-host: verified: {built.integrity}"
