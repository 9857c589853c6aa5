"""What keeps a weight from being rewritten."""

from __future__ import annotations

import numpy as np

from wpconvert.graph.structure import Tensor
from wpconvert.graph.types import Quantization

NO_CONSTANT = "not a constant: the weights are computed at run time or missing"


class Obstacle(Exception):
    """Why a weight cannot be rewritten."""


def check_scale(tensor: Tensor, what: str, *, per_tensor: bool) -> Quantization:
    """The quantisation of an int8 tensor, `what` for messages; Obstacle when it cannot be rewritten."""
    quantization = tensor.quantization
    if quantization is None:
        raise Obstacle(f"the {what} has no scale")
    if not (np.isfinite(quantization.scales).all() and (quantization.scales > 0).all()):
        raise Obstacle(f"the {what} has a scale that is not a positive number")
    points = quantization.zero_points
    if int(points.min()) < -128 or int(points.max()) > 127:
        raise Obstacle(f"the {what} has a zero point outside int8")
    if per_tensor and len(points) != 1:
        raise Obstacle(f"the {what} has {len(points)} scales, expected one")
    return quantization
