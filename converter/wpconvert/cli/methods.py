"""`wpconvert methods`."""

from __future__ import annotations

from wpconvert.cli.console import OUT
from wpconvert.codecs import CODECS
from wpconvert.report.table import Kind, print_table


def methods() -> None:
    """List the storage methods that -m and rules accept."""
    rows = [
        ["auto", "lossless", "the best of these for each tensor, by predicted size and speed"],
        ["none", "–", "no tensor changes; the file may still shrink, most with --strip"],
        *([codec.name, "lossy, or exact" if codec.pooled else "lossless", codec.summary] for codec in CODECS.values()),
    ]
    print_table(OUT, [("method", Kind.WORD), ("loss", Kind.WORD), ("what it stores", Kind.TEXT)], rows)
