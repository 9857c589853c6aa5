"""Tables for terminals of any width. No number is ever cut: names give way, then each field gets a line of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import TypeVar

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape as escape_markup
from rich.table import Table

from wpconvert.report.printable import printable


class Kind(Enum):
    """What the cells of a column hold, which says how they give way."""

    NUMBER = "right-aligned, always whole"
    WORD = "always whole"
    NAME = "its end stays"
    TEXT = "wraps between words"


T = TypeVar("T")
Column = tuple[str, Kind, Callable[[T], str]]
"""Title and kind of a column of a table of items, and the cell of an item in it."""

_LEAST = {Kind.NAME: 14, Kind.TEXT: 16}
"""Cells of the terminal that a column which gives way keeps."""


def escape(value: str) -> str:
    """A text that may come from a file: markup is shown, and control characters as escapes, not obeyed."""
    return escape_markup(printable(value))


def shortened(name: str, width: int) -> str:
    """A name in so many cells of a terminal: of one that is longer the end."""
    if cell_len(name) <= width:
        return name
    end = ""
    for character in reversed(name):
        if cell_len(character + end) > width - 1:
            break
        end = character + end
    return f"…{end}"


def print_table(
    console: Console,
    columns: Sequence[tuple[str, Kind]],
    rows: Sequence[Sequence[str]],
    totals: Sequence[Sequence[str]] = (),
) -> None:
    """Print rows under titles, and below a line those with totals; nothing for no rows. Cells are plain text."""
    if not rows:
        return
    shown = [[printable(cell) for cell in row] for row in (*rows, *totals)]
    widths = _widths(console.width, columns, shown)
    if widths is None:
        _print_fields(console, [title for title, _ in columns], shown)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for (title, kind), width in zip(columns, widths, strict=True):
        table.add_column(
            escape_markup(shortened(title, width) if kind is Kind.NAME else title),
            justify="right" if kind is Kind.NUMBER else "left",
            no_wrap=kind is not Kind.TEXT,
            overflow="fold",
            width=width,
        )
    for index, row in enumerate(shown):
        if index == len(rows):
            table.add_section()
        cells = [
            shortened(cell, width) if kind is Kind.NAME else cell
            for cell, (_, kind), width in zip(row, columns, widths, strict=True)
        ]
        table.add_row(*map(escape_markup, cells))
    console.print(table, soft_wrap=False)


def print_items(console: Console, columns: Sequence[Column[T]], items: Iterable[T]) -> None:
    """Print a row for each item; nothing for none."""
    rows = [[cell(item) for _, _, cell in columns] for item in items]
    print_table(console, [(title, kind) for title, kind, _ in columns], rows)


def _widths(available: int, columns: Sequence[tuple[str, Kind]], rows: Sequence[Sequence[str]]) -> list[int] | None:
    """Cells for each column; None where there are not enough for the least of all.

    First names, then texts get what there is beyond their least.
    """
    wanted = [
        max(cell_len(text) for text in (title, *(row[index] for row in rows)))
        for index, (title, _) in enumerate(columns)
    ]
    kinds = [kind for _, kind in columns]
    widths = [min(width, _LEAST.get(kind, width)) for kind, width in zip(kinds, wanted, strict=True)]
    # Two spaces between columns, one at each edge.
    left = available - sum(widths) - 2 * len(columns)
    if left < 0:
        return None
    for giving in (Kind.NAME, Kind.TEXT):
        for index, kind in enumerate(kinds):
            if kind is giving:
                more = min(left, wanted[index] - widths[index])
                widths[index] += more
                left -= more
    return widths


def _print_fields(console: Console, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A block for each row, with a line for each cell, or two where one is too narrow."""
    for row in rows:
        console.print()
        for title, cell in zip(titles, row, strict=True):
            if not cell:
                continue
            head = f"{title}: " if title else ""
            if cell_len(head + cell) > console.width and title:
                console.print(escape_markup(f"{title}:"), soft_wrap=True)
                head = "  "
            console.print(escape_markup(head + cell), soft_wrap=True)
    console.print()
