"""Method `pool`: weights become vectors of a pool that many share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import Lut, Pool, Side
from wpconvert.codecs.pool_table import LANES, LUT_BITS, MAX_SIZE
from wpconvert.errors import ModelError, UsageError
from wpconvert.model.changed import ACT_BITS, Changed, Values
from wpconvert.model.rules import Choice
from wpconvert.model.weight import Rewritable
from wpconvert.transforms.base import Applied, DenseModel, Field, Option, Transform
from wpconvert.transforms.pool import cut, exact, lanes
from wpconvert.transforms.pool_settings import DEFAULT_SIZE, POOL, SCOPES, PoolSettings, changed_by
from wpconvert.transforms.pool_weights import pool_weights

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_FULLY_CONNECTED = "FULLY_CONNECTED"
_DEFAULTS = PoolSettings()
_LUTS = tuple(lut.name.lower() for lut in Lut)


def _words(values: tuple[object, ...]) -> str:
    return ", ".join(map(str, values))


class PoolTransform(Transform):
    """Weights in vectors of a pool; those that are made of few vectors already stay as they are."""

    name = POOL
    summary = "groups of eight channels as indices into up to 256 vectors; changes weights that are not pooled"
    codec = POOL
    loss = "lossy, or exact"
    not_worth = "would not shrink: indices save {saved:,} bytes, their pool takes {side:,}"
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "pool_size",
            "N",
            f"Number of vectors in a pool, at most {MAX_SIZE} ({DEFAULT_SIZE} by default).",
            low=1,
            high=MAX_SIZE,
        ),
        Option(
            "lut_bits",
            "BITS",
            f"Bits of a look-up entry: {_words(LUT_BITS)} ({_DEFAULTS.lut_bits} by default). 4 rounds them.",
            words=LUT_BITS,
            of_device=True,
        ),
        Option(
            "act_bits",
            "BITS",
            f"Bits of activations of pooled operators ({ACT_BITS} by default).",
            low=1,
            high=ACT_BITS,
            of_rules=True,
            of_device=True,
        ),
        Option(
            "pool_scope",
            "SCOPE",
            f"Scope of a pool: {_words(SCOPES)} ({_DEFAULTS.scope} by default).",
            words=SCOPES,
            of_device=True,
        ),
        Option(
            "lut",
            "WHERE",
            f"Location of the look-up table: {_words(_LUTS)} (by default none, or ram for reduced bits).",
            words=_LUTS,
            of_device=True,
        ),
    )
    fields = (Field("pool_size", "pool"), Field("index_bits", "bits"), Field("act_bits"))

    def check(self, options: Values) -> None:
        """UsageError for options that are wrong or contradict each other."""
        super().check(options)
        if options.get("lut") == "none" and options.get("lut_bits") == min(LUT_BITS):
            bits = min(LUT_BITS)
            raise UsageError(f"--lut none contradicts --lut-bits {bits}: rounded entries need a look-up table")

    def preferred(self, choices: Sequence[Choice]) -> list[Choice]:
        """The choices, without what depends on few weights, or needs them exact; a rule can pool that, too."""
        convolutions = (c.weight.key for c in choices if set(_CONVOLUTIONS) & set(c.weight.operators))
        first = next(convolutions, None)
        result = []
        for choice in choices:
            reason = None
            if choice.method == POOL and choice.rule is None and isinstance(choice.weight, Rewritable):
                if choice.weight.key == first and choice.weight.operators == ("CONV_2D",):
                    reason = "kept: the first convolution; a rule can pool it"
                elif _FULLY_CONNECTED in choice.weight.operators:
                    reason = "kept: fully connected; a rule can pool it"
            result.append(choice if reason is None else choice.left(reason))
        return result

    def side_for(self, values: NDArray[np.int8]) -> Pool:
        """The pool of the distinct vectors along the last dimension; ModelError where there are too many."""
        found = exact(cut(values), lanes(values.shape))
        if found is None:
            raise ModelError(
                f"the array has more than {MAX_SIZE} different vectors of {LANES} elements along its last dimension"
            )
        return Pool(found, max(LUT_BITS))

    def changed_by(self, side: Side) -> Changed:
        """What there is to say of a weight that is made of a pool's vectors."""
        if not isinstance(side, Pool):
            raise TypeError(f"{side} is no pool")
        return changed_by(side)

    def apply(self, model: DenseModel, choices: Sequence[Choice], options: Values) -> Applied:
        """Pool the weights that are chosen, in place."""
        settings = PoolSettings.from_values(options)
        act_bits = {choice.weight.key: _act_bits(choice, settings) for choice in choices}
        result = pool_weights(model, choices, act_bits, settings)
        if result.changed:
            result.notes.append(_described(result.changed))
        return result


def _act_bits(choice: Choice, settings: PoolSettings) -> int:
    """Bits of the activations that a weight is multiplied with."""
    if choice.method != POOL:
        return ACT_BITS
    return int(choice.options.get("act_bits", settings.act_bits))


def _described(changed: Mapping[str, Changed]) -> str:
    """The pools of weights, by key, in a line."""
    pools = list({id(one.side): one.side for one in changed.values() if isinstance(one.side, Pool)}.values())
    first, tensors = pools[0], len(changed)
    most = max(pool.size for pool in pools)
    what = f"a pool of {most}" if len(pools) == 1 else f"{len(pools)} pools of at most {most}"
    where = ("no look-up table", "a look-up table computed in RAM", "a look-up table in flash")[first.lut]
    return (
        f"{what} vectors for {tensors} {'tensor' if tensors == 1 else 'tensors'}: "
        f"{sum(pool.nbytes for pool in pools):,} bytes, {where}, entries of {first.lut_bits} bits"
    )
