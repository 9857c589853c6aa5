"""RLE: the distances between weights that are not the most common one, in 4 bits (docs/FORMAT.md, "DecodeRle")."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from wpconvert.errors import ModelError
from wpconvert.onnx.decode import bodies
from wpconvert.onnx.decode.bitmap import most_common
from wpconvert.onnx.decode.decoder import Array, Decoder, Settings, bits_of

REACH = 16
"""The largest distance. Farther ones take elements that are the fill."""

_BODY = f"""{bodies.CONSTANTS}
    nibbles = Constant<value = uint8[2] {{0, 4}}>()
    sixteen = Constant<value = uint8 {{16}}>()
    one = Constant<value = int32 {{1}}>()
    one_list = Constant<value = int64[1] {{1}}>()
    octets = Reshape(steps, column)
    shifted = BitShift<direction = "RIGHT">(octets, nibbles)
    pairs = Mod(shifted, sixteen)
    list = Reshape(pairs, flat)
    size = Shape(values)
    elements = Sub(size, one_list)
    real = Slice(list, first, elements)
    step = Cast<to = 6>(real)
    distance = Add(step, one)
    reached = CumSum(distance, zero)
    position = Sub(reached, one)
    {bodies.scattered("position")}"""


class Rle(Decoder):
    """`DecodeRle`."""

    op_type = "DecodeRle"
    input_names = ("steps", "values", "shape")

    def _encode(self, values: Array, settings: Settings) -> tuple[Array, ...]:  # noqa: ARG002
        flat = values.reshape(-1)
        fill = most_common(flat)
        at = np.flatnonzero(bits_of(flat) != bits_of(fill))
        # The end counts as an element, so that what follows the last one is bounded.
        fillers, rest = np.divmod(np.diff(at, prepend=-1, append=len(flat)) - 1, REACH)
        ends = np.cumsum(fillers + 1)
        steps = np.full(int(ends[-1]), REACH - 1, np.uint8)
        stored = np.full(len(steps), fill)
        steps[ends - 1] = rest
        stored[ends[:-1] - 1] = flat[at]
        even = np.append(steps[:-1], np.zeros((len(steps) - 1) % 2, np.uint8))
        return even[0::2] | even[1::2] << 4, np.concatenate((fill, stored[:-1]))

    def _decode(self, inputs: Sequence[Array], shape: tuple[int, ...]) -> Array:
        packed, values = inputs
        total = math.prod(shape)
        self._check_input("values", values, sorted(self.dtypes))
        if not len(values):
            raise ModelError(f"{self.op_type}: no values, expected the fill and one for each step")
        self._check_input("steps", packed, ("uint8",), len(values) // 2)
        steps = np.stack((packed & 15, packed >> 4), axis=1).reshape(-1)[: len(values) - 1]
        position = np.cumsum(steps.astype(np.int64) + 1) - 1
        last = int(position[-1]) if len(position) else -1
        if not total - REACH <= last + 1 <= total:
            raise ModelError(f"{self.op_type}: its steps end at element {last} of {total}")
        out = np.full(total, values[0])
        out[position] = values[1:]
        return out.reshape(shape)

    def _body(self, opset: int) -> str:  # noqa: ARG002
        return _BODY
