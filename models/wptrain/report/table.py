"""Accuracies of several trainings as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """A trained network: its epoch, counted from 0, and accuracies in [0, 1]; None: not measured."""

    epoch: int
    validation: float
    test: float | None = None


def table(rows: Mapping[str, Sequence[Measured]]) -> str:
    """Markdown, a row for each setting; of several runs the mean and, in brackets, the least and the most."""
    tested = any(each.test is not None for row in rows.values() for each in row)
    lines = [
        f"| Setting | Runs | Validation |{' Test |' if tested else ''}",
        f"|---|---|---|{'---|' if tested else ''}",
    ]
    for label, row in rows.items():
        cells = [label or "as the recipe", str(len(row)), _spread([each.validation for each in row])]
        if tested:
            cells.append(_spread([each.test for each in row if each.test is not None]))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    mean = f"{100 * sum(values) / len(values):.2f} %"
    return mean if len(values) == 1 else f"{mean} ({100 * min(values):.2f} to {100 * max(values):.2f})"
