"""What an operator sees when it runs, and the table of operators.

An operator is a function `(context: OpContext) -> list[NDArray]`, registered under its schema name
(`CONV_2D`) or its custom code (`WP_CONV_2D`). Messages of errors it raises name tensors and facts only: the
interpreter puts the operator's name and index in front.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.schema import DTYPES, TYPE_NAMES, TensorType
from wpconvert.graph.arithmetic import Rounding
from wpconvert.graph.types import Quantization, element_count

T = TypeVar("T")


@dataclass(frozen=True)
class TensorInfo:
    """What the model declares about a tensor. is_variable: it keeps its value from one run to the next."""

    index: int
    name: str
    type: int
    shape: tuple[int, ...]
    quantization: Quantization | None
    is_constant: bool
    is_sparse: bool = False
    is_variable: bool = False

    def __str__(self) -> str:
        return f"tensor {self.index} {self.name!r}"

    @property
    def type_name(self) -> str:
        return TYPE_NAMES.get(self.type, str(self.type))

    @property
    def dtype(self) -> np.dtype[Any]:
        return DTYPES[self.type]

    @property
    def size(self) -> int:
        return element_count(self.shape)

    def parameters(self) -> Quantization:
        """The quantisation; ModelError when there is none or a scale is not a positive finite number."""
        params = self.quantization
        if params is None:
            raise ModelError(f"{self}: {self.type_name} without a scale")
        if not (np.isfinite(params.scales).all() and (params.scales > 0).all()):
            bad = params.scales[~(np.isfinite(params.scales) & (params.scales > 0))][0]
            raise ModelError(f"{self}: scale {bad:g}, expected a positive finite number")
        return params

    def per_tensor(self) -> tuple[np.float32, int]:
        """(scale, zero point) of a tensor quantised as a whole; the zero point is in the type's range."""
        params = self.parameters()
        if len(params.scales) != 1:
            raise UnsupportedError(f"{self}: {len(params.scales)} scales, expected one for an activation")
        point = int(params.zero_points[0])
        if np.issubdtype(self.dtype, np.integer):
            info = np.iinfo(self.dtype)
            if not info.min <= point <= info.max:
                raise ModelError(f"{self}: zero point {point} is outside {self.type_name}")
        return np.float32(params.scales[0]), point


@dataclass
class OpContext:
    """One operator of the model with the values of its inputs.

    `inputs` and `input_tensors` have one entry per input; both are None for an absent optional input (index
    −1). While an operator is checked (before any run) `inputs` holds constants only.
    """

    model: TfliteModel
    name: str
    index: int
    input_tensors: list[TensorInfo | None]
    output_tensors: list[TensorInfo]
    options: Any
    custom_options: bytes
    rounding: Rounding
    inputs: list[NDArray[Any] | None] = field(default_factory=list)
    _cache: dict[Any, Any] = field(default_factory=dict)

    def cached(self, build: Callable[[OpContext], T]) -> T:
        """`build(self)`, computed once per operator: for what depends on the model, never on activations."""
        if build not in self._cache:
            self._cache[build] = build(self)
        value: T = self._cache[build]
        return value

    def arity(self, inputs: int | tuple[int, int], outputs: int = 1) -> None:
        """Check the numbers of inputs (exact, or an inclusive range) and outputs."""
        low, high = (inputs, inputs) if isinstance(inputs, int) else inputs
        if not low <= len(self.input_tensors) <= high:
            wanted = str(low) if low == high else f"{low} to {high}"
            raise ModelError(f"{len(self.input_tensors)} inputs, expected {wanted}")
        if len(self.output_tensors) != outputs:
            raise ModelError(f"{len(self.output_tensors)} outputs, expected {outputs}")

    def tensor(self, position: int) -> TensorInfo:
        """The declaration of a required input."""
        info = self.input_tensors[position] if position < len(self.input_tensors) else None
        if info is None:
            raise ModelError(f"input {position} is missing")
        return info

    def optional(self, position: int) -> TensorInfo | None:
        return self.input_tensors[position] if position < len(self.input_tensors) else None

    def value(self, position: int) -> NDArray[Any]:
        """The value of a required input."""
        value = self.inputs[position] if position < len(self.inputs) else None
        if value is None:
            raise ModelError(f"input {position} has no value")
        return value

    def output(self, position: int = 0) -> TensorInfo:
        return self.output_tensors[position]

    def require_options(self, table: str) -> Any:
        """The builtin options, checked to be the schema table of that name (`Conv2DOptions`)."""
        found = type(self.options).__name__.removesuffix("T") if self.options is not None else "none"
        if found != table:
            raise ModelError(f"options are {found}, expected {table}")
        return self.options

    def constant(self, position: int, what: str) -> NDArray[Any]:
        """The value of an input that must be constant, because shapes depend on it."""
        info = self.tensor(position)
        if not info.is_constant:
            raise UnsupportedError(f"{what} ({info}) is computed at run time, expected a constant")
        return self.value(position)


Implementation = Callable[[OpContext], list[NDArray[Any]]]
Check = Callable[[OpContext], object]


@dataclass(frozen=True)
class Operator:
    """An implementation and the check that runs when an interpreter is constructed."""

    run: Implementation
    check: Check | None


OPERATORS: dict[str, Operator] = {}


def register(name: str, check: Check | None = None) -> Callable[[Implementation], Implementation]:
    """Decorator that registers an operator.

    `check` gets the context with constants only and raises UnsupportedError or ModelError; its result is
    ignored, so a function meant for `OpContext.cached` can serve.
    """

    def add(run: Implementation) -> Implementation:
        OPERATORS[name] = Operator(run, check)
        return run

    return add


def expect_type(info: TensorInfo, *types: int) -> None:
    """Raise UnsupportedError unless the tensor has one of the types."""
    if info.type not in types:
        wanted = " or ".join(TYPE_NAMES[t] for t in types)
        raise UnsupportedError(f"{info} is {info.type_name}, supported is {wanted}")


def expect_same_type(first: TensorInfo, second: TensorInfo) -> None:
    """Raise ModelError unless both tensors have the same type."""
    if first.type != second.type:
        raise ModelError(f"{first} is {first.type_name} but {second} is {second.type_name}")


def expect_shape(info: TensorInfo, shape: tuple[int, ...]) -> None:
    """Raise ModelError unless the tensor declares this shape."""
    if info.shape != shape:
        raise ModelError(f"{info} declares shape {list(info.shape)}, the operator computes {list(shape)}")


WORK_LIMIT = 1 << 38
"""Elementary operations that one operator may take: minutes, where real layers take milliseconds."""


def expect_work(operations: int) -> None:
    """Raise UnsupportedError when an operator would run for very long."""
    if operations > WORK_LIMIT:
        raise UnsupportedError(f"it takes {operations} operations, more than {WORK_LIMIT}")


def expect_rank(info: TensorInfo, rank: int) -> None:
    """Raise ModelError unless the tensor has this many dimensions."""
    if len(info.shape) != rank:
        raise ModelError(f"{info} has {len(info.shape)} dimensions, expected {rank}")


def expect_same_quantization(first: TensorInfo, second: TensorInfo) -> None:
    """Raise UnsupportedError unless two integer tensors share scale and zero point.

    For operators that move or compare values without rescaling them.
    """
    if first.type == TensorType.INT8 and first.per_tensor() != second.per_tensor():
        raise UnsupportedError(f"{first} and {second} differ in scale or zero point, which needs a rescaling kernel")
