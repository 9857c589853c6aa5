"""dCSR: distances of 4 bits, and of up to 8 in groups that need it (docs/FORMAT.md, "DecodeDcsr").

Its bit planes are those of Trommer et al., "dCSR", arXiv 2111.12345. What they extend is the distance to the element
before instead of that to a line: sums of all elements cost no more here than sums of a group, need no minimum of each
group, and know no group that does not fit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wpconvert.errors import ModelError
from wpconvert.formats.onnx.decode import bodies, steps
from wpconvert.formats.onnx.decode.decoder import Array, Decoder, Encoded, Settings
from wpconvert.formats.onnx.decode.rle import pack_nibbles, unpack_nibbles

_REACH = 256
_LANES = 16
_PLANES = 4

# Flags, four a group, say which planes a group has. A plane that is there is the next mask of 16 lanes, one that is not
# reads the mask of zeros in front of them. Low nibble and planes of a lane are summed by a matrix product.
_BODY = f"""{bodies.CONSTANTS} {bodies.NIBBLES}
    bit = Constant<value = uint8[8] {{0, 1, 2, 3, 4, 5, 6, 7}}>()
    bit_column = Constant<value = uint8[8, 1] {{0, 1, 2, 3, 4, 5, 6, 7}}>()
    binary = Constant<value = uint8 {{2}}>()
    no_mask = Constant<value = uint8[2] {{0, 0}}>()
    two_wide = Constant<value = int64[2] {{-1, 2}}>()
    four = Constant<value = int64 {{4}}>()
    two_octets = Constant<value = int64[3] {{-1, 4, 2}}>()
    four_planes = Constant<value = int64[3] {{-1, 1, 4}}>()
    four_wide = Constant<value = int64[2] {{-1, 4}}>()
    weights = Constant<value = uint8[5, 1] {{1, 16, 32, 64, 128}}>()
    flag_octets = Reshape(planes, column)
    flag_shifted = BitShift<direction = "RIGHT">(flag_octets, bit)
    flag_bits = Mod(flag_shifted, binary)
    flag_list = Reshape(flag_bits, flat)
    nibbles = Shape(nibble)
    flags = Div(nibbles, four)
    flag = Slice(flag_list, first, flags)
    present = Cast<to = 6>(flag)
    rank = CumSum(present, zero)
    number = Mul(rank, present)
    octets = Concat<axis = 0>(no_mask, masks)
    mask = Reshape(octets, two_wide)
    plane = Gather(mask, number)
    planes_of_group = Reshape(plane, two_octets)
    octets_of_group = Transpose<perm = [0, 2, 1]>(planes_of_group)
    octet = Reshape(octets_of_group, four_planes)
    lane_shifted = BitShift<direction = "RIGHT">(octet, bit_column)
    lane_bits = Mod(lane_shifted, binary)
    high = Reshape(lane_bits, four_wide)
    low = Reshape(nibble, column)
    parts = Concat<axis = 1>(low, high)
    steps32 = MatMulInteger(parts, weights)
    step = Reshape(steps32, flat)
    {steps.VALUES} {steps.placed("elements")}"""


class Dcsr(Decoder):
    """`DecodeDcsr`."""

    op_type = "DecodeDcsr"
    input_names = ("steps", "planes", "masks", "values", "shape")

    def _encode(self, values: Array, settings: Settings) -> Encoded:  # noqa: ARG002
        step, stored = steps.steps_of(values.reshape(-1), _REACH)
        grid = np.append(step, np.zeros(-len(step) % _LANES, np.uint8)).reshape(-1, 1, _LANES)
        lanes = (grid >> np.arange(4, 4 + _PLANES, dtype=np.uint8)[:, None]) & np.uint8(1)
        masks = np.packbits(lanes, axis=2, bitorder="little")
        present = masks.any(axis=2)
        flags = np.packbits(present.reshape(-1), bitorder="little")
        low = pack_nibbles(grid.reshape(-1) & np.uint8(15))
        return self._encoded(values.shape, low, flags, masks[present].reshape(-1), stored)

    def _decode(self, inputs: Sequence[Array], shape: tuple[int, ...]) -> Array:
        low, flags, masks, values = inputs
        self._check_values(values)
        groups = -(-(len(values) - 1) // _LANES)
        self._check_input("steps", low, ("uint8",), groups * _LANES // 2)
        self._check_input("planes", flags, ("uint8",), -(-groups * _PLANES // 8))
        present = np.unpackbits(flags, bitorder="little").view(np.bool_)
        if present[groups * _PLANES :].any():
            raise ModelError(f"{self.op_type}: planes are set beyond its {groups} groups")
        self._check_input("masks", masks, ("uint8",), 2 * int(np.count_nonzero(present)))
        every = np.zeros((groups, _PLANES, _LANES), np.uint8)
        every[present[: groups * _PLANES].reshape(groups, _PLANES)] = np.unpackbits(
            masks.reshape(-1, 2), axis=1, bitorder="little"
        )
        step = unpack_nibbles(low).reshape(groups, _LANES)
        for plane in range(_PLANES):
            step |= every[:, plane] << np.uint8(4 + plane)
        return steps.unfolded(self.op_type, step.reshape(-1)[: len(values) - 1], values, shape, _REACH)

    def _body(self, opset: int) -> str:  # noqa: ARG002
        return _BODY
