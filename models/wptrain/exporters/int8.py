"""A trained network as an int8 `.tflite` file."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ..data.module import DataModule
from ..methods import open_all
from ..methods.method import Method
from ..quantise.integers import IntegerLayer
from ..trained import Trained
from .fill import filled
from .plain import plain
from .tflite import to_int8_tflite

# A network sees each of them once, one at a time, while activation ranges are measured.
CALIBRATION_IMAGES = 512


def export(trained: Trained, data: Callable[[], DataModule]) -> bytes:
    """The int8 model, with the exact integers of the methods that have some."""
    methods = open_all(trained.methods).values()
    return to_exact_tflite(trained.network, methods, data().calibration(CALIBRATION_IMAGES))


def to_exact_tflite(network: nn.Module, methods: Iterable[Method], calibration: NDArray[np.float32]) -> bytes:
    """Quantise after training and convert as `tflite.to_int8_tflite` does, with the exact integers of the methods.

    Raises ValueError when a method has no integers of this network.
    """
    copied = copy.deepcopy(network).cpu().eval()
    layers: dict[str, IntegerLayer] = {}
    for method in methods:
        for name, layer in method.finish(copied).items():
            # Whoever knows the grids of the tensors, too, says more.
            if name not in layers or layers[name].input is None:
                layers[name] = layer
    converted = to_int8_tflite(plain(copied), calibration)
    return filled(converted, layers) if layers else converted
