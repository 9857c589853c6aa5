"""The transforms: a row each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import Side
from wpconvert.model.changed import Changed
from wpconvert.transforms.base import Field, Option, Transform
from wpconvert.transforms.msd import MsdTransform
from wpconvert.transforms.pooling import PoolTransform

TRANSFORMS: dict[str, Transform] = {transform.name: transform for transform in (PoolTransform(), MsdTransform())}
"""By the method that stands for them."""
OPTIONS: dict[str, Option] = {option.name: option for one in TRANSFORMS.values() for option in one.options}
"""Of all transforms."""
FIELDS: dict[str, Field] = {field.name: field for one in TRANSFORMS.values() for field in one.fields}
"""Of all transforms."""


def changed_by(codec: str, side: Side) -> Changed | None:
    """What there is to say of a weight that a codec stores with side data; None where no transform makes such."""
    return next((one.changed_by(side) for one in TRANSFORMS.values() if one.codec == codec), None)


def side_for(codec: str, values: NDArray[np.int8]) -> Side | None:
    """The side data with which a codec stores int8 values of any shape exactly; ModelError where none does."""
    return next((one.side_for(values) for one in TRANSFORMS.values() if one.codec == codec), None)


def options_of(method: str) -> tuple[Option, ...]:
    """The options of a method."""
    return TRANSFORMS[method].options if method in TRANSFORMS else ()
