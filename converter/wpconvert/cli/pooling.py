"""The options of `-m pool`."""

from __future__ import annotations

from typing import Annotated

import typer

from wpconvert.codecs import Lut
from wpconvert.codecs.pool_table import LUT_BITS
from wpconvert.errors import UsageError
from wpconvert.model.pooling import ACT_BITS, DEFAULT_SIZE, MAX_SIZE, SCOPES, PoolSettings

_DEFAULTS = PoolSettings()
_LUTS = tuple(lut.name.lower() for lut in Lut)


def _words(values: tuple[object, ...]) -> str:
    return ", ".join(map(str, values))


PoolSizeOption = Annotated[
    int | None,
    typer.Option(
        "--pool-size",
        min=1,
        max=MAX_SIZE,
        metavar="N",
        help=f"Vectors of a pool, at most {MAX_SIZE} ({DEFAULT_SIZE} by default).",
        show_default=False,
    ),
]
PoolScopeOption = Annotated[
    str | None,
    typer.Option(
        "--pool-scope",
        metavar="SCOPE",
        help=f"What shares a pool: {_words(SCOPES)} ({_DEFAULTS.scope} by default).",
        show_default=False,
    ),
]
LutBitsOption = Annotated[
    int | None,
    typer.Option(
        "--lut-bits",
        metavar="BITS",
        help=f"Of a look-up entry: {_words(LUT_BITS)} ({_DEFAULTS.lut_bits} by default). 4 rounds them.",
        show_default=False,
    ),
]
ActBitsOption = Annotated[
    int | None,
    typer.Option(
        "--act-bits",
        min=1,
        max=ACT_BITS,
        metavar="BITS",
        help=f"Of activations that pooled weights multiply ({ACT_BITS} by default).",
        show_default=False,
    ),
]
LutOption = Annotated[
    str | None,
    typer.Option(
        "--lut",
        metavar="WHERE",
        help=f"Where the look-up table is: {_words(_LUTS)} (by default none, ram where few bits need it).",
        show_default=False,
    ),
]


def pool_settings(
    size: int | None, lut_bits: int | None, act_bits: int | None, scope: str | None, lut: str | None
) -> tuple[PoolSettings | None, tuple[str, ...]]:
    """What the options ask for, and which are given; UsageError where they contradict each other."""
    options = {
        "--pool-size": size,
        "--pool-scope": scope,
        "--lut-bits": lut_bits,
        "--act-bits": act_bits,
        "--lut": lut,
    }
    given = tuple(name for name, value in options.items() if value is not None)
    for name, value, known in (
        ("--pool-scope", scope, SCOPES),
        ("--lut-bits", lut_bits, LUT_BITS),
        ("--lut", lut, _LUTS),
    ):
        if value is not None and value not in known:
            raise UsageError(f"unknown {name} {value}, expected one of {_words(known)}")
    if lut == "none" and lut_bits == min(LUT_BITS):
        raise UsageError(f"--lut none contradicts --lut-bits {lut_bits}: rounded entries have to be looked up")
    settings = PoolSettings(
        size,
        lut_bits or _DEFAULTS.lut_bits,
        act_bits or _DEFAULTS.act_bits,
        scope or _DEFAULTS.scope,
        None if lut is None else Lut[lut.upper()],
    )
    return (settings if given else None), given
