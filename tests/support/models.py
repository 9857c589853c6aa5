"""Builds small `.tflite` models in code.

    b = ModelBuilder()
    x = b.input((1, 8, 8, 3), scale=0.5, zero_point=-3)
    y = b.conv2d(x, weights, bias, stride=(2, 2), scale=0.7, weight_scales=[0.01] * 16)
    b.output(y)
    model = b.build()

A tensor is an int, its index in the subgraph. Operators return their output tensor; where a weight or bias is
wanted, an array makes a constant and an int names an existing tensor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wpconvert.formats.tflite.file import serialise
from wpconvert.formats.tflite.model import TfliteModel, shape_of
from wpconvert.formats.tflite.schema import (
    DTYPES,
    ActivationFunctionType,
    BufferT,
    BuiltinOperator,
    BuiltinOptions,
    CustomOptionsFormat,
    MetadataT,
    ModelT,
    OperatorCodeT,
    OperatorT,
    Padding,
    QuantizationParametersT,
    SubGraphT,
    TensorT,
    options,
)

Pair = tuple[int, int]

_TYPES = {dtype: kind for kind, dtype in DTYPES.items()}


def out_size(size: int, window: int, stride: int, padding: str, dilation: int = 1) -> int:
    """Output length of a sliding window along one axis; 0 or less when the window does not fit."""
    if padding == "SAME":
        return -(-size // stride)
    return (size - (window - 1) * dilation - 1) // stride + 1


class ModelBuilder:
    """Collects tensors and operators of the main subgraph, and of others."""

    def __init__(self, description: str = "test model") -> None:
        self._model = ModelT()
        self._model.version = 3
        self._model.description = description
        self._model.buffers = [BufferT(data=[])]
        self._model.operatorCodes = []
        self._model.metadata = []
        self._codes: dict[tuple[str, int, bool], int] = {}
        self.graph = SubGraphT()
        self.graph.name = "main"
        self.graph.tensors = []
        self.graph.operators = []
        self.graph.inputs = []
        self.graph.outputs = []
        self._model.subgraphs = [self.graph]

    @contextmanager
    def subgraph(self, name: str) -> Iterator[int]:
        """Another subgraph, whose number this gives: tensors and operators that are added meanwhile are its own."""
        main, self.graph = self.graph, SubGraphT()
        self.graph.name = name
        self.graph.tensors, self.graph.operators, self.graph.inputs, self.graph.outputs = [], [], [], []
        self._model.subgraphs.append(self.graph)
        yield len(self._model.subgraphs) - 1
        self.graph = main

    # Tensors

    def tensor(
        self,
        shape: Sequence[int],
        dtype: str | np.dtype[Any] = "int8",
        scale: ArrayLike | None = None,
        zero_point: ArrayLike = 0,
        name: str | None = None,
        *,
        axis: int = 0,
        buffer: int = 0,
    ) -> int:
        """A tensor computed at run time (or, with `buffer`, one that shares an existing buffer)."""
        tensor = TensorT()
        index = len(self.graph.tensors)
        tensor.name = name or f"tensor_{index}"
        tensor.shape = [int(d) for d in shape]
        tensor.type = _TYPES[np.dtype(dtype)]
        tensor.buffer = buffer
        if scale is not None:
            scales = np.atleast_1d(np.asarray(scale, dtype=np.float32))
            points = np.broadcast_to(np.asarray(zero_point, dtype=np.int64), scales.shape)
            tensor.quantization = QuantizationParametersT()
            tensor.quantization.scale = scales
            tensor.quantization.zeroPoint = points.copy()
            tensor.quantization.quantizedDimension = axis
        self.graph.tensors.append(tensor)
        return index

    def input(
        self,
        shape: Sequence[int],
        scale: float | None = None,
        zero_point: int = 0,
        dtype: str = "int8",
        name: str | None = None,
    ) -> int:
        """An input of the model."""
        index = self.tensor(shape, dtype, scale, zero_point, name or f"input_{len(self.graph.inputs)}")
        self.graph.inputs.append(index)
        return index

    def buffer(self, data: bytes) -> int:
        """A new buffer; returns its index."""
        self._model.buffers.append(BufferT(data=np.frombuffer(data, dtype=np.uint8)))
        return len(self._model.buffers) - 1

    def constant(
        self,
        array: ArrayLike,
        scales: ArrayLike | None = None,
        zero_points: ArrayLike = 0,
        axis: int = 0,
        name: str | None = None,
    ) -> int:
        """A constant tensor with the array's type and shape; an array of Python ints becomes int32."""
        value = np.asarray(array)
        if value.dtype == np.int64 and not isinstance(array, np.ndarray):
            value = value.astype(np.int32)
        data = np.ascontiguousarray(value).tobytes()
        return self.tensor(value.shape, value.dtype, scales, zero_points, name, axis=axis, buffer=self.buffer(data))

    def output(self, *tensors: int) -> None:
        """Outputs of the model."""
        self.graph.outputs.extend(tensors)

    def shape(self, tensor: int) -> tuple[int, ...]:
        return shape_of(self.graph.tensors[tensor])

    def scale(self, tensor: int) -> np.float32:
        """The (first) scale of a tensor."""
        return np.float32(self.graph.tensors[tensor].quantization.scale[0])

    # Operators

    def op(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        op_options: Any = None,
        *,
        custom_options: bytes | None = None,
        version: int = 1,
    ) -> int:
        """Append an operator, a custom one when the schema does not know the name. Returns outputs[0]."""
        operator = OperatorT()
        operator.opcodeIndex = self._code(name, version)
        operator.inputs = list(inputs)
        operator.outputs = list(outputs)
        if op_options is not None:
            operator.builtinOptions = op_options
            operator.builtinOptionsType = getattr(BuiltinOptions, type(op_options).__name__.removesuffix("T"))
        if custom_options is not None:
            operator.customOptions = np.frombuffer(custom_options, dtype=np.uint8)
            operator.customOptionsFormat = CustomOptionsFormat.FLEXBUFFERS
        self.graph.operators.append(operator)
        return outputs[0]

    def _code(self, name: str, version: int) -> int:
        builtin = getattr(BuiltinOperator, name, None)
        key = (name, version, builtin is None)
        if key not in self._codes:
            code = OperatorCodeT()
            code.builtinCode = BuiltinOperator.CUSTOM if builtin is None else builtin
            # Schema 3a: values that do not fit into the old field are marked by its placeholder 127.
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)
            code.customCode = name if builtin is None else None
            code.version = version
            self._codes[key] = len(self._model.operatorCodes)
            self._model.operatorCodes.append(code)
        return self._codes[key]

    def _weights(self, w: int | NDArray[np.int8], scales: ArrayLike, axis: int, name: str | None) -> int:
        return w if isinstance(w, int) else self.constant(w, scales, 0, axis, name)

    def _bias(self, bias: int | ArrayLike | None, x: int, w: int, name: str | None) -> list[int]:
        if bias is None:
            return []
        if isinstance(bias, int):
            return [bias]
        scales = self.scale(x) * np.asarray(self.graph.tensors[w].quantization.scale, dtype=np.float32)
        return [self.constant(np.asarray(bias, dtype=np.int32), scales, 0, 0, name)]

    def conv2d(
        self,
        x: int,
        w: int | NDArray[np.int8],
        bias: int | ArrayLike | None = None,
        *,
        scale: float = 1.0,
        zero_point: int = 0,
        weight_scales: ArrayLike = 1.0,
        stride: Pair = (1, 1),
        padding: str = "SAME",
        dilation: Pair = (1, 1),
        activation: str = "NONE",
        name: str = "conv",
    ) -> int:
        """int8 CONV_2D, weights [out_channels, kernel_h, kernel_w, in_channels]; pairs: (height, width)."""
        weights = self._weights(w, weight_scales, 0, f"{name}/weights")
        kernel = self.shape(weights)
        op_options = options(
            "Conv2DOptions",
            strideH=stride[0],
            strideW=stride[1],
            padding=getattr(Padding, padding),
            dilationHFactor=dilation[0],
            dilationWFactor=dilation[1],
            fusedActivationFunction=getattr(ActivationFunctionType, activation),
        )
        shape = self._window(x, kernel[1:3], kernel[0], stride=stride, padding=padding, dilation=dilation)
        y = self.tensor(shape, "int8", scale, zero_point, name)
        inputs = [x, weights, *self._bias(bias, x, weights, f"{name}/bias")]
        return self.op("CONV_2D", inputs, [y], op_options, version=3)

    def depthwise(
        self,
        x: int,
        w: int | NDArray[np.int8],
        bias: int | ArrayLike | None = None,
        *,
        scale: float = 1.0,
        zero_point: int = 0,
        weight_scales: ArrayLike = 1.0,
        stride: Pair = (1, 1),
        padding: str = "SAME",
        dilation: Pair = (1, 1),
        activation: str = "NONE",
        name: str = "depthwise",
    ) -> int:
        """int8 DEPTHWISE_CONV_2D, weights [1, kernel_h, kernel_w, out_channels]; pairs: (height, width)."""
        weights = self._weights(w, weight_scales, 3, f"{name}/weights")
        kernel = self.shape(weights)
        op_options = options(
            "DepthwiseConv2DOptions",
            strideH=stride[0],
            strideW=stride[1],
            padding=getattr(Padding, padding),
            dilationHFactor=dilation[0],
            dilationWFactor=dilation[1],
            depthMultiplier=kernel[3] // self.shape(x)[3],
            fusedActivationFunction=getattr(ActivationFunctionType, activation),
        )
        shape = self._window(x, kernel[1:3], kernel[3], stride=stride, padding=padding, dilation=dilation)
        y = self.tensor(shape, "int8", scale, zero_point, name)
        inputs = [x, weights, *self._bias(bias, x, weights, f"{name}/bias")]
        return self.op("DEPTHWISE_CONV_2D", inputs, [y], op_options, version=3)

    def fully_connected(
        self,
        x: int,
        w: int | NDArray[np.int8],
        bias: int | ArrayLike | None = None,
        *,
        scale: float = 1.0,
        zero_point: int = 0,
        weight_scales: ArrayLike = 1.0,
        activation: str = "NONE",
        keep_dims: bool = False,
        name: str = "dense",
    ) -> int:
        """int8 FULLY_CONNECTED with weights [units, depth]."""
        weights = self._weights(w, weight_scales, 0, f"{name}/weights")
        units, depth = self.shape(weights)
        batch = int(np.prod(self.shape(x))) // depth
        op_options = options(
            "FullyConnectedOptions",
            fusedActivationFunction=getattr(ActivationFunctionType, activation),
            keepNumDims=keep_dims,
        )
        shape = (*self.shape(x)[:-1], units) if keep_dims else (batch, units)
        y = self.tensor(shape, "int8", scale, zero_point, name)
        # LiteRT takes exactly three inputs here; -1 is an absent bias.
        inputs = [x, weights, *(self._bias(bias, x, weights, f"{name}/bias") or [-1])]
        return self.op("FULLY_CONNECTED", inputs, [y], op_options, version=4)

    def reshape(self, x: int, shape: Sequence[int], name: str = "reshape") -> int:
        """RESHAPE to a constant shape, keeping type and quantisation."""
        target = self.constant(np.asarray(shape, dtype=np.int32), name=f"{name}/shape")
        y = self.like(x, shape, name)
        return self.op("RESHAPE", [x, target], [y], options("ReshapeOptions", newShape=[int(d) for d in shape]))

    def like(self, x: int, shape: Sequence[int] | None = None, name: str | None = None) -> int:
        """A run-time tensor with the type and quantisation of x."""
        tensor = self.graph.tensors[x]
        params = tensor.quantization
        return self.tensor(
            self.shape(x) if shape is None else shape,
            DTYPES[tensor.type],
            None if params is None else params.scale,
            0 if params is None else params.zeroPoint,
            name,
        )

    def _window(
        self, x: int, kernel: Sequence[int], channels: int, *, stride: Pair, padding: str, dilation: Pair
    ) -> tuple[int, int, int, int]:
        batch, height, width, _ = self.shape(x)
        return (
            batch,
            out_size(height, kernel[0], stride[0], padding, dilation[0]),
            out_size(width, kernel[1], stride[1], padding, dilation[1]),
            channels,
        )

    # The model

    def metadata(self, name: str, data: bytes) -> None:
        """A metadata entry with its own buffer."""
        entry = MetadataT()
        entry.name = name
        entry.buffer = self.buffer(data)
        self._model.metadata.append(entry)

    def build(self) -> TfliteModel:
        """The model; later calls of the builder still change it."""
        return TfliteModel(self._model)

    def to_bytes(self) -> bytes:
        """The model as a `.tflite` file."""
        return serialise(self.build())
