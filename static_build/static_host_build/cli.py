"""The command line of the build: ``static-host build``, also ``python -m static_host_build``."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from static_host.conf.misspelled import warn_misspelled
from static_host.conf.settings import InvalidSettingsError, Settings
from static_host.conf.validators import mask_credentials, validate_sources
from static_host.standard_streams import redirect_stdout_to_stderr

if TYPE_CHECKING:
    from static_host_build.build_result import BuildResult


CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"]}


@click.command("build", short_help="Build the static tree.", context_settings=CONTEXT_SETTINGS)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document in place of the lines and the table.")
@click.option(
    "--report",
    "page",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="Write a page of what the tree weighs, too: one file that opens anywhere.",
)
@click.option(
    "--previous",
    multiple=True,
    metavar="SOURCE",
    help="Carry fingerprinted files of the releases at SOURCE. May be repeated. In place of DJANGO_STATIC_PREVIOUS.",
)
@click.option("--verify", "is_verified", is_flag=True, help="Decode every file, and compare it with its source.")
def build_command(as_json: bool, page: Path | None, previous: tuple[str, ...], is_verified: bool) -> None:
    """Build the static tree: collect, fingerprint, compress, index, and swap it into place.

    Runs the project's collectstatic into a new directory, and django-compressor where it is used; writes a br, a zstd
    and a gzip sibling beside each file where that saves at least 5 %; writes the index last, and makes the static
    root a symbolic link to the new tree by one rename. Whatever goes wrong, the old tree still stands.

    Needs no database and no network.

    --previous carries the fingerprinted files of earlier releases into the new tree, as they are, so that pages that
    are still open, or in a cache, find them in the new container. SOURCE is the directory of a tree, the address of a
    deployment (https://www.example.com; set DJANGO_STATIC_SHOW_INDEX=true there), or an object store (s3://, gs://,
    az://, file://; an extra: pip install 'django-static-host[store]'). DJANGO_STATIC_KEEP_RELEASES and
    DJANGO_STATIC_KEEP_AGE say what is kept. What cannot be carried as it was stops the build, with exit code 6, unless
    DJANGO_STATIC_PREVIOUS_PROBLEMS=warn; the very first build needs that. Files that have earlier versions among those
    are encoded against each of them, too (dcz), for browsers that have it, within DJANGO_STATIC_DICTIONARY_BYTES.

    Encoded files are kept between builds in DJANGO_STATIC_CACHE, so that only what changed is encoded again. What the
    tree at the static root or a SOURCE has encoded in the same way is used again, too, after it was decoded and
    compared with the source. DJANGO_STATIC_EFFORT=fast is for CI and previews: the build takes about a fifth of the
    CPU time, and makes about 6 % more bytes. `static-host serve --help` lists all variables.

    --verify reads the new tree again before it takes the old one's place: every file must have the length and the
    digest that the index says, and every encoded one must decode to its source (a carried delta whose dictionary the
    tree has no longer cannot be decoded, and is counted apart). A tree that stays because nothing changed is read, too,
    and made anew where it is damaged.

    The table at the end counts each distinct content once, though a file and its fingerprinted copy are two names;
    br, zstd and gzip are what a client downloads that reads only this coding; saved compares the smallest
    representation of each with its bytes; time adds up all threads.

    \b
    --json prints an object; lengths are in bytes, the heaviest come first:
        release, root      the tree
        changed, seconds   whether it is a new one; the time of the whole build
        totals             files (distinct contents), names, identity (bytes
                           without coding), wire (the smallest of each),
                           codings (br, zstd, gzip: bytes, or null), seconds
                           (of encoding), tried (worth encoding), from_cache
                           (of these, what an earlier build had encoded)
        media_types        a list: media_type, and what totals has
        contents           a list: names, media_type, lengths (identity, br,
                           zstd, gzip), wire, tried, seconds, from_cache
        releases           a list, the newest first: release, time (seconds since
                           1970, or null), origin (where it was carried from),
                           files, bytes (of all codings), files_alone and
                           bytes_alone (what no newer release has)
        dropped            releases that were carried so far: release, time,
                           origin, reason, files and bytes (that went)
        deltas             files encoded against their earlier versions (dcz):
                           resources, deltas, bytes, instead (bytes of the
                           smallest other coding, for each), renamed (deltas
                           against a file of another name), seconds; carried,
                           carried_bytes (those that the files of earlier
                           releases came with, not encoded again)
        verified           with --verify: resources, files, undecoded (of these,
                           carried deltas whose dictionary is in the tree no
                           longer), bytes, seconds
    """  # noqa: D301 - click asks for the backspace itself
    from static_host_build.pipeline import build as run
    from static_host_build.report import build_report, progress

    if page:
        build_report.check_writable(page)
    with redirect_stdout_to_stderr() if as_json else nullcontext():  # a project may print
        settings = Settings.read()
        warn_misspelled(settings)
        settings = _override_previous(previous, settings)
        built = run(settings, progress=progress.show_encoding, is_verified=is_verified)
    if page:
        build_report.write_page(page, built)
    if as_json:
        proof = {"verified": asdict(built.integrity)} if built.integrity else {}
        click.echo(json.dumps({**build_report.make_document(built), **proof}, indent=2))
    else:
        advice = build_report.format_advice(built.encoding_seconds, settings.static_effort)
        click.echo("\n".join([*_format_summary(built), build_report.format_contents_table(built), *advice]))


def _override_previous(previous: tuple[str, ...], settings: Settings) -> Settings:
    """Return the settings, with the sources of --previous in place of the variable's. Raises InvalidSettingsError."""
    if not previous:
        return settings
    try:
        return settings.model_copy(update={"static_previous": validate_sources(previous)})
    except ValueError as error:
        expects = "Expected: a directory, or a URL without credentials and query (http, https, s3, gs, az, file)"
        raise InvalidSettingsError(f"--previous {mask_credentials(' '.join(previous))}: {error}. {expects}.") from None


def _format_summary(built: BuildResult) -> Iterator[str]:
    from static_host_build.report import releases_table

    yield f"static-host: {len(built.resource_set.resources)} static resources in {built.root}, release {built.release}"
    kept = f"{built.from_cache_count - built.reused_count} of them from the cache"
    reused = f", {built.reused_count} from an earlier tree" if built.reused_count else ""
    yield (
        f"static-host: {built.compressible_count} contents encoded, {kept}{reused}; "
        f"{built.identity_bytes:,} bytes, {built.smallest_bytes:,} over the wire; {built.seconds:.1f} s"
    )
    yield from (
        f"static-host: {line}"
        for line in releases_table.format_carried_releases(built.release_sizes[1:], built.dropped)
    )
    yield from (f"static-host: {line}" for line in releases_table.format_savings(built.saving))
    if built.integrity:
        yield f"static-host: verified: {built.integrity}"


@click.command("releases", short_help="List the releases that a tree has files of.", context_settings=CONTEXT_SETTINGS)
@click.argument(
    "directory", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="[DIR]", required=False
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document in place of the table.")
def releases_command(directory: Path | None, as_json: bool) -> None:
    """List the release that the tree in DIR was built for, and the earlier ones whose files it carries.

    DIR is the static root unless it is named. The first line is the tree's own release: all of its files. Of each
    earlier one its fingerprinted files count; "alone" are those that no newer release in the tree has, which would not
    be there without it. Bytes are those on the disk, of all codings.

    \b
    --json prints an object:
        root      the tree
        releases  a list, the newest first: release, time (seconds since 1970, or
                  null), origin (where it was carried from), files, bytes,
                  files_alone, bytes_alone
        deltas    files of the tree's own release that are encoded against earlier
                  versions (dcz): resources, deltas, bytes, instead (bytes of the
                  smallest other codings), renamed (deltas against a file of
                  another name); those that files of earlier releases came with:
                  carried, carried_bytes
    """  # noqa: D301 - click asks for the backspace itself
    from static_host.origin.tree import load_tree
    from static_host.project.project import Project
    from static_host_build.carry.release_sizes import measure_releases
    from static_host_build.dictionary.deltas import measure_savings
    from static_host_build.report import releases_table

    if directory is None:
        settings = Settings.read()
        warn_misspelled(settings)
        directory = Project.from_settings(settings).static_root
    tree = load_tree(directory)
    tree.close()
    held = measure_releases(tree.index.releases, tree.index.values())
    saved = measure_savings(tree.index.values())
    if as_json:
        own = {name: value for name, value in asdict(saved).items() if name != "seconds"}
        document = {"root": str(directory), "releases": [holding.facts for holding in held], "deltas": own}
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo("\n".join([releases_table.format_releases(held), *releases_table.format_deltas(saved)]))


@click.command("index", short_help="Index a tree that other tools made.", context_settings=CONTEXT_SETTINGS)
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR")
def index_command(directory: Path) -> None:
    """Write the index of a directory that other tools made, so that it can be served as it is.

    For the output of collectstatic with WhiteNoise's storages, of Vite, or of any other tool:

    \b
        static-host index dist
        DJANGO_STATIC_ROOT=dist static-host serve

    Siblings that end in .br, .gz or .zst are used if they decode to their file and are smaller; nothing is encoded.
    Immutable is what Django's manifest (staticfiles.json) or a bundler's lists as fingerprinted, and what
    DJANGO_STATIC_IMMUTABLE_PATTERN finds. Nothing in the directory is changed but the index; beside an .svgz file its
    decoded form is written (.svgz.identity), for clients that do not accept gzip. Files that change later need a new
    index.
    """  # noqa: D301 - click asks for the backspace itself
    from static_host_build.adopt import adopt

    settings = Settings.read()
    warn_misspelled(settings)
    made = adopt(Path(os.path.abspath(directory)), settings)  # noqa: PTH100 - leaves a link alone
    for warning in made.warnings:
        logging.getLogger("static_host.build").warning("%s", warning)
    immutable = sum(resource.immutable for resource in made.resources.values())
    with_coding = sum(len(resource.representations) > 1 for resource in made.resources.values())
    click.echo(
        f"static-host: {len(made.resources)} static resources in {directory}: {immutable} immutable, "
        f"{with_coding} with encoded siblings"
    )
