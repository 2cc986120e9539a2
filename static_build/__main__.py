"""The command line of the build: ``static-host build``, also ``python -m static_build``."""

from __future__ import annotations

import logging

import click

from app.exits import reported


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def build() -> None:
    """Build the static tree: collect, fingerprint, compress, index, and swap it into place.

    Runs the project's collectstatic into a new directory, writes a br (quality 11) and a gzip (level 9) sibling
    beside each file where that saves at least 5 %, writes the index last, and makes the static root a symbolic link
    to the new tree by one rename. Needs no database and no network. Whatever goes wrong, the old tree still stands.

    Encoded files are kept between builds in DJANGO_STATIC_CACHE, so that only what changed is encoded again.
    `static-host serve --help` lists all variables.
    """
    logging.basicConfig(format="static-host: %(message)s", level=logging.INFO)
    with reported():
        from app.settings import Settings
        from static_build.pipeline import build as run

        built = run(Settings.read())
    made = built.made
    click.echo(f"static-host: {len(made.resources)} static resources in {built.root}, release {built.release}")
    click.echo(
        f"static-host: {built.encoded} contents encoded, {built.from_cache} of them from the cache; "
        f"{built.identity:,} bytes, {built.smallest:,} over the wire; {built.seconds:.1f} s"
    )


if __name__ == "__main__":
    build(prog_name="static-host build")
