"""Numbers that others measured or published, to put beside ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).resolve().parent.parent
STOCK: dict[str, Any] = json.loads((TOOLS / "stock_tflm.json").read_text(encoding="utf-8"))
PUBLISHED: dict[str, Any] = json.loads((TOOLS / "published_sizes.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Stock:
    """One model on one core; None where it was not measured. The mappings are by operator, empty likewise."""

    instructions: int
    modelled_cycles: int | None
    arena_nbytes: int | None
    flash_nbytes: int
    operator_instructions: Mapping[str, int]
    operator_modelled_cycles: Mapping[str, int]


def stock_of(name: str, board: str) -> Stock | None:
    """The recorded numbers of a model, `folder/stem`."""
    entry: dict[str, Any] | None = STOCK["models"].get(STOCK["same_as"].get(name, name))
    if entry is None or board not in STOCK["targets"]:
        return None
    column = STOCK["targets"].index(board)
    keys = ("instructions", "modelled_cycles", "arena_nbytes", "flash_nbytes")
    operators = [
        {operator: numbers[key][column] for operator, numbers in entry["operators"].items()}
        for key in ("instructions", "modelled_cycles")
    ]
    return Stock(*(entry[key][column] for key in keys), *operators)


def published_nbytes(name: str, method: str) -> int | None:
    """Bytes of the file that the authors of dCSR's tool writes for a model, or None."""
    found: int | None = PUBLISHED["files"].get(name, {}).get(method)
    return found
