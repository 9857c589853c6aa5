"""A board as an engine: the firmware that ships, in a simulator."""

from __future__ import annotations

from collections.abc import Sequence

from wpconvert.engines.base import Advance
from wpconvert.graph.executable import Executable
from wpconvert.graph.types import Sample
from wpconvert.target.board import Board
from wpconvert.target.image import missing_operators
from wpconvert.target.runner import run_on


class TargetEngine:
    """Runs models on one board in its default simulator."""

    def __init__(self, board: Board) -> None:
        self.name = board.name
        self._board = board

    def unsupported(self, model: Executable) -> list[str]:
        return [f"the runtime has no operator {name}" for name in missing_operators(model.graph)]

    def run(self, model: Executable, samples: Sequence[Sample], advance: Advance) -> list[Sample]:
        outputs = run_on(self._board, model, samples).outputs
        for _ in samples:
            advance()
        return outputs
