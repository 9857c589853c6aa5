"""Builds the `.tflite` model: tensors, operators, and activations in the layout that an operator wants."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.schema import (
    DTYPES,
    ActivationFunctionType,
    BufferT,
    BuiltinOperator,
    BuiltinOptions,
    MetadataT,
    ModelT,
    OperatorCodeT,
    OperatorT,
    QuantizationParametersT,
    SubGraphT,
    TensorT,
    options,
)
from wpconvert.graph.custom.operators import LOOKUP, TABLE_ORDER
from wpconvert.lowering import layout
from wpconvert.lowering.clamp import RELU_OPERATORS, clamp_bounds, fused_clamp
from wpconvert.lowering.graph import Activation, Node, Quant, Shape
from wpconvert.lowering.layout import Perm, Storage

_TYPES = {dtype: kind for kind, dtype in DTYPES.items()}

_VERSIONS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "HARD_SWISH": 1, "RESHAPE": 1, LOOKUP: 1}
"""The versions of operators whose int8 form is not version 2."""

_FUSING = frozenset(
    {"ADD", "AVERAGE_POOL_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "MUL", "SUB"}
)
"""Operators with a fused activation."""


class Emitter:
    """Collects tensors and operators; `stored` says where activations lie."""

    def __init__(self) -> None:
        self._model = ModelT()
        self._model.version = 3
        self._model.buffers = [BufferT(data=[])]
        self._model.operatorCodes = []
        self._codes: dict[str, int] = {}
        self._buffers: dict[bytes, int] = {}
        self._indices: dict[tuple[int, ...], int] = {}
        self._rescaled: dict[tuple[int, Quant], int] = {}
        self.graph = SubGraphT()
        self.graph.name = "main"
        self.graph.tensors = []
        self.graph.operators = []
        self._model.subgraphs = [self.graph]
        self.stored: dict[Activation, list[Storage]] = {}

    def tensor(self, name: str, shape: Shape, quant: Quant) -> int:
        """A new int8 tensor computed at run time."""
        return self._tensor(name, shape, np.dtype(np.int8), [quant.scale], [quant.zero_point])

    def _tensor(
        self, name: str, shape: Shape, dtype: np.dtype[Any], scales: ArrayLike | None, points: ArrayLike, axis: int = 0
    ) -> int:
        tensor = TensorT()
        tensor.name = name
        tensor.shape = list(shape)
        tensor.type = _TYPES[dtype]
        if scales is not None:
            tensor.quantization = QuantizationParametersT()
            tensor.quantization.scale = np.asarray(scales, np.float32)
            tensor.quantization.zeroPoint = np.asarray(points, np.int64)
            tensor.quantization.quantizedDimension = axis
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def constant(
        self,
        name: str,
        values: NDArray[Any],
        scales: NDArray[np.float32] | None = None,
        axis: int = 0,
        zero_point: int = 0,
    ) -> int:
        """A constant int8 or int32 tensor; scales are one, or one per slice of `axis`."""
        points = None if scales is None else np.full(scales.size, zero_point)
        index = self._tensor(name, values.shape, values.dtype, scales, points if points is not None else 0, axis)
        self.graph.tensors[index].buffer = self._buffer(np.ascontiguousarray(values).tobytes())
        return index

    def indices(self, name: str, values: Sequence[int]) -> int:
        """A constant int32 vector; equal ones share a tensor."""
        key = tuple(values)
        if key not in self._indices:
            self._indices[key] = self.constant(name, np.array(key, np.int32))
        return self._indices[key]

    def _buffer(self, data: bytes) -> int:
        """A buffer with these bytes; weights that several operators share take one."""
        if data not in self._buffers:
            self._model.buffers.append(BufferT(data=np.frombuffer(data, np.uint8)))
            self._buffers[data] = len(self._model.buffers) - 1
        return self._buffers[data]

    def operator(self, name: str, inputs: Sequence[int], output: int, op_options: Any = None) -> int:
        """Append an operator; returns its output."""
        operator = OperatorT()
        operator.opcodeIndex = self._code(name)
        operator.inputs = list(inputs)
        operator.outputs = [output]
        if op_options is not None:
            operator.builtinOptions = op_options
            operator.builtinOptionsType = getattr(BuiltinOptions, type(op_options).__name__.removesuffix("T"))
        self.graph.operators.append(operator)
        return output

    def _code(self, name: str) -> int:
        if name not in self._codes:
            code = OperatorCodeT()
            code.builtinCode = getattr(BuiltinOperator, name, BuiltinOperator.CUSTOM)
            if name == LOOKUP:
                code.customCode = name
            # Values that the old field cannot hold are marked there by 127.
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)
            code.version = _VERSIONS.get(name, 2)
            self._codes[name] = len(self._model.operatorCodes)
            self._model.operatorCodes.append(code)
        return self._codes[name]

    # Activations

    def plain(self, activation: Activation) -> tuple[int, Perm]:
        """A tensor that holds the activation, one axis in memory per axis of its shape, and their order."""
        storage = self.stored[activation][0]
        order = layout.order_of(storage, activation.shape)
        perm = layout.identity(activation.rank) if order is None else layout.completed(order, activation.shape)
        return self.laid_out(activation, perm), perm

    def laid_out(self, activation: Activation, perm: Perm) -> int:
        """A tensor that holds the activation with its axes in that order."""
        shape = activation.shape
        wanted = layout.restricted(perm, shape)
        memory = tuple(shape[axis] for axis in perm)
        fitting = [storage for storage in self.stored[activation] if layout.order_of(storage, shape) == wanted]
        # Where one needs no RESHAPE, that one.
        for storage in sorted(fitting, key=lambda one: tuple(self.graph.tensors[one.tensor].shape) != memory)[:1]:
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
        flat = self._transposed(activation, storage.tensor, storage.shape, back)
        seen = self.reshaped(activation, flat, activation.shape)
        self._kept(activation, seen, layout.identity(activation.rank))

    def _kept(self, activation: Activation, tensor: int, perm: Perm) -> int:
        storage = Storage(tensor, activation.shape, perm)
        if storage not in self.stored[activation]:
            self.stored[activation].append(storage)
        return tensor

    def reshaped(self, activation: Activation, tensor: int, shape: Shape) -> int:
        """The tensor of an activation, seen in another shape."""
        if tuple(self.graph.tensors[tensor].shape) == shape:
            return tensor
        target = self.indices(f"{activation.name}/shape", shape)
        output = self.tensor(f"{activation.name}/reshaped", shape, activation.quant)
        return self.operator("RESHAPE", [tensor, target], output, options("ReshapeOptions", newShape=list(shape)))

    def _transposed(self, activation: Activation, tensor: int, shape: Shape, axes: Perm) -> int:
        order = self.indices(f"{activation.name}/order", axes)
        moved = tuple(shape[axis] for axis in axes)
        output = self.tensor(f"{activation.name}/transposed", moved, activation.quant)
        return self.operator("TRANSPOSE", [tensor, order], output, options("TransposeOptions"))

    def rescaled(self, name: str, tensor: int, quant: Quant) -> int:
        """The tensor with another quantisation: itself where that is its own. Made once."""
        if self._quant(tensor) == quant:
            return tensor
        if (tensor, quant) not in self._rescaled:
            output = self.tensor(f"{name}/rescaled", tuple(self.graph.tensors[tensor].shape), quant)
            self._rescaled[tensor, quant] = self.operator("QUANTIZE", [tensor], output, options("QuantizeOptions"))
        return self._rescaled[tensor, quant]

    def sliced(self, name: str, tensor: int, start: Sequence[int], steps: Sequence[int], shape: Shape) -> int:
        """The part of a tensor that begins at `start`, every `steps`-th element."""
        ends = [first + (length - 1) * step + 1 for first, length, step in zip(start, shape, steps, strict=True)]
        held = self.graph.tensors[tensor].quantization
        output = self._tensor(f"{name}/sliced", shape, np.dtype(np.int8), held.scale, held.zeroPoint)
        bounds = [self.indices(f"{name}/slice", values) for values in (start, ends, steps)]
        return self.operator("STRIDED_SLICE", [tensor, *bounds], output, options("StridedSliceOptions"))

    def result(self, node: Node, name: str, inputs: Sequence[int], perm: Perm, op_options: Any = None) -> None:
        """The operator that computes a node's output in the order `perm`, clamped as the node says."""
        self.result_in(node, name, inputs, Storage(-1, node.output.shape, perm), op_options)

    def result_in(self, node: Node, name: str, inputs: Sequence[int], where: Storage, op_options: Any = None) -> None:
        """The same for an output whose memory is described by `where`; its tensor is made here."""
        activation = node.output
        clamp = fused_clamp(clamp_bounds(node, activation.quant), activation.quant) if name in _FUSING else None
        if clamp is not None:
            op_options.fusedActivationFunction = clamp
        output = self.operator(name, inputs, self.tensor(activation.name, where.shape, activation.quant), op_options)
        if clamp is None:
            output = self._clamped(node, output)
        self.stored[activation] = [Storage(output, where.base, where.perm)]

    def alias(self, node: Node, storages: Sequence[Storage]) -> None:
        """A node whose output is its input's memory; only a clamp needs an operator."""
        clamped = [self._clamped(node, storage.tensor) for storage in storages[:1]]
        if clamped == [storages[0].tensor]:
            self.stored[node.output] = list(storages)
        else:
            self.stored[node.output] = [Storage(clamped[0], storages[0].base, storages[0].perm)]

    def _clamped(self, node: Node, tensor: int) -> int:
        """A tensor of a node's output with the node's clamp."""
        quant = node.output.quant
        bounds = clamp_bounds(node, quant)
        clamp = fused_clamp(bounds, quant)
        if clamp == ActivationFunctionType.NONE:
            return tensor
        name = f"{node.output.name}/clamped"
        if clamp is None or clamp not in RELU_OPERATORS:
            return self.looked_up(name, tensor, np.arange(-128, 128).clip(*bounds).astype(np.int8), quant)
        shape = tuple(self.graph.tensors[tensor].shape)
        return self.operator(RELU_OPERATORS[clamp], [tensor], self.tensor(name, shape, quant))

    def looked_up(self, name: str, tensor: int, table: NDArray[np.int8], quant: Quant) -> int:
        """WP_LOOKUP: outputs for inputs −128 … 127, of that quantisation."""
        entries = self.constant(f"{name}/table", table[TABLE_ORDER.astype(np.int16) + 128])
        output = self.tensor(name, tuple(self.graph.tensors[tensor].shape), quant)
        return self.operator(LOOKUP, [tensor, entries], output)

    def relabelled(self, name: str, tensor: int, quant: Quant) -> int:
        """The same integers with another meaning: RESHAPE copies them as they are."""
        if self._quant(tensor) == quant:
            return tensor
        shape = tuple(self.graph.tensors[tensor].shape)
        target = self.indices(f"{name}/shape", shape)
        output = self.tensor(name, shape, quant)
        return self.operator("RESHAPE", [tensor, target], output, options("ReshapeOptions", newShape=list(shape)))

    def _quant(self, tensor: int) -> Quant:
        held = self.graph.tensors[tensor].quantization
        return Quant(np.float32(held.scale[0]), int(held.zeroPoint[0]))

    def metadata(self, name: str, content: Any) -> None:
        """A metadata entry of JSON."""
        entry = MetadataT()
        entry.name = name
        entry.buffer = self._buffer(json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode())
        self._model.metadata = [*(self._model.metadata or []), entry]

    def model(self, inputs: Sequence[int], outputs: Sequence[int]) -> TfliteModel:
        """The finished model."""
        self.graph.inputs = list(inputs)
        self.graph.outputs = list(outputs)
        return TfliteModel(self._model)
