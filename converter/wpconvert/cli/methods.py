"""`wpconvert methods`."""

from __future__ import annotations

from wpconvert.cli.console import OUT
from wpconvert.codecs import CODECS
from wpconvert.methods import METHODS
from wpconvert.report.table import Kind, print_table
from wpconvert.transforms.registry import TRANSFORMS


def methods() -> None:
    """List the storage methods that -m and rules accept."""
    rows = [
        ["auto", "lossless", "the best method for each tensor, by predicted size and speed"],
        ["none", "–", "no tensor changes; the file can still shrink, most with --strip"],
        *([name, *_said(name)] for name in METHODS[2:]),
    ]
    print_table(OUT, [("method", Kind.WORD), ("loss", Kind.WORD), ("storage", Kind.TEXT)], rows)


def _said(method: str) -> tuple[str, str]:
    """Whether it loses anything, and what it stores."""
    if method in TRANSFORMS:
        return TRANSFORMS[method].loss, TRANSFORMS[method].summary
    return "lossless", CODECS[method].summary
