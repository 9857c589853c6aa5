"""The boards: folders of runtime/ports that hold a board.json and a board.cmake."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from wpconvert.errors import ToolError, UsageError
from wpconvert.target.sources import ports_folder


@dataclass(frozen=True)
class Board:
    """One board.json. `arena_nbytes`: the largest arena; `simulators`: what each one is started with."""

    name: str
    folder: Path
    summary: str
    core: str
    arena_nbytes: int
    simulators: dict[str, list[str]]


@cache
def boards() -> dict[str, Board]:
    """Every board by name. Raises ToolError for a board.json that is not as runtime/ports/README.md says."""
    ports = ports_folder()
    if ports is None:
        return {}
    return {path.parent.name: _read(path) for path in sorted(ports.glob("*/board.json"))}


def _read(path: Path) -> Board:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        board = Board(name=path.parent.name, folder=path.parent, **fields)
    except (OSError, ValueError, TypeError) as error:
        raise ToolError(f"{path}: {error}") from error
    if not (path.parent / "board.cmake").is_file():
        raise ToolError(f"{path.parent}: board.json without board.cmake")
    return board


def board_named(name: str) -> Board:
    """The board of that name; UsageError naming the known ones."""
    board = boards().get(name)
    if board is None:
        known = ", ".join(boards()) or "none, because the device sources are missing"
        raise UsageError(f"unknown target {name!r}, expected one of {known}")
    return board
