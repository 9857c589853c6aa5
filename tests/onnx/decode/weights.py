"""Weights for the tests of decoders."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Array = NDArray[Any]

DTYPES = ("int8", "uint8", "float16", "float32")
INT4_DTYPES = (np.dtype(ml_dtypes.int4), np.dtype(ml_dtypes.uint4))


@st.composite
def weights(draw: st.DrawFn, dtypes: tuple[str, ...] = DTYPES) -> Array:
    """A tensor of up to 4 dimensions of any bits, −0.0, infinities and NaNs with payloads included.

    Most elements are one value; how many, and how many values the others have, is drawn.
    """
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    small = st.lists(st.integers(1, 9), max_size=4).map(tuple)
    # Of many elements with few that differ, more than a byte of distance apart.
    large = st.tuples(st.integers(200, 3000))
    shape = draw(st.one_of(small, small, large))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = int(np.prod(shape))
    distinct = draw(st.sampled_from((1, 2, 3, 16, 200, 1 << 16)))
    values = generator.integers(0, 256, (distinct, dtype.itemsize), dtype=np.uint8).view(dtype).reshape(-1)
    values[0] = draw(st.sampled_from((0, 0, 1)))
    if dtype.kind == "f" and draw(st.booleans()):
        values[-1] = -0.0
    others = generator.random(size) < draw(st.sampled_from((0.0, 0.01, 0.05, 0.3, 0.7, 1.0)))
    return np.ascontiguousarray(values[np.where(others, generator.integers(0, distinct, size), 0)].reshape(shape))


@st.composite
def int4_weights(draw: st.DrawFn) -> Array:
    """Such a tensor of 4 bits an element, one a byte."""
    dtype = draw(st.sampled_from(INT4_DTYPES))
    wide = draw(weights(("int8",)))
    return (wide & 15).astype(dtype) if dtype.name == "uint4" else ((wide & 15) - 8).astype(dtype)
