"""`wpconvert methods`."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table

from wpconvert.cli.common import OUT
from wpconvert.codecs import CODECS


def methods() -> None:
    """List the storage methods that -m and rules accept."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for title in ("method", "loss", "what it stores"):
        table.add_column(title)
    table.add_row("none", "–", "nothing changes; with --strip, names and ranges still leave the file")
    for codec in CODECS.values():
        table.add_row(codec.name, "lossless" if codec.lossless else "lossy", codec.summary)
    OUT.print(table)
