"""The graph in a `.tflite` model."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.errors import ModelError
from wpconvert.formats.tflite.graph_fields import attributes_of
from wpconvert.formats.tflite.model import TfliteModel, quantization_of, shape_of, text
from wpconvert.formats.tflite.schema import TYPE_NAMES
from wpconvert.graph.structure import NOTHING, Graph, Operator, Subgraph, Tensor
from wpconvert.graph.types import DTYPES, DType

_OF_CODE = {code: DTYPES[name] for code, name in TYPE_NAMES.items()}


def read_graph(model: TfliteModel) -> Graph:
    """The model as it is now. Constants are views of its buffers.

    ModelError for an index of no tensor, and where a tensor has neither one zero point nor one for each scale.
    """
    entries = {text(entry.name): entry.buffer for entry in reversed(model.root.metadata or [])}
    metadata = {name: _bytes(model.root.buffers[buffer].data) for name, buffer in entries.items()}
    return Graph([_Reader(model, number).subgraph() for number in range(len(model.root.subgraphs))], metadata)


def read_operator(model: TfliteModel, subgraph: int, index: int) -> Operator:
    """One operator with its tensors."""
    return _Reader(model, subgraph).operator(index)


def read_tensor(model: TfliteModel, subgraph: int, index: int) -> Tensor:
    """One tensor."""
    return _Reader(model, subgraph).tensor(index)


class _Reader:
    """Reads one subgraph, each tensor once."""

    def __init__(self, model: TfliteModel, number: int) -> None:
        self._model, self._number = model, number
        self._graph = model.root.subgraphs[number]
        self._tensors: dict[int, Tensor] = {}

    def subgraph(self) -> Subgraph:
        """The whole of it."""
        graph = self._graph
        return Subgraph(
            [self.tensor(index) for index in range(len(graph.tensors or []))],
            [self.operator(index) for index in range(len(graph.operators or []))],
            tuple(map(self.tensor, _indices(graph.inputs))),
            tuple(map(self.tensor, _indices(graph.outputs))),
            text(graph.name),
        )

    def operator(self, index: int) -> Operator:
        """An operator."""
        operator = self._graph.operators[index]
        return Operator(
            index,
            self._model.operator_name(operator),
            tuple(None if tensor < 0 else self.tensor(tensor) for tensor in _indices(operator.inputs)),
            tuple(map(self.tensor, _indices(operator.outputs))),
            attributes_of(operator.builtinOptions),
            _bytes(operator.customOptions),
            self._model.is_custom(operator),
            self._number,
            int(self._model.operator_code(operator).version),
        )

    def tensor(self, index: int) -> Tensor:
        """A tensor."""
        if (known := self._tensors.get(index)) is not None:
            return known
        if not 0 <= index < len(self._graph.tensors or []):
            raise ModelError(f"subgraph {self._number} has no tensor {index}")
        tensor = self._graph.tensors[index]
        data = self._model.buffer(tensor)
        if data is not None and data.nbytes == 0 and index in self._computed:
            # A tensor of no elements is a constant where nothing computes it.
            data = None
        found = self._tensors[index] = Tensor(
            index,
            text(tensor.name),
            _OF_CODE.get(tensor.type) or DType(str(tensor.type), None, None),
            shape_of(tensor),
            quantization_of(tensor),
            data,
            bool(tensor.isVariable),
            tensor.sparsity is not None,
        )
        return found

    @cached_property
    def _computed(self) -> set[int]:
        """The tensors that are inputs or that operators write."""
        operators = self._graph.operators or []
        return {*_indices(self._graph.inputs), *(t for operator in operators for t in _indices(operator.outputs))}


def _indices(values: Any) -> list[int]:
    return [] if values is None else list(map(int, values))


def _bytes(data: Any) -> NDArray[np.uint8]:
    return NOTHING if data is None else np.asarray(data, np.uint8)
