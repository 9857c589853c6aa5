"""Tables for documents."""

from __future__ import annotations

from collections.abc import Sequence


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """A table whose first columns, `texts` of them, are text."""
    rule = [*["---"] * texts, *["--:"] * (len(titles) - texts)]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in (titles, rule, *rows))
