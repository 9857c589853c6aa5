"""An operator as the cost model sees it: its shape, and how its weights are stored."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import CODECS, Work, parse

PLAIN = "none"
"""The method of weights that are stored as in the input."""


@dataclass(frozen=True)
class Storage:
    """Weights as a matrix. `method`: a codec or PLAIN. work: what decoding takes, as the codec counts it."""

    method: str
    rows: int
    cols: int
    nonzeros: int
    work: Work = field(default_factory=dict)

    @classmethod
    def from_values(
        cls, method: str, values: NDArray[np.int8], row_dims: int, blob: NDArray[np.uint8] | None = None
    ) -> Storage:
        """The weights (int8, any shape), the first `row_dims` dimensions rows, as a stored matrix.

        `blob`: of the codec `method`, uint8[nbytes]; None for PLAIN.
        """
        matrix = values.reshape(math.prod(values.shape[:row_dims]), -1)
        work = {} if blob is None else CODECS[method].work(parse(blob), matrix)
        return cls(method, *matrix.shape, int(np.count_nonzero(values)), work)

    @property
    def listed(self) -> int:
        """Elements that lists of a row's elements have: of dCSR, also zeros that are stored."""
        return self.work.get("stored", self.nonzeros) if self.method == "dcsr" else self.nonzeros


@dataclass(frozen=True)
class Layer:
    """One operator of a graph. `operator` is the builtin name, also of a rewritten one.

    Sizes are those of an image in NHWC: (height, width, channels); of other tensors their last dimension is the
    channels and the product of the others the width. kernel, stride and dilation are (height, width); padding is that
    above and left of the image. variant: what else decides how it is computed, "float32" of a QUANTIZE.
    weights: of an operator that multiplies with constant int8 weights. general: its output channels that kernels
    rescale in the general way, not in the fast one. spare: bytes of the arena that other operators need and this one
    may have for scratch.
    """

    operator: str
    batch: int
    input_size: tuple[int, int, int]
    output_size: tuple[int, int, int]
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    variant: str = ""
    weights: Storage | None = None
    general: int = 0
    spare: int = 0

    @property
    def pixels(self) -> int:
        """Output pixels, of all images."""
        return self.batch * self.output_size[0] * self.output_size[1]

    @property
    def inputs(self) -> int:
        """Elements of the (largest) input."""
        return self.batch * self.input_size[0] * self.input_size[1] * self.input_size[2]

    @property
    def outputs(self) -> int:
        """Elements of the output."""
        return self.pixels * self.output_size[2]

    @property
    def taps(self) -> int:
        """Elements of a window of one channel."""
        return self.kernel[0] * self.kernel[1]

    @property
    def pointwise(self) -> bool:
        """Whether a window is one pixel of the image, so that nothing has to be gathered."""
        return self.taps == 1

    @property
    def code(self) -> tuple[str, ...]:
        """The names of what firmware must link for it: the operator as the file names it, and the codec."""
        if self.weights is None or self.weights.method == PLAIN:
            return (self.operator,)
        return (f"WP_{self.operator}", self.weights.method)

    @property
    def inside(self) -> tuple[int, int]:
        """Taps that lie inside the image, summed over the output's (rows, columns)."""
        rows, columns = (sum(self._places(axis, tap, tap) for tap in range(self.kernel[axis])) for axis in (0, 1))
        return rows, columns

    @property
    def whole(self) -> int:
        """Windows of one image that lie inside it with all their taps."""
        return self._places(0, 0, self.kernel[0] - 1) * self._places(1, 0, self.kernel[1] - 1)

    def _places(self, axis: int, first: int, last: int) -> int:
        """Outputs along an axis whose taps `first` to `last` lie inside the image."""
        step, dilation, padding = self.stride[axis], self.dilation[axis], self.padding[axis]
        begin = max(0, -(-(padding - first * dilation) // step))
        end = min(self.output_size[axis] - 1, (self.input_size[axis] - 1 + padding - last * dilation) // step)
        return max(0, end - begin + 1)
