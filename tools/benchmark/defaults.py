"""What the command does to a model when it is given nothing but a target, against the unconverted model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tools.benchmark.measure import DEFAULT, DENSE, Row
from tools.markdown import markdown
from wpconvert.model.goal import DEFAULT_SLOWDOWN

TITLES = ("model", "target", "file", "code", "flash", "arena", "M instructions", "M cycles, modelled")


def pairs(rows: Sequence[Row]) -> Iterator[tuple[Row, Row]]:
    """The rows of the same model and board: as it is, and by default."""
    found = {(row.name, row.board, row.method): row for row in rows}
    for (name, board, method), row in found.items():
        if method == DENSE and (after := found.get((name, board, DEFAULT))) is not None:
            yield row, after


def broken_promises(rows: Sequence[Row]) -> list[str]:
    """A line for each default plan that takes more flash or more time than what is promised."""
    lines = []
    for before, after in pairs(rows):
        where = f"{after.name} on {after.board}"
        if after.flash_nbytes > before.flash_nbytes:
            lines.append(f"{where}: {after.flash_nbytes:,} bytes of flash, {before.flash_nbytes:,} as it is")
        for unit in ("instructions", "modelled_cycles"):
            ratio = getattr(after, unit) / getattr(before, unit)
            if ratio > DEFAULT_SLOWDOWN:
                lines.append(f"{where}: {ratio:.3f} × the {unit.replace('_', ' ')}, promised are {DEFAULT_SLOWDOWN:g}")
    return lines


def _bytes(before: int, after: int) -> str:
    return f"{before:,} → {after:,}"


def _millions(before: int, after: int) -> str:
    return f"{before / 1e6:.3f} → {after / 1e6:.3f} ({after / before:.2f} ×)"


def default_table(rows: Sequence[Row]) -> str:
    """One line a model and board, as it is → by default."""
    lines = [
        [
            f"`{before.name}`",
            before.board,
            _bytes(before.file_nbytes, after.file_nbytes),
            _bytes(before.code_nbytes, after.code_nbytes),
            f"{_bytes(before.flash_nbytes, after.flash_nbytes)} ({after.flash_nbytes / before.flash_nbytes:.2f} ×)",
            _bytes(before.arena_nbytes, after.arena_nbytes),
            _millions(before.instructions, after.instructions),
            _millions(before.modelled_cycles, after.modelled_cycles),
        ]
        for before, after in pairs(rows)
    ]
    return markdown(TITLES, lines, texts=2)
