"""What a transform has made of a weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wpconvert.codecs import Side

Values = Mapping[str, int | str]
"""Options by name."""
ACT_BITS = 8
"""Bits of an activation, unless a transform asks for fewer."""


@dataclass(frozen=True)
class Arithmetic:
    """How operators multiply with a weight: bits of an activation, and how far partial sums are shifted and rounded."""

    act_bits: int = ACT_BITS
    shift: int = 0


USUAL = Arithmetic()
"""Of weights that no transform has made for another one."""


@dataclass(frozen=True)
class Changed:
    """A weight after a transform, or one that is stored as the transform stores it.

    transform: its name. side: data beside the blob, which the codec reads. snr_db: signal-to-noise ratio of the new
    values against the old ones in decibels, None where none changed. arithmetic: of the operators that multiply with
    it. options: what a rule says to get the same again. details: numbers for reports, by the transform's names. nbytes:
    what new scales and biases add to the file beside the blob, at most.
    """

    transform: str
    side: Side | None = None
    snr_db: float | None = None
    arithmetic: Arithmetic = USUAL
    options: Values = field(default_factory=dict)
    details: Mapping[str, int] = field(default_factory=dict)
    nbytes: int = 0
