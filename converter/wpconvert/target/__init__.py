"""Running models on boards: firmware built from the device sources, started in a simulator."""

from wpconvert.target.board import Board, boards
from wpconvert.target.image import Image, build_image
from wpconvert.target.runner import DeviceRun, run_on
from wpconvert.target.simulator import SIMULATORS

__all__ = ["SIMULATORS", "Board", "DeviceRun", "Image", "boards", "build_image", "run_on"]
