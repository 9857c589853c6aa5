"""Put the model of a case into files, its data in the fields or files that the case asks for."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto

from tests.onnx.sweep.build import TWIN
from tests.onnx.sweep.cases import Case

_TYPED: dict[int, tuple[str, str]] = {
    TensorProto.FLOAT: ("float_data", "<f4"),
    TensorProto.DOUBLE: ("double_data", "<f8"),
    TensorProto.INT64: ("int64_data", "<i8"),
    TensorProto.INT8: ("int32_data", "i1"),
    TensorProto.FLOAT16: ("int32_data", "<u2"),
    TensorProto.BFLOAT16: ("int32_data", "<u2"),
}
_BYTES = ("int32_data", "u1")
_OUTSIDE_NBYTES = 64
"""Smaller tensors stay inside: shapes have to be at hand."""


def tensors_of(graph: GraphProto) -> Iterator[TensorProto]:
    """The initializers and constants of a graph and of those in its nodes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from tensors_of(attribute.g)


def store(model: ModelProto, case: Case, folder: Path) -> Path:
    """Write the model, changed in place, to model.onnx; returns its path."""
    tensors = list(tensors_of(model.graph))
    if case.storage == "twins":
        twin, first = (next(t for t in tensors if t.name == name) for name in (TWIN, case.name))
        twin.raw_data = first.raw_data
    if case.storage == "typed":
        for tensor in tensors:
            _type(tensor)
    elif case.storage != "raw":
        _Outside(model, case, folder).put([t for t in tensors if len(t.raw_data) >= _OUTSIDE_NBYTES or not t.raw_data])
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def _type(tensor: TensorProto) -> None:
    field, dtype = _TYPED.get(tensor.data_type, _BYTES)
    values = np.frombuffer(tensor.raw_data, dtype).tolist()
    tensor.ClearField("raw_data")
    getattr(tensor, field).extend(values)


class _Outside:
    """External data in the making."""

    def __init__(self, model: ModelProto, case: Case, folder: Path) -> None:
        self._model, self._case, self._folder = model, case, folder
        self._rng = random.Random(case.seed)
        self._contents: dict[str, bytearray] = {}

    def put(self, tensors: list[TensorProto]) -> None:
        """Move the data of tensors outside."""
        spots: dict[bytes, tuple[str, int]] = {}
        for number, tensor in enumerate(tensors):
            data = tensor.raw_data
            name = {"two files": f"data{number % 2}", "no length": f"data{number}", "folder": "some/where/data"}.get(
                self._case.storage, "data"
            )
            content = self._contents.setdefault(name, bytearray())
            if self._case.storage == "gaps":
                content += self._rng.randbytes(self._rng.choice((0, 1, 7, 100)))
                content += bytes(-len(content) % self._rng.choice((1, 16, 64, 4096)))
            spot = (name, len(content))
            if self._case.storage in ("twins", "identical"):
                spot = spots.setdefault(data, spot)
            if spot[1] == len(content):
                content += data
            self._locate(tensor, *spot)
            if self._case.storage == "identical" and len(data):
                self._add("copy", spot, len(data))
            if self._case.storage == "overlapping" and len(data):
                self._add("half", (name, spot[1] + len(data) // 2), len(data) - len(data) // 2)
        for name, content in self._contents.items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def _add(self, kind: str, spot: tuple[str, int], nbytes: int) -> None:
        """One more initializer, of bytes that another one has."""
        graph = self._model.graph
        tensor = graph.initializer.add(name=f"{kind}{len(graph.initializer)}", data_type=TensorProto.UINT8)
        tensor.dims.append(nbytes)
        if self._model.ir_version < 4:
            value = graph.input.add(name=tensor.name)
            value.type.tensor_type.elem_type = TensorProto.UINT8
            value.type.tensor_type.shape.dim.add(dim_value=nbytes)
        self._locate(tensor, *spot)

    def _locate(self, tensor: TensorProto, name: str, offset: int) -> None:
        nbytes = len(tensor.raw_data) if tensor.HasField("raw_data") else tensor.dims[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=name)
        if self._case.storage not in ("no length", "folder") or offset:
            tensor.external_data.add(key="offset", value=str(offset))
        if self._case.storage != "no length":
            tensor.external_data.add(key="length", value=str(nbytes))
