"""Tensors, operators and subgraphs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.attributes import Attributes
from wpconvert.graph.types import DType, Quantization, Shape, Values, element_count

A = TypeVar("A", bound=Attributes)

Place = tuple[int, int]
"""Subgraph, and index of a tensor or operator in it."""

NOTHING: NDArray[np.uint8] = np.empty(0, np.uint8)
NOTHING.flags.writeable = False


@dataclass(eq=False, slots=True)
class Tensor:
    """A tensor of a subgraph, at `index` there.

    data: the bytes of a constant, uint8[nbytes], those of the file and not a copy; None for what is computed at run
    time. is_variable: it keeps its value from one run to the next. is_sparse: its data are in the schema's sparse form.
    """

    index: int
    name: str
    dtype: DType
    shape: Shape
    quantization: Quantization | None = None
    data: NDArray[np.uint8] | None = None
    is_variable: bool = False
    is_sparse: bool = False

    def __str__(self) -> str:
        return f"tensor {self.index} {self.name!r}"

    @property
    def size(self) -> int:
        """Number of elements."""
        return element_count(self.shape)

    @property
    def is_constant(self) -> bool:
        return self.data is not None

    def constant(self) -> Values | None:
        """The value of a constant, shaped and typed; None for a tensor computed at run time.

        Raises ModelError when there are fewer bytes than shape and type need, UnsupportedError for a type whose
        elements are not whole bytes (INT4, STRING, …).
        """
        if self.data is None:
            return None
        dtype = self.dtype.numpy
        if dtype is None:
            raise UnsupportedError(f"tensor {self.name!r}: constants of type {self.dtype} cannot be read")
        expected = self.size * dtype.itemsize
        if self.data.nbytes < expected:
            raise ModelError(
                f"tensor {self.name!r}: shape {list(self.shape)} needs {expected} bytes, "
                f"its buffer has {self.data.nbytes}"
            )
        return self.data[:expected].view(dtype).reshape(self.shape)

    def parameters(self) -> Quantization:
        """The quantisation; ModelError when there is none or a scale is not a positive finite number."""
        params = self.quantization
        if params is None:
            raise ModelError(f"{self}: {self.dtype} tensor without a scale")
        if not (np.isfinite(params.scales).all() and (params.scales > 0).all()):
            bad = params.scales[~(np.isfinite(params.scales) & (params.scales > 0))][0]
            raise ModelError(f"{self}: scale {bad:g}, expected a positive finite number")
        return params

    def per_tensor(self) -> tuple[np.float32, int]:
        """(scale, zero point) of a tensor quantised as a whole; the zero point is in the type's range."""
        params = self.parameters()
        if len(params.scales) != 1:
            raise UnsupportedError(f"{self}: an activation has {len(params.scales)} scales, expected one")
        point = int(params.zero_points[0])
        if self.dtype.numpy is not None and np.issubdtype(self.dtype.numpy, np.integer):
            info = np.iinfo(self.dtype.numpy)
            if not info.min <= point <= info.max:
                raise ModelError(f"{self}: zero point {point} is outside {self.dtype}")
        return np.float32(params.scales[0]), point


@dataclass(eq=False, slots=True)
class Operator:
    """An operator, at `index` of subgraph `subgraph`.

    kind: the schema's name of a builtin one (`CONV_2D`), the custom code of another (`WP_CONV_2D`). inputs: None for
    one that is left out. options: the bytes that a custom operator is told, uint8[nbytes]. version: of the operator in
    the schema.
    """

    index: int
    kind: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    attributes: Attributes | None = None
    options: NDArray[np.uint8] = field(default_factory=lambda: NOTHING)
    is_custom: bool = False
    subgraph: int = 0
    version: int = 1

    def optional(self, position: int) -> Tensor | None:
        """An input that may be left out."""
        return self.inputs[position] if position < len(self.inputs) else None

    def inputs_given(self) -> Iterator[Tensor]:
        """The inputs that are not left out."""
        return (tensor for tensor in self.inputs if tensor is not None)

    def tensor(self, position: int) -> Tensor:
        """An input. ModelError where it is left out."""
        found = self.optional(position)
        if found is None:
            raise ModelError(f"input {position} is missing")
        return found

    def attributes_as(self, table: type[A]) -> A:
        """The attributes, which are of that class. ModelError where they are not."""
        if isinstance(self.attributes, table):
            return self.attributes
        found = "none" if self.attributes is None else self.attributes.table
        raise ModelError(f"options have type {found}, expected {table.__name__}")


@dataclass(eq=False, slots=True)
class Subgraph:
    """Operators in the order in which they run, and the tensors that they read and write."""

    tensors: list[Tensor]
    operators: list[Operator]
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    name: str = ""

    def computed(self) -> Iterator[Tensor]:
        """The inputs, and what operators write."""
        yield from self.inputs
        for operator in self.operators:
            yield from operator.outputs


@dataclass(eq=False, slots=True)
class Graph:
    """A model. The first subgraph is the one that runs; others are called by operators.

    metadata: the bytes of named entries, uint8[nbytes].
    """

    subgraphs: list[Subgraph]
    metadata: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)

    @property
    def main(self) -> Subgraph:
        return self.subgraphs[0]

    def operators(self) -> Iterator[Operator]:
        """Those of all subgraphs."""
        for subgraph in self.subgraphs:
            yield from subgraph.operators
