"""The progress bar of a long command: the bytes done, and the time left.

Rule: the bar counts bytes, not files, because one bundle can take longer than a thousand icons. It goes to standard
error; if that is no terminal (CI, a pipe, a log), there is no bar.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import click

from static_host.telemetry import log_configuration
from static_host_build.encode.tree_encoding import Content
from static_host_build.report.build_report import format_size

_Item = TypeVar("_Item")


def show_encoding(contents: Iterable[Content], total: int) -> Iterator[Content]:
    """Pass the contents on, and draw how many of the `total` bytes to encode are done."""
    return _draw_bar("encoding", contents, total, lambda each: each.lengths["identity"] if each.is_compressible else 0)


def show_sending(lengths: Iterable[int], total: int) -> Iterator[int]:
    """Pass the lengths of sent files on, and draw how many of the `total` bytes are sent."""
    return _draw_bar("sending", lengths, total, lambda length: length)


def _draw_bar(label: str, items: Iterable[_Item], total: int, measure: Callable[[_Item], int]) -> Iterator[_Item]:
    if not log_configuration.is_progress_shown():
        yield from items
        return
    done = 0

    def format_done(_: int | None) -> str:
        return f"{format_size(done)} of {format_size(total)}"

    progress = click.progressbar(
        length=total,
        label=f"static-host: {label}",
        item_show_func=format_done,
        file=sys.stderr,
        width=0,  # as wide as the terminal allows
    )
    with progress:
        for item in items:
            step = measure(item)
            done += step
            progress.update(step)
            yield item
