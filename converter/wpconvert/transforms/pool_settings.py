"""What `-m pool` does to a model's weights, in numbers: what is asked for, and what is made of a weight."""

from __future__ import annotations

from dataclasses import dataclass

from wpconvert.codecs import Lut, Pool
from wpconvert.codecs.codes import bits_for
from wpconvert.model.changed import ACT_BITS, Arithmetic, Changed, Values

POOL = "pool"
"""The method."""
NETWORK, LAYER = "network", "layer"
SCOPES = (NETWORK, LAYER)
"""What shares a pool."""
POOLED_OPERATORS = ("CONV_2D", "FULLY_CONNECTED")
"""Whose weights can be pooled."""
DEFAULT_SIZE = 64


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

    @classmethod
    def from_values(cls, options: Values) -> PoolSettings:
        """What options ask for, by their names."""
        size, lut = options.get("pool_size"), options.get("lut")
        return cls(
            None if size is None else int(size),
            int(options.get("lut_bits", cls.lut_bits)),
            int(options.get("act_bits", cls.act_bits)),
            str(options.get("pool_scope", cls.scope)),
            None if lut is None else Lut[str(lut).upper()],
        )

    def lut_for(self, act_bits: int, lut_shift: int) -> Lut:
        """Where the table of a pool is whose operators use at least so many bits of activations."""
        if self.lut is not None and (self.lut is not Lut.NONE or not lut_shift):
            return self.lut
        return Lut.RAM if lut_shift or act_bits < ACT_BITS or self.lut_bits == 4 else Lut.NONE


def changed_by(pool: Pool, act_bits: int = ACT_BITS, snr_db: float | None = None) -> Changed:
    """What there is to say of a weight that is made of a pool's vectors."""
    details = {"pool_size": pool.size, "index_bits": bits_for(pool.size), "act_bits": act_bits}
    return Changed(POOL, pool, snr_db, Arithmetic(act_bits, pool.lut_shift), {"act_bits": act_bits}, details)
