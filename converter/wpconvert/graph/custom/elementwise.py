"""Constants of ADD and MUL: which can be rewritten, and as what matrix they are stored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wpconvert.graph.arithmetic import activation_range
from wpconvert.graph.custom.obstacles import Obstacle, check_scale
from wpconvert.graph.custom.operators import options_of
from wpconvert.graph.structure import Operator

MAX_COLS = 1024
"""A row is decoded as a whole, into scratch."""
_MAX_RANK = 4


def matrix_of(constant: NDArray[np.int8]) -> NDArray[np.int8]:
    """The elements in memory order as int8[rows, cols], cols the largest divisor of their number up to MAX_COLS."""
    count = constant.size
    cols = next(c for c in range(min(count, MAX_COLS), 0, -1) if count % c == 0)
    return constant.reshape(count // cols, cols)


def check_elementwise(operator: Operator) -> None:
    """Obstacle unless ADD or MUL of an activation and a constant can be rewritten: whole slices must meet it."""
    if len(operator.inputs) != 2:
        raise Obstacle(f"{operator.kind} with {len(operator.inputs)} inputs")
    activation = options_of(operator.attributes).activation
    x, constant, y = operator.tensor(0), operator.tensor(1), operator.outputs[0]
    inner, outer = constant.shape, y.shape
    if max(len(inner), len(outer)) > _MAX_RANK:
        raise Obstacle(f"more than {_MAX_RANK} dimensions")
    while inner and inner[0] == 1:
        inner = inner[1:]
    if x.shape != outer:
        raise Obstacle(f"the activation {list(x.shape)} is broadcast to the output {list(outer)}")
    if inner != outer[len(outer) - len(inner) :]:
        raise Obstacle(f"shape {list(constant.shape)} does not match the last dimensions of the output {list(outer)}")
    for tensor, what in ((x, "input"), (constant, "constant")):
        check_scale(tensor, what, per_tensor=True)
    quantization = check_scale(y, "output", per_tensor=True)
    zero_point = int(quantization.zero_points[0])
    activation_range(activation, quantization.scales[0], zero_point, np.dtype(np.int8))
