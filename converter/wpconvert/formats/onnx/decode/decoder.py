"""What every decoder of compressed ONNX weights offers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, parser

from wpconvert.errors import ModelError
from wpconvert.model.changed import Values

DOMAIN = "wpconvert"
VERSION = 1
"""Of the operator set in that domain."""
MIN_OPSET = 11
"""Lowest version of the default operator set that the bodies of decoders are written in."""
MAX_OPSET = 26
"""Highest version that they are tested in; ONNX Runtime takes no higher one."""
MIN_IR_VERSION = 8
"""Lowest IR version with functions."""

MAX_ELEMENTS = (1 << 30) - 1
"""Of one weight: positions in bodies are int32, and may be twice as many as there are elements."""
MAX_DIMENSIONS = 64

INT4 = frozenset({"int4", "uint4"})
"""Types of 4 bits; NumPy has an element a byte. Their operators are called `…Int4`."""

_CHUNK = 1 << 18

Array = NDArray[Any]


@dataclass(frozen=True)
class Settings:
    """How to encode.

    channel_axis: of the output channels, 0 or 1; the other one has the input channels. options: of the method, where
    that is a transform. shared: what the weight is to be made of, where that is given.
    """

    channel_axis: int = 0
    options: Values = field(default_factory=dict)
    shared: Array | None = None


@dataclass(frozen=True)
class Encoded:
    """A weight as its decoder takes it.

    op_type: of the node that decodes it. inputs: name and array of each of its inputs, in order. lossy: it decodes to
    other weights.
    """

    op_type: str
    inputs: tuple[tuple[str, Array], ...]
    lossy: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of the inputs; elements of 4 bits are two a byte."""
        return sum((array.size + 1) // 2 if array.dtype.name in INT4 else array.nbytes for _, array in self.inputs)


class Decoder(ABC):
    """One operator `wpconvert.Decode…`: how its inputs are made, what it computes, and its body in ONNX operators.

    Its nodes have no attributes: the reference evaluator knows none in functions of opset 11. Inputs are vectors, the
    last one is the shape of the weight, int64.
    """

    op_type: ClassVar[str]
    input_names: ClassVar[tuple[str, ...]]
    values_name: ClassVar[str] = "values"
    """The input that has elements of the weight."""
    stored_dtypes: ClassVar[frozenset[str]] = frozenset({"int8", "uint8", "float16", "float32"})
    """NumPy's names of the types that they can have."""
    dtypes: ClassVar[frozenset[str]] = stored_dtypes | INT4
    """NumPy's names of the types of weights that `encode` takes."""
    since_opset: ClassVar[int] = MIN_OPSET
    """Lowest version of the default operator set that the body can be written in."""

    def encode(self, values: Array, settings: Settings) -> Encoded:
        """Encode a tensor; ModelError says why it cannot hold it."""
        if values.dtype.name not in self.dtypes:
            raise ModelError(f"its elements have type {values.dtype.name}, expected {', '.join(sorted(self.dtypes))}")
        if not values.size:
            raise ModelError("it has no elements")
        if values.size > MAX_ELEMENTS or values.ndim > MAX_DIMENSIONS:
            raise ModelError(
                f"it has {values.size:,} elements and {values.ndim} dimensions; "
                "supported: at most 2^30 − 1 elements and 64 dimensions"
            )
        if values.dtype.name not in INT4:
            return self._encode(np.ascontiguousarray(values).reshape(values.shape), settings)
        # The upper half of their bytes may be anything.
        same = self._encode(values.astype(np.int8).astype(values.dtype), settings)
        return replace(same, op_type=f"{same.op_type}Int4")

    def fitted(self, values: Array, settings: Settings) -> Encoded:
        """The same, lossy where the method is and needs to be; ModelError."""
        return self.encode(values, settings)

    def details(self, sizes: Mapping[str, int]) -> dict[str, int]:  # noqa: ARG002 - for those who have some
        """Numbers for reports, by name, of a weight whose inputs, by name, have so many elements."""
        return {}

    def decode(self, inputs: Sequence[Array]) -> Array:
        """The tensor, of exactly the bits that were encoded; ModelError when the inputs are corrupt."""
        self._check_count(inputs)
        *streams, sizes = inputs
        self._check_input("shape", sizes, ("int64",))
        shape = tuple(int(size) for size in sizes)
        if len(shape) > MAX_DIMENSIONS or any(size < 1 for size in shape) or math.prod(shape) > MAX_ELEMENTS:
            raise ModelError(f"{self.op_type}: shape {shape}, expected positive sizes and at most 2^30 − 1 elements")
        return self._decode(streams, shape)

    def function(self, opset: int) -> onnx.FunctionProto:
        """The body in operators of this version of the default operator set."""
        if opset < self.since_opset:
            raise ValueError(f"{self.op_type} needs opset {self.since_opset}, not {opset}")
        signature = f"({', '.join(self.input_names)}) => (weight)"
        header = f'<domain: "{DOMAIN}", opset_import: ["" : {opset}]> {self.op_type} {signature}'
        return _shortened(parser.parse_function(f"{header} {{ {self._nodes(opset)} }}"))

    @abstractmethod
    def _encode(self, values: Array, settings: Settings) -> Encoded:
        """Encode a contiguous tensor of a type that can be stored; ModelError says why it cannot hold it."""

    @abstractmethod
    def _decode(self, inputs: Sequence[Array], shape: tuple[int, ...]) -> Array:
        """The tensor from all inputs but the shape."""

    @abstractmethod
    def _body(self, opset: int) -> str:
        """The nodes in ONNX's textual syntax; their result is `weight`."""

    def _nodes(self, opset: int) -> str:
        return self._body(opset)

    def _encoded(self, shape: tuple[int, ...], *inputs: Array) -> Encoded:
        """Of all inputs but the shape."""
        return Encoded(self.op_type, tuple(zip(self.input_names, (*inputs, np.array(shape, np.int64)), strict=True)))

    def _check_count(self, inputs: Sequence[Array]) -> None:
        """ModelError unless all inputs are there."""
        if len(inputs) != len(self.input_names):
            expected = ", ".join(self.input_names)
            raise ModelError(f"{self.op_type}: {len(inputs)} inputs, expected {len(self.input_names)}: {expected}")

    def _check_input(self, name: str, array: Array, dtypes: Sequence[str], size: int | None = None) -> None:
        """ModelError unless this input is a vector of one of these types, of this size if one is given."""
        if array.dtype.name not in dtypes or array.ndim != 1:
            raise ModelError(
                f"{self.op_type}: {name} is {array.dtype.name}{list(array.shape)}, expected a vector of "
                f"{' or '.join(sorted(dtypes))}"
            )
        if size is not None and len(array) != size:
            raise ModelError(f"{self.op_type}: {len(array)} {name}, expected {size}")

    def _check_values(self, values: Array, fewest: int = 1) -> None:
        """ModelError unless these are elements of a weight, at least so many."""
        self._check_input(self.values_name, values, sorted(self.stored_dtypes))
        if len(values) < fewest:
            raise ModelError(f"{self.op_type}: {len(values)} {self.values_name}, expected at least {fewest}")


def make_node(encoded: Encoded, inputs: Sequence[str], output: str, name: str = "") -> onnx.NodeProto:
    """The node that decodes `encoded`; inputs: the names under which its arrays are stored."""
    return helper.make_node(encoded.op_type, inputs, [output], name=name, domain=DOMAIN)


def bits_of(array: Array) -> Array:
    """The elements as unsigned integers of the same bits, so that −0.0 differs from 0.0 and a NaN equals itself."""
    return array.view(f"u{array.dtype.itemsize}")


def _shortened(function: onnx.FunctionProto) -> onnx.FunctionProto:
    """The function with short names of its intermediate results: each model carries them."""
    names = {name: name for name in (*function.input, *function.output)}
    for node in function.node:
        for name in node.output:
            names.setdefault(name, f"{len(names):x}")
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    return function


def selected(values: Array, mask: NDArray[np.bool_]) -> Array:
    """The elements of a vector where the mask is set; some times faster than indexing with it."""
    parts = [
        values[first : first + _CHUNK].take(np.flatnonzero(mask[first : first + _CHUNK]))
        for first in range(0, len(values), _CHUNK)
    ]
    return np.concatenate(parts) if parts else values


def insert(values: Array, out: Array, mask: NDArray[np.bool_]) -> None:
    """Put as many values as the mask has elements set where it is set in `out`: the inverse of `selected`."""
    first = 0
    for begin in range(0, len(out), _CHUNK):
        at = np.flatnonzero(mask[begin : begin + _CHUNK])
        out[begin : begin + _CHUNK][at] = values[first : first + len(at)]
        first += len(at)
