"""`wpconvert methods`."""

from __future__ import annotations

from wpconvert.cli.console import OUT
from wpconvert.codecs import CODECS
from wpconvert.report.text import plain_table


def methods() -> None:
    """List the storage methods that -m and rules accept."""
    table = plain_table([("method", False), ("loss", False), ("what it stores", False)])
    table.add_row("auto", "lossless", "the best of these for each tensor, by predicted size and speed")
    table.add_row("none", "–", "no tensor changes; the file may still shrink, most with --strip")
    for codec in CODECS.values():
        table.add_row(codec.name, "lossy, or exact" if codec.pooled else "lossless", codec.summary)
    OUT.print(table, soft_wrap=False)
