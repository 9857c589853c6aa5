"""The inputs and outputs of an ONNX model."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ValueInfoProto, helper

from wpconvert.engines.inputs import NO_VERIFY, Port, check_sample_nbytes
from wpconvert.errors import UnsupportedError
from wpconvert.formats.onnx.file import OnnxModel, with_path
from wpconvert.formats.onnx.tensors import bits_of, type_name
from wpconvert.formats.onnx_graphs import inputs_of

_FLOAT_SPAN = (-1.0, 1.0)


def interface_of(model: OnnxModel) -> tuple[tuple[ValueInfoProto, ...], tuple[ValueInfoProto, ...]]:
    """The inputs that a caller has to give, and the outputs."""
    graph = model.proto.graph
    return tuple(inputs_of(graph)), tuple(graph.output)


def shape_of(value: ValueInfoProto) -> tuple[int | None, ...] | None:
    """The shape, None for sizes that are open, negative ones too; None for one that is open as a whole."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(
        int(dim.dim_value) if dim.HasField("dim_value") and dim.dim_value >= 0 else None for dim in tensor.shape.dim
    )


def ports_of(model: OnnxModel) -> list[Port]:
    """The inputs to make samples for.

    UnsupportedError for one that is not a numeric tensor of a known rank, and for an output that cannot be compared.
    """
    ports = []
    inputs, outputs = interface_of(model)
    with with_path(model.path):
        for value in inputs:
            shape, dtype = shape_of(value), _dtype_of(value, "input")
            if shape is None:
                raise _not_run(value, "input", "its number of dimensions is unknown")
            check_sample_nbytes(value.name, shape, dtype)
            ports.append(Port(value.name, shape, dtype, None, _FLOAT_SPAN))
        for value in outputs:
            # A model need not say what its outputs are.
            if value.HasField("type") and (value.type.tensor_type.elem_type or not value.type.HasField("tensor_type")):
                _dtype_of(value, "output")
    return ports


def _dtype_of(value: ValueInfoProto, end: str) -> np.dtype[Any]:
    """NumPy's type of the elements, which NumPy's own files can hold."""
    data_type = value.type.tensor_type.elem_type
    if not value.type.HasField("tensor_type"):
        raise _not_run(value, end, "it is not a tensor")
    if bits_of(data_type) is not None:
        dtype = helper.tensor_dtype_to_np_dtype(data_type)
        if dtype.kind in "biuf" and dtype.isbuiltin == 1:
            return dtype
    raise _not_run(value, end, f"its type is {type_name(data_type)}")


def _not_run(value: ValueInfoProto, end: str, reason: str) -> UnsupportedError:
    return UnsupportedError(f"{end} {value.name!r} cannot be verified: {reason}; {NO_VERIFY}")
