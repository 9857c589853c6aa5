"""Types of elements, quantisation, and the arrays that hold values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]

Values = NDArray[Any]
"""The values of a tensor, of whatever type it has."""
Sample = list[Values]
"""One value per input (or output) of the first subgraph, in order."""


@dataclass(frozen=True, eq=False, slots=True)
class DType:
    """The type of a tensor's elements; there is one object of each, compared by identity.

    numpy: None where NumPy has none, little-endian otherwise. nbits: of an element, packed without gaps; None where
    elements have no fixed size.
    """

    name: str
    numpy: np.dtype[Any] | None
    nbits: int | None

    def __str__(self) -> str:
        return self.name


_NUMPY = {
    "FLOAT32": "<f4",
    "FLOAT16": "<f2",
    "FLOAT64": "<f8",
    "INT8": "i1",
    "UINT8": "u1",
    "INT16": "<i2",
    "UINT16": "<u2",
    "INT32": "<i4",
    "UINT32": "<u4",
    "INT64": "<i8",
    "UINT64": "<u8",
    "BOOL": "?",
}
_OTHERS = {
    "STRING": None,
    "RESOURCE": None,
    "VARIANT": None,
    "COMPLEX64": 64,
    "COMPLEX128": 128,
    "BFLOAT16": 16,
    "INT4": 4,
    "INT2": 2,
    "UINT4": 4,
    "FLOAT8_E4M3FN": 8,
    "FLOAT8_E5M2": 8,
}

DTYPES: dict[str, DType] = {
    **{name: DType(name, np.dtype(code), 8 * np.dtype(code).itemsize) for name, code in _NUMPY.items()},
    **{name: DType(name, None, nbits) for name, nbits in _OTHERS.items()},
}
"""All types, by the names of the TFLite schema."""

FLOAT32, INT8, UINT8, INT32 = (DTYPES[name] for name in ("FLOAT32", "INT8", "UINT8", "INT32"))


def dtype_of(values: Values) -> DType:
    """The type of an array's elements. KeyError for one that no tensor has."""
    return _OF_NUMPY[values.dtype]


_OF_NUMPY = {dtype.numpy: dtype for dtype in DTYPES.values() if dtype.numpy is not None}


@dataclass(frozen=True, slots=True)
class Quantization:
    """Affine quantisation of a tensor: real = scale · (q − zero_point), along `axis` when there are several scales.

    scales: float32[n], zero_points: int64[n].
    """

    scales: NDArray[np.float32]
    zero_points: NDArray[np.int64]
    axis: int


def element_count(shape: Shape) -> int:
    """Number of elements, exact for any size."""
    count = 1
    for dim in shape:
        count *= dim
    return count
