"""Running models on boards: firmware built from the device sources, started in a simulator."""

from wpconvert.target.board import boards
from wpconvert.target.runner import run_on
from wpconvert.target.simulator import SIMULATORS

__all__ = ["SIMULATORS", "boards", "run_on"]
