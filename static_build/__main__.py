"""The command line of the build: ``static-host build``, also ``python -m static_build``."""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.exits import reported

if TYPE_CHECKING:
    from static_build.pipeline import Built


HELP = {"help_option_names": ["-h", "--help"]}


@click.command(short_help="Build the static tree.", context_settings=HELP)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document in place of the lines and the table.")
@click.option(
    "--report",
    "page",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="Write a page of what the tree weighs, too: one file that opens anywhere.",
)
@click.option("--verify", "verifies", is_flag=True, help="Decode every file, and compare it with its source.")
def build(as_json: bool, page: Path | None, verifies: bool) -> None:
    """Build the static tree: collect, fingerprint, compress, index, and swap it into place.

    Runs the project's collectstatic into a new directory, and django-compressor where it is used; writes a br, a zstd
    and a gzip sibling beside each file where that saves at least 5 %; writes the index last, and makes the static
    root a symbolic link to the new tree by one rename. Whatever goes wrong, the old tree still stands.

    Needs no database and no network.

    Encoded files are kept between builds in DJANGO_STATIC_CACHE, so that only what changed is encoded again.
    `static-host serve --help` lists all variables.

    --verify reads the new tree again before it takes the old one's place: every file must have the length and the
    digest that the index says, and every encoded one must decode to its source. A tree that stays because nothing
    changed is read, too, and made anew where it is damaged.

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
        media_types        a list: media_type, and what totals has
        contents           a list: names, media_type, lengths (identity, br,
                           zstd, gzip), wire, tried, seconds, from_cache
        verified           with --verify: resources, files, bytes, seconds
    """  # noqa: D301 - click asks for the backspace itself
    logging.basicConfig(format="static-host: %(message)s", level=logging.INFO)
    with reported():
        from app.settings import Settings
        from static_build import progress, report
        from static_build.pipeline import build as run

        if page:
            report.try_to_write(page)
        with redirect_stdout(sys.stderr) if as_json else nullcontext():  # a project may print
            built = run(Settings.read(), progress=progress.bar, verifies=verifies)
        if page:
            report.write(page, built)
    if as_json:
        proof = {"verified": asdict(built.verified)} if built.verified else {}
        click.echo(json.dumps({**report.document(built), **proof}, indent=2))
    else:
        click.echo(f"{_lines(built)}\n{report.table(built)}")


def _lines(built: Built) -> str:
    lines = (
        f"static-host: {len(built.made.resources)} static resources in {built.root}, release {built.release}\n"
        f"static-host: {built.encoded} contents encoded, {built.from_cache} of them from the cache; "
        f"{built.identity:,} bytes, {built.smallest:,} over the wire; {built.seconds:.1f} s"
    )
    return f"{lines}\nstatic-host: verified: {built.verified}" if built.verified else lines


@click.command("index", short_help="Index a tree that other tools made.", context_settings=HELP)
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR")
def index_command(directory: Path) -> None:
    """Write the index of a directory that other tools made, so that it can be served as it is.

    For the output of collectstatic with WhiteNoise's storages, of Vite, or of any other tool:

    \b
        static-host index dist
        DJANGO_STATIC_ROOT=dist static-host serve

    Siblings that end in .br, .gz or .zst are used if they decode to their file and are smaller; nothing is encoded.
    Immutable is what Django's manifest (staticfiles.json) or a bundler's lists as fingerprinted, and what
    DJANGO_STATIC_IMMUTABLE_PATTERN finds. Nothing in the directory is changed but the index. Files that change later
    need a new index.
    """  # noqa: D301 - click asks for the backspace itself
    logging.basicConfig(format="static-host: %(message)s", level=logging.INFO)
    with reported():
        from app.settings import Settings
        from static_build.adopt import adopt

        made = adopt(Path(os.path.abspath(directory)), Settings.read())  # noqa: PTH100 - leaves a link alone
        for warning in made.warnings:
            logging.getLogger("static_host.build").warning("%s", warning)
    immutable = sum(resource.immutable for resource in made.resources.values())
    with_coding = sum(len(resource.representations) > 1 for resource in made.resources.values())
    click.echo(
        f"static-host: {len(made.resources)} static resources in {directory}: {immutable} immutable, "
        f"{with_coding} with encoded siblings"
    )


if __name__ == "__main__":
    build(prog_name="static-host build")
