"""Numbers that others measured or published, to put beside ours."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).resolve().parent.parent
STOCK: dict[str, Any] = json.loads((TOOLS / "stock_tflm.json").read_text(encoding="utf-8"))
PUBLISHED: dict[str, Any] = json.loads((TOOLS / "published_sizes.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Stock:
    """TFLM with CMSIS-NN on the dense model and one core; None where it was not measured."""

    instructions: int
    modelled_cycles: int | None
    arena_nbytes: int | None
    code_nbytes: int


def stock_of(name: str, board: str) -> Stock | None:
    """The recorded numbers of a model, `folder/stem`, on a board."""
    entry: dict[str, list[Any]] | None = STOCK["models"].get(STOCK["same_as"].get(name, name))
    if entry is None or board not in STOCK["targets"]:
        return None
    column = STOCK["targets"].index(board)
    return Stock(
        entry["instructions"][column],
        entry["modelled_cycles"][column] if "modelled_cycles" in entry else None,
        entry["arena_nbytes"][column],
        entry["flash_nbytes"][column],
    )


def published_nbytes(name: str, method: str) -> int | None:
    """Bytes of the file that the authors of dCSR's tool writes for a model, or None."""
    found: int | None = PUBLISHED["files"].get(name, {}).get(method)
    return found
