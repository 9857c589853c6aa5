"""The transforms: a row each."""

from __future__ import annotations

from wpconvert.transforms.base import Field, Option, Transform
from wpconvert.transforms.pooling import PoolTransform

TRANSFORMS: dict[str, Transform] = {transform.name: transform for transform in (PoolTransform(),)}
"""By the method that stands for them."""
OPTIONS: dict[str, Option] = {option.name: option for one in TRANSFORMS.values() for option in one.options}
"""Of all transforms."""
FIELDS: dict[str, Field] = {field.name: field for one in TRANSFORMS.values() for field in one.fields}
"""Of all transforms."""


def options_of(method: str) -> tuple[Option, ...]:
    """The options of a method."""
    return TRANSFORMS[method].options if method in TRANSFORMS else ()
