"""The `.tflite` model of a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.formats.tflite.graph_fields import options_table
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.schema import (
    TYPE_NAMES,
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
)
from wpconvert.graph.structure import Graph, Operator, Subgraph, Tensor

_SCHEMA_VERSION = 3
_CODES = {name: code for code, name in TYPE_NAMES.items()}
_ESCAPE = 127
"""What the old field of an operator code holds where the code does not fit it."""


def write_graph(graph: Graph) -> TfliteModel:
    """A model with all of a graph. Equal constants share their bytes; variables and sparse tensors are not written."""
    return _Writer().model(graph)


class _Writer:
    def __init__(self) -> None:
        self._root = ModelT()
        self._root.version = _SCHEMA_VERSION
        self._root.buffers = [BufferT(data=[])]
        self._root.operatorCodes = []
        self._codes: dict[tuple[str, int], int] = {}
        self._buffers: dict[bytes, int] = {}

    def model(self, graph: Graph) -> TfliteModel:
        """The finished model."""
        self._root.subgraphs = [self._subgraph(subgraph) for subgraph in graph.subgraphs]
        self._root.metadata = [self._metadata(name, data) for name, data in graph.metadata.items()] or None
        return TfliteModel(self._root)

    def _subgraph(self, subgraph: Subgraph) -> Any:
        result = SubGraphT()
        result.name = subgraph.name
        result.tensors = [self._tensor(tensor) for tensor in subgraph.tensors]
        result.operators = [self._operator(operator) for operator in subgraph.operators]
        result.inputs, result.outputs = (_indices(ends) for ends in (subgraph.inputs, subgraph.outputs))
        return result

    def _tensor(self, tensor: Tensor) -> Any:
        result = TensorT()
        result.name = tensor.name
        result.shape = list(tensor.shape)
        result.type = _CODES[tensor.dtype.name]
        if tensor.quantization is not None:
            result.quantization = QuantizationParametersT()
            result.quantization.scale = tensor.quantization.scales
            result.quantization.zeroPoint = tensor.quantization.zero_points
            result.quantization.quantizedDimension = tensor.quantization.axis
        if tensor.data is not None:
            result.buffer = self._buffer(tensor.data)
        return result

    def _buffer(self, data: NDArray[np.uint8]) -> int:
        """A buffer with these bytes."""
        content = data.tobytes()
        if content not in self._buffers:
            self._root.buffers.append(BufferT(data=np.frombuffer(content, np.uint8)))
            self._buffers[content] = len(self._root.buffers) - 1
        return self._buffers[content]

    def _operator(self, operator: Operator) -> Any:
        result = OperatorT()
        result.opcodeIndex = self._code(operator)
        result.inputs, result.outputs = _indices(operator.inputs), _indices(operator.outputs)
        if operator.attributes is not None:
            result.builtinOptions = options_table(operator.attributes)
            result.builtinOptionsType = getattr(BuiltinOptions, operator.attributes.table)
        if operator.options.size:
            result.customOptions = operator.options
        return result

    def _code(self, operator: Operator) -> int:
        key = (operator.kind, operator.version)
        if key not in self._codes:
            code = OperatorCodeT()
            code.builtinCode = BuiltinOperator.CUSTOM if operator.is_custom else getattr(BuiltinOperator, operator.kind)
            if operator.is_custom:
                code.customCode = operator.kind
            code.deprecatedBuiltinCode = min(code.builtinCode, _ESCAPE)
            code.version = operator.version
            self._codes[key] = len(self._root.operatorCodes)
            self._root.operatorCodes.append(code)
        return self._codes[key]

    def _metadata(self, name: str, data: NDArray[np.uint8]) -> Any:
        entry = MetadataT()
        entry.name = name
        entry.buffer = self._buffer(data)
        return entry


def _indices(tensors: tuple[Tensor | None, ...]) -> list[int]:
    return [-1 if tensor is None else tensor.index for tensor in tensors]
