"""RLE: the distances between weights that are not the most common one, in 4 bits (docs/FORMAT.md, "DecodeRle")."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wpconvert.formats.onnx.decode import bodies, steps
from wpconvert.formats.onnx.decode.decoder import Array, Decoder, Encoded, Settings

_REACH = 16

_BODY = f"""{bodies.CONSTANTS} {bodies.NIBBLES}
    step = Cast<to = 6>(nibble)
    {steps.VALUES} {steps.placed("elements")}"""


class Rle(Decoder):
    """`DecodeRle`."""

    op_type = "DecodeRle"
    input_names = ("steps", "values", "shape")

    def _encode(self, values: Array, settings: Settings) -> Encoded:  # noqa: ARG002
        step, stored = steps.steps_of(values.reshape(-1), _REACH)
        return self._encoded(values.shape, pack_nibbles(step), stored)

    def _decode(self, inputs: Sequence[Array], shape: tuple[int, ...]) -> Array:
        packed, values = inputs
        self._check_values(values)
        self._check_input("steps", packed, ("uint8",), len(values) // 2)
        return steps.unfolded(self.op_type, unpack_nibbles(packed)[: len(values) - 1], values, shape, _REACH)

    def _body(self, opset: int) -> str:  # noqa: ARG002
        return _BODY


def pack_nibbles(nibbles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two numbers below 16 a byte, the first in the low nibble; with an odd number of them, 0 in the last high one."""
    even = np.append(nibbles, np.zeros(len(nibbles) % 2, np.uint8))
    return even[0::2] | even[1::2] << np.uint8(4)


def unpack_nibbles(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The inverse of `pack_nibbles`, for an even number."""
    return np.stack((packed & 15, packed >> 4), axis=1).reshape(-1)
