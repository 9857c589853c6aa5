"""What decoders check of the inputs that a model file gives them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from wpconvert.errors import ModelError
from wpconvert.onnx.decode.decoder import Array, Decoder

MAX_ELEMENTS = (1 << 30) - 1
"""Of one weight: positions in bodies are int32, and may be twice as many as there are elements."""
MAX_DIMENSIONS = 64


def check_encodable(decoder: Decoder, values: Array) -> None:
    """ModelError unless the decoder can hold a tensor of this type and size."""
    if values.dtype.name not in decoder.dtypes:
        raise ModelError(f"its elements are {values.dtype.name}, expected one of {', '.join(sorted(decoder.dtypes))}")
    if not values.size:
        raise ModelError("it has no elements")
    if values.size > MAX_ELEMENTS or values.ndim > MAX_DIMENSIONS:
        raise ModelError(f"it has {values.size:,} elements in {values.ndim} dimensions, at most 2^30 − 1 in 64 can be")


def shape_of(decoder: Decoder, inputs: Sequence[Array]) -> tuple[int, ...]:
    """The input `shape`, the last one; ModelError unless it is that of a weight and all inputs are there."""
    names = decoder.input_names
    if len(inputs) != len(names):
        raise ModelError(f"{decoder.op_type}: {len(inputs)} inputs, expected {len(names)}: {', '.join(names)}")
    check_input(decoder, names[-1], inputs[-1], ("int64",))
    shape = tuple(int(size) for size in inputs[-1])
    if len(shape) > MAX_DIMENSIONS or any(size < 1 for size in shape) or math.prod(shape) > MAX_ELEMENTS:
        raise ModelError(f"{decoder.op_type}: shape {shape}, expected positive sizes and at most 2^30 − 1 elements")
    return shape


def check_input(decoder: Decoder, name: str, array: Array, dtypes: Sequence[str], size: int | None = None) -> None:
    """ModelError unless this input is a vector of one of these types, of this size if one is given."""
    if array.dtype.name not in dtypes or array.ndim != 1:
        raise ModelError(
            f"{decoder.op_type}: {name} is {array.dtype.name}{list(array.shape)}, expected a vector of "
            f"{' or '.join(sorted(dtypes))}"
        )
    if size is not None and len(array) != size:
        raise ModelError(f"{decoder.op_type}: {len(array)} {name}, expected {size}")


def bits_of(array: Array) -> Array:
    """The elements as unsigned integers of the same bits, so that −0.0 differs from 0.0 and a NaN equals itself."""
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")
