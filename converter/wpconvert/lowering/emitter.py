"""Builds the graph: tensors, operators, and activations in the layout that an operator wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wpconvert.graph.attributes import (
    NONE,
    Attributes,
    ConcatenationOptions,
    Fused,
    QuantizeOptions,
    ReshapeOptions,
    StridedSliceOptions,
    TransposeOptions,
)
from wpconvert.graph.custom.operators import LOOKUP, TABLE_ORDER
from wpconvert.graph.structure import Operator, Subgraph, Tensor
from wpconvert.graph.types import INT8, DType, Quantization, Shape, Values, dtype_of
from wpconvert.lowering import layout
from wpconvert.lowering.clamp import RELU_OPERATORS, clamp_bounds, fused_clamp
from wpconvert.lowering.layout import Perm, Storage
from wpconvert.lowering.network import Activation, Node, Quant

_VERSIONS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "HARD_SWISH": 1, "RESHAPE": 1, LOOKUP: 1}
"""The versions of operators whose int8 form is not version 2."""


class Emitter:
    """Collects tensors and operators; `stored` says where activations lie."""

    def __init__(self) -> None:
        self.graph = Subgraph([], [], name="main")
        self._indices: dict[tuple[int, ...], Tensor] = {}
        self._rescaled: dict[tuple[Tensor, Quant], Tensor] = {}
        self.stored: dict[Activation, list[Storage]] = {}

    def tensor(self, name: str, shape: Shape, quant: Quant) -> Tensor:
        """A new int8 tensor computed at run time."""
        return self._tensor(name, shape, INT8, _quantization([quant.scale], [quant.zero_point]))

    def _tensor(
        self,
        name: str,
        shape: Shape,
        dtype: DType,
        quantization: Quantization | None,
        data: NDArray[np.uint8] | None = None,
    ) -> Tensor:
        tensor = Tensor(len(self.graph.tensors), name, dtype, tuple(map(int, shape)), quantization, data)
        self.graph.tensors.append(tensor)
        return tensor

    def constant(
        self,
        name: str,
        values: Values,
        scales: NDArray[np.float32] | None = None,
        axis: int = 0,
        zero_point: int = 0,
    ) -> Tensor:
        """A constant int8 or int32 tensor; scales are one, or one per slice of `axis`."""
        quantization = None if scales is None else _quantization(scales, np.full(scales.size, zero_point), axis)
        data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        return self._tensor(name, values.shape, dtype_of(values), quantization, data)

    def indices(self, name: str, values: Sequence[int]) -> Tensor:
        """A constant int32 vector; equal ones share a tensor."""
        key = tuple(values)
        if key not in self._indices:
            self._indices[key] = self.constant(name, np.array(key, np.int32))
        return self._indices[key]

    def operator(
        self, name: str, inputs: Sequence[Tensor | None], output: Tensor, attributes: Attributes | None = None
    ) -> Tensor:
        """Append an operator; returns its output."""
        index, version = len(self.graph.operators), _VERSIONS.get(name, 2)
        operator = Operator(
            index, name, tuple(inputs), (output,), attributes, is_custom=name == LOOKUP, version=version
        )
        self.graph.operators.append(operator)
        return output

    # Activations

    def plain(self, activation: Activation) -> tuple[Tensor, Perm]:
        """A tensor that holds the activation, one axis in memory per axis of its shape, and their order."""
        storage = self.stored[activation][0]
        order = layout.order_of(storage, activation.shape)
        perm = layout.identity(activation.rank) if order is None else layout.completed(order, activation.shape)
        return self.laid_out(activation, perm), perm

    def laid_out(self, activation: Activation, perm: Perm) -> Tensor:
        """A tensor that holds the activation with its axes in that order."""
        shape = activation.shape
        wanted = layout.restricted(perm, shape)
        memory = tuple(shape[axis] for axis in perm)
        fitting = [storage for storage in self.stored[activation] if layout.order_of(storage, shape) == wanted]
        # Where one needs no RESHAPE, that one.
        for storage in sorted(fitting, key=lambda one: one.tensor.shape != memory)[:1]:
            return self._kept(activation, self.reshaped(activation, storage.tensor, memory), perm)
        for storage in self.stored[activation]:
            order = layout.order_of(storage, shape)
            if order is not None:
                source = layout.completed(order, shape)
                seen = tuple(shape[axis] for axis in source)
                tensor = self.reshaped(activation, storage.tensor, seen)
                axes = tuple(source.index(axis) for axis in perm)
                return self._kept(activation, self._transposed(activation, tensor, seen, axes), perm)
        found = layout.rearrangement(self.stored[activation][0], shape, perm)
        if found is None:
            self._row_major(activation)
            return self.laid_out(activation, perm)
        seen, axes = found
        tensor = self.reshaped(activation, self.stored[activation][0].tensor, seen)
        moved = self._transposed(activation, tensor, seen, axes)
        return self._kept(activation, self.reshaped(activation, moved, memory), perm)

    def _row_major(self, activation: Activation) -> None:
        """Store an activation also in the order of its elements, when no order of its axes describes its memory."""
        storage = self.stored[activation][0]
        back = tuple(storage.perm.index(axis) for axis in range(len(storage.base)))
        flat = self._transposed(activation, storage.tensor, storage.tensor.shape, back)
        seen = self.reshaped(activation, flat, activation.shape)
        self._kept(activation, seen, layout.identity(activation.rank))

    def _kept(self, activation: Activation, tensor: Tensor, perm: Perm) -> Tensor:
        storage = Storage(tensor, activation.shape, perm)
        if storage not in self.stored[activation]:
            self.stored[activation].append(storage)
        return tensor

    def reshaped(self, activation: Activation, tensor: Tensor, shape: Shape) -> Tensor:
        """The tensor of an activation, seen in another shape."""
        if tensor.shape == shape:
            return tensor
        target = self.indices(f"{activation.name}/shape", shape)
        output = self.tensor(f"{activation.name}/reshaped", shape, activation.quant)
        return self.operator("RESHAPE", [tensor, target], output, ReshapeOptions(tuple(map(int, shape))))

    def _transposed(self, activation: Activation, tensor: Tensor, shape: Shape, axes: Perm) -> Tensor:
        order = self.indices(f"{activation.name}/order", axes)
        moved = tuple(shape[axis] for axis in axes)
        output = self.tensor(f"{activation.name}/transposed", moved, activation.quant)
        return self.operator("TRANSPOSE", [tensor, order], output, TransposeOptions())

    def rescaled(self, name: str, tensor: Tensor, quant: Quant) -> Tensor:
        """The tensor with another quantisation: itself where that is its own. Made once."""
        if Quant(*tensor.per_tensor()) == quant:
            return tensor
        if (tensor, quant) not in self._rescaled:
            output = self.tensor(f"{name}/rescaled", tensor.shape, quant)
            self._rescaled[tensor, quant] = self.operator("QUANTIZE", [tensor], output, QuantizeOptions())
        return self._rescaled[tensor, quant]

    def sliced(self, name: str, tensor: Tensor, start: Sequence[int], steps: Sequence[int], shape: Shape) -> Tensor:
        """The part of a tensor that begins at `start`, every `steps`-th element."""
        ends = [first + (length - 1) * step + 1 for first, length, step in zip(start, shape, steps, strict=True)]
        output = self._tensor(f"{name}/sliced", shape, INT8, tensor.quantization)
        bounds = [self.indices(f"{name}/slice", values) for values in (start, ends, steps)]
        return self.operator("STRIDED_SLICE", [tensor, *bounds], output, StridedSliceOptions())

    def result(
        self,
        node: Node,
        name: str,
        inputs: Sequence[Tensor | None],
        perm: Perm,
        attributes: Attributes | None = None,
        base: Shape | None = None,
    ) -> None:
        """The operator that computes a node's output, clamped as that says, in the order `perm` of the axes of `base`.

        base: a shape of as many elements as the output's, which it is by default.
        """
        activation = node.output
        fusing = isinstance(attributes, Fused) and not isinstance(attributes, ConcatenationOptions)
        clamp = fused_clamp(clamp_bounds(node, activation.quant), activation.quant) if fusing else None
        if clamp is not None and isinstance(attributes, Fused):
            attributes = replace(attributes, fused_activation_function=clamp)
        base = base or activation.shape
        shape = tuple(base[axis] for axis in perm)
        output = self.operator(name, inputs, self.tensor(activation.name, shape, activation.quant), attributes)
        if clamp is None:
            output = self._clamped(node, output)
        self.stored[activation] = [Storage(output, base, perm)]

    def alias(self, node: Node, storages: Sequence[Storage]) -> None:
        """A node whose output is its input's memory; only a clamp needs an operator."""
        clamped = [self._clamped(node, storage.tensor) for storage in storages[:1]]
        if clamped == [storages[0].tensor]:
            self.stored[node.output] = list(storages)
        else:
            self.stored[node.output] = [Storage(clamped[0], storages[0].base, storages[0].perm)]

    def _clamped(self, node: Node, tensor: Tensor) -> Tensor:
        """A tensor of a node's output with the node's clamp."""
        quant = node.output.quant
        bounds = clamp_bounds(node, quant)
        clamp = fused_clamp(bounds, quant)
        if clamp == NONE:
            return tensor
        name = f"{node.output.name}/clamped"
        if clamp is None or clamp not in RELU_OPERATORS:
            return self.looked_up(name, tensor, np.arange(-128, 128).clip(*bounds).astype(np.int8), quant)
        return self.operator(clamp, [tensor], self.tensor(name, tensor.shape, quant))

    def looked_up(self, name: str, tensor: Tensor, table: NDArray[np.int8], quant: Quant) -> Tensor:
        """WP_LOOKUP: outputs for inputs −128 … 127, of that quantisation."""
        entries = self.constant(f"{name}/table", table[TABLE_ORDER.astype(np.int16) + 128])
        output = self.tensor(name, tensor.shape, quant)
        return self.operator(LOOKUP, [tensor, entries], output)

    def relabelled(self, name: str, tensor: Tensor, quant: Quant) -> Tensor:
        """The same integers with another meaning: RESHAPE copies them as they are."""
        if Quant(*tensor.per_tensor()) == quant:
            return tensor
        target = self.indices(f"{name}/shape", tensor.shape)
        output = self.tensor(name, tensor.shape, quant)
        return self.operator("RESHAPE", [tensor, target], output, ReshapeOptions(tensor.shape))


def _quantization(scales: ArrayLike, points: ArrayLike, axis: int = 0) -> Quantization:
    return Quantization(np.asarray(scales, np.float32).reshape(-1), np.asarray(points, np.int64), axis)
