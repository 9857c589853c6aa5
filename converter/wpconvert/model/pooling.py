"""What `-m pool` does to a model's weights, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

from wpconvert.codecs import Lut

POOL = "pool"
"""The method."""
NETWORK, LAYER = "network", "layer"
SCOPES = (NETWORK, LAYER)
"""What shares a pool."""
POOLED_OPERATORS = ("CONV_2D", "FULLY_CONNECTED")
"""Whose weights can be pooled."""
DEFAULT_SIZE = 64
MAX_SIZE = 256
ACT_BITS = 8
"""Bits of an activation, unless fewer are asked for."""


@dataclass(frozen=True)
class PoolSettings:
    """How weights are pooled.

    size: vectors of a pool, DEFAULT_SIZE unless given. lut_bits: 4, 8 or 16, of an entry of the look-up table.
    act_bits: of activations where no rule says otherwise. lut: where the table is; by default in RAM where operators
    need one, and nowhere else.
    """

    size: int | None = None
    lut_bits: int = 8
    act_bits: int = ACT_BITS
    scope: str = NETWORK
    lut: Lut | None = None
    seed: int = 0

    def lut_for(self, act_bits: int, lut_shift: int) -> Lut:
        """Where the table of a pool is whose operators use at least so many bits of activations."""
        if self.lut is not None and (self.lut is not Lut.NONE or not lut_shift):
            return self.lut
        return Lut.RAM if lut_shift or act_bits < ACT_BITS or self.lut_bits == 4 else Lut.NONE
