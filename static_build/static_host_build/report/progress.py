"""Encoding's progress, for a person at a terminal: a bar, the bytes done and the time left.

Rule: it counts bytes, not files, because one bundle can take longer than a thousand icons; it goes to standard error,
and where that is no terminal (CI, a pipe, a log) there is no bar at all.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import click

from static_host.telemetry import log_configuration
from static_host_build.encode.resources import Content
from static_host_build.report.build_report import format_size


def show_encoding(contents: Iterable[Content], total: int) -> Iterator[Content]:
    """Give the contents on, and draw how many of the `total` bytes to encode they were."""
    if not log_configuration.is_progress_shown():
        yield from contents
        return
    done = 0

    def so_far(_: int | None) -> str:
        return f"{format_size(done)} of {format_size(total)}"

    progress = click.progressbar(
        length=total,
        label="static-host: encoding",
        item_show_func=so_far,
        file=sys.stderr,
        width=0,  # what the terminal has left
    )
    with progress:
        for content in contents:
            step = content.lengths["identity"] if content.is_compressible else 0
            done += step
            progress.update(step)
            yield content
