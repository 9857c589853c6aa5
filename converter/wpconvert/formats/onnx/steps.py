"""Values of an `.onnx` model as the integers of the `.tflite` model that it was lowered to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError
from wpconvert.formats.tflite.model import quantization_of, text


@dataclass(frozen=True)
class Steps:
    """The quantisation of an int8 tensor that floats become; of integers, a scale of 1."""

    scale: float = 1.0
    zero_point: int = 0


def steps_of(tensor: Any) -> Steps:
    """Those of a tensor of the lowered model; ModelError where it has none."""
    quantization = quantization_of(tensor)
    if quantization is None:
        raise ModelError(f"tensor {text(tensor.name)!r} has no scale")
    return Steps(float(quantization.scales[0]), int(quantization.zero_points[0]))


def in_steps(values: NDArray[Any], dtype: str, steps: Steps) -> NDArray[Any]:
    """float32, uint8 or int8 values as int8 ones."""
    if dtype == "float32":
        # NaN has no step.
        real = np.nan_to_num(values.astype(np.float32), nan=0.0)
        return np.asarray(
            np.clip(np.rint(real / np.float32(steps.scale)) + steps.zero_point, -128, 127).astype(np.int8)
        )
    if dtype == "uint8":
        return (values.astype(np.int16) - 128).astype(np.int8)
    return np.ascontiguousarray(values)
