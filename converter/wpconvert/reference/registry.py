"""What an operator sees when it runs, and the table of operators.

An operator is a function `(context: OpContext) -> list[NDArray]`, registered under its schema name
(`CONV_2D`) or its custom code (`WP_CONV_2D`). Messages of errors it raises name tensors and facts only: the
interpreter puts the operator's name and index in front.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, cast

import numpy as np

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.arithmetic import Rounding
from wpconvert.graph.attributes import Attributes
from wpconvert.graph.structure import Operator, Tensor
from wpconvert.graph.types import FLOAT32, INT8, INT32, DType, Values

A = TypeVar("A", bound=Attributes)
T = TypeVar("T")


@dataclass
class OpContext:
    """One operator of the model with the values of its inputs.

    `inputs` has one entry per input, None for one that is left out. While an operator is checked (before any run) it
    holds constants only.
    """

    operator: Operator
    rounding: Rounding
    inputs: list[Values | None] = field(default_factory=list)
    _cache: dict[object, object] = field(default_factory=dict)

    def cached(self, build: Callable[[OpContext], T]) -> T:
        """`build(self)`, computed once per operator: for what depends on the model, never on activations."""
        if build not in self._cache:
            self._cache[build] = build(self)
        return cast(T, self._cache[build])

    def arity(self, inputs: int | tuple[int, int], outputs: int = 1) -> None:
        """Check the numbers of inputs (exact, or an inclusive range) and outputs."""
        low, high = (inputs, inputs) if isinstance(inputs, int) else inputs
        given, made = len(self.operator.inputs), len(self.operator.outputs)
        if not low <= given <= high:
            wanted = str(low) if low == high else f"{low} to {high}"
            raise ModelError(f"{given} inputs, expected {wanted}")
        if made != outputs:
            raise ModelError(f"{made} outputs, expected {outputs}")

    def tensor(self, position: int) -> Tensor:
        """The declaration of a required input."""
        return self.operator.tensor(position)

    def optional(self, position: int) -> Tensor | None:
        return self.operator.optional(position)

    def output(self, position: int = 0) -> Tensor:
        return self.operator.outputs[position]

    def unary(self, reads: tuple[DType, ...] = (INT8,), gives: DType = INT8) -> tuple[Tensor, Tensor]:
        """Input and output of an operator that computes element by element; checks their types and shapes."""
        self.arity(1)
        x, y = self.tensor(0), self.output()
        expect_type(x, *reads)
        expect_type(y, gives)
        expect_shape(y, x.shape)
        return x, y

    def told(self, table: type[A]) -> A:
        """The attributes. ModelError where they are of another class."""
        return self.operator.attributes_as(table)

    def value(self, position: int) -> Values:
        """The value of a required input."""
        value = self.inputs[position] if position < len(self.inputs) else None
        if value is None:
            raise ModelError(f"input {position} has no value")
        return value

    def integers(self, position: int, what: str) -> list[int]:
        """The values of a constant int32 input."""
        expect_type(self.tensor(position), INT32)
        return [int(value) for value in self.constant(position, what).reshape(-1)]

    def constant(self, position: int, what: str) -> Values:
        """The value of an input that must be constant, because shapes depend on it."""
        info = self.tensor(position)
        if not info.is_constant:
            raise UnsupportedError(f"{what} ({info}) is computed at run time, expected a constant")
        return self.value(position)


Run = Callable[[OpContext], list[Values]]
Check = Callable[[OpContext], object]


@dataclass(frozen=True)
class Kernel:
    """An implementation and the check that runs when an interpreter is constructed."""

    run: Run
    check: Check | None


OPERATORS: dict[str, Kernel] = {}


def register(name: str, check: Check | None = None) -> Callable[[Run], Run]:
    """Decorator that registers an operator.

    `check` gets the context with constants only and raises UnsupportedError or ModelError; its result is
    ignored, so a function meant for `OpContext.cached` can serve.
    """

    def add(run: Run) -> Run:
        OPERATORS[name] = Kernel(run, check)
        return run

    return add


def expect_type(info: Tensor, *types: DType) -> None:
    """Raise UnsupportedError unless the tensor has one of the types."""
    if info.dtype not in types:
        wanted = " or ".join(map(str, types))
        raise UnsupportedError(f"{info} is {info.dtype}, supported is {wanted}")


def expect_same_type(first: Tensor, second: Tensor) -> None:
    """Raise ModelError unless both tensors have the same type."""
    if first.dtype is not second.dtype:
        raise ModelError(f"{first} is {first.dtype} but {second} is {second.dtype}")


def expect_copy(x: Tensor, y: Tensor) -> None:
    """Raise unless values of x, of a type that operators only move, can be those of y."""
    expect_type(x, INT8, INT32, FLOAT32)
    expect_same_type(x, y)


def expect_shape(info: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ModelError unless the tensor declares this shape."""
    if info.shape != shape:
        raise ModelError(f"{info} is declared with shape {list(info.shape)}, the operator computes {list(shape)}")


WORK_LIMIT = 1 << 38
"""Elementary operations that one operator may take: minutes, where real layers take milliseconds."""


def expect_work(operations: int) -> None:
    """Raise UnsupportedError when an operator would run for very long."""
    if operations > WORK_LIMIT:
        raise UnsupportedError(f"it needs {operations} operations, more than {WORK_LIMIT}")


def expect_rank(info: Tensor, rank: int) -> None:
    """Raise ModelError unless the tensor has this many dimensions."""
    if len(info.shape) != rank:
        raise ModelError(f"{info} has {len(info.shape)} dimensions, expected {rank}")


def expect_rank_at_most(info: Tensor, rank: int) -> None:
    """Raise UnsupportedError when the tensor has more dimensions."""
    if len(info.shape) > rank:
        raise UnsupportedError(f"{info} has {len(info.shape)} dimensions; supported: at most {rank}")


def expect_same_quantization(first: Tensor, second: Tensor) -> None:
    """Raise UnsupportedError unless two integer tensors share scale and zero point.

    For operators that move or compare values without rescaling them.
    """
    if first.dtype is INT8 and first.per_tensor() != second.per_tensor():
        raise UnsupportedError(f"{first} and {second} differ in scale or zero point, which needs a rescaling kernel")


def expect_scale(info: Tensor, steps: int, zero_point: int) -> None:
    """Raise UnsupportedError unless the tensor has scale 1/steps and this zero point, the only ones a kernel knows."""
    if info.per_tensor() != (np.float32(1 / steps), zero_point):
        raise UnsupportedError(f"{info}: expected scale 1/{steps} and zero point {zero_point}")
