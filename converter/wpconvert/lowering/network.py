"""What an ONNX model says, before it is a graph: operators in order, and quantisations that may still be open.

The quantisation of a tensor can come with a node long after the one that computes it: no tensor of the graph is made
before all nodes are read. Shapes and axes are ONNX's (NCHW); where the values lie in memory is decided when operators
are emitted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.graph.types import Shape


@dataclass(frozen=True)
class Quant:
    """real = scale · (q − zero_point) for int8 q; the zero point of a uint8 tensor is already shifted by −128."""

    scale: np.float32
    zero_point: int

    def rounded(self, real: NDArray[Any]) -> NDArray[np.int8]:
        """Real numbers as integers, halves to even, NaN the smallest as in ONNX Runtime."""
        with np.errstate(all="ignore"):
            steps = np.rint(np.asarray(real, np.float32) / self.scale) + np.float32(self.zero_point)
        integers: NDArray[np.int8] = np.fmin(np.fmax(steps, -128), 127).astype(np.int8)
        return integers

    def __str__(self) -> str:
        return f"scale {float(self.scale):.9g}, zero point {self.zero_point}"


@dataclass(eq=False)
class QuantCell:
    """A quantisation that becomes known later; tensors that hold the same values share one."""

    quant: Quant | None = None


@dataclass(eq=False)
class Activation:
    """A tensor computed at run time.

    `cell` is empty until a QuantizeLinear or a quantised operator tells the scale. `source` is the node that
    computes it, None for an input. `integers` is the ONNX model's name of the quantised values.
    """

    name: str
    shape: Shape
    cell: QuantCell
    source: Node | None = None
    integers: str = ""

    @property
    def quant(self) -> Quant:
        """The quantisation; UnsupportedError when nothing in the model gives one."""
        if self.cell.quant is not None:
            return self.cell.quant
        what = f"the input {self.name!r}" if self.source is None else f"the output {self.name!r} of {self.source}"
        raise UnsupportedError(
            f"{what} is computed in float32, with no QuantizeLinear after it; quantise that operator too"
        )

    @property
    def rank(self) -> int:
        return len(self.shape)


@dataclass(eq=False)
class Constant:
    """A constant: plain values, or integers with scales, one or one per slice of `axis`."""

    name: str
    values: NDArray[Any]
    scales: NDArray[np.float32] | None = None
    zero_points: NDArray[np.int64] | None = None
    axis: int = 0

    @property
    def shape(self) -> Shape:
        return tuple(self.values.shape)

    def spread(self, parameters: NDArray[Any]) -> NDArray[Any]:
        """Scales or zero points shaped to broadcast against the values."""
        if parameters.size == 1:
            return parameters.reshape(())
        return parameters.reshape([-1 if axis == self.axis else 1 for axis in range(self.values.ndim)])

    def integers(self, where: str) -> list[int]:
        """The values in the order of memory where they are plain integers; ModelError where they are not."""
        if self.values.dtype.kind not in "iu" or self.scales is not None:
            held = self.values.dtype.name if self.scales is None else "quantised"
            raise ModelError(f"{where} has {held} values, expected integers")
        return [int(value) for value in self.values.reshape(-1)]

    def centred(self) -> NDArray[np.int64]:
        """Integers without their zero point."""
        points = np.zeros(1, np.int64) if self.zero_points is None else self.zero_points
        centred: NDArray[np.int64] = np.subtract(self.values.astype(np.int64), self.spread(points), dtype=np.int64)
        return centred

    def real(self) -> NDArray[np.float64]:
        """The values as real numbers."""
        if self.scales is None:
            return self.values.astype(np.float64)
        return self.centred().astype(np.float64) * self.spread(self.scales).astype(np.float64)


Operand = Activation | Constant


@dataclass(eq=False)
class Node:
    """An operator under its name in the default ONNX domain, whatever form the file gives it.

    `settings` is what the operator's reader made of the attributes. `clamp` holds the real bounds that
    activations after the operator impose. on_integers: the ONNX operator works on quantised values as they are.
    origin: the ONNX operator where `op` is none.
    """

    op: str
    name: str
    inputs: list[Operand | None]
    settings: Any = None
    outputs: list[Activation] = field(default_factory=list)
    clamp: tuple[float, float] = (-np.inf, np.inf)
    on_integers: bool = False
    origin: str = ""

    def __str__(self) -> str:
        return f"node {self.name!r} ({self.origin or self.op})"

    @property
    def output(self) -> Activation:
        return self.outputs[0]

    def activation(self, position: int) -> Activation:
        """An input that is computed at run time."""
        operand = self.operand(position)
        if not isinstance(operand, Activation):
            raise UnsupportedError(f"{self}: input {position} is a constant, expected an activation")
        return operand

    def constant(self, position: int) -> Constant:
        """An input that must be constant."""
        operand = self.operand(position)
        if not isinstance(operand, Constant):
            raise UnsupportedError(f"{self}: input {position} is computed at run time, expected a constant")
        return operand

    def integers(self, position: int) -> list[int]:
        """An input that must be constant integers, such as axes or bounds."""
        return self.constant(position).integers(f"{self}: input {position}")

    def axis(self, axis: int, rank: int) -> int:
        """An axis of so many dimensions, which may be counted from the last, as one from 0 on."""
        if not -rank <= axis < rank:
            raise ModelError(f"{self}: axis {axis} is out of range for {rank} dimensions")
        return axis % rank

    def operand(self, position: int) -> Operand:
        operand = self.optional(position)
        if operand is None:
            raise ModelError(f"{self}: input {position} is missing")
        return operand

    def optional(self, position: int) -> Operand | None:
        return self.inputs[position] if position < len(self.inputs) else None


@dataclass
class Network:
    """What is read of a model; nodes in an order in which they can run."""

    inputs: list[Port]
    outputs: list[Port]
    nodes: list[Node]


@dataclass(frozen=True)
class Port:
    """An input or output of the ONNX model: its name and type (`float32`, `int8` or `uint8`) there."""

    name: str
    dtype: str
    activation: Activation
