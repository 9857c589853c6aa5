"""Trained networks as files that wpconvert and TFLite runtimes read.

An exporter is a suffix in EXPORTERS and a module with a function `export`, see `Exporter`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..data.module import DataModule
    from ..trained import Trained

# By suffix: the module here, which is imported when it is used, because converters take seconds.
EXPORTERS = {
    ".tflite": "int8",
    ".onnx": "onnx",
}


class Exporter(Protocol):
    """Writes a trained network; `data` loads what it was trained with, for those that calibrate.

    Raises ValueError when the format cannot keep what a method made of the network.
    """

    def __call__(self, trained: Trained, data: Callable[[], DataModule]) -> bytes: ...


def exporter(suffix: str) -> Exporter:
    """The exporter of a suffix in EXPORTERS."""
    found: Exporter = import_module(f".{EXPORTERS[suffix]}", __name__).export
    return found
