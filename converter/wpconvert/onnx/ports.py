"""The inputs and outputs of an ONNX model."""

from __future__ import annotations

from onnx import ValueInfoProto, helper

from wpconvert.engines.inputs import Port, check_sample_nbytes
from wpconvert.errors import UnsupportedError
from wpconvert.onnx.file import OnnxModel
from wpconvert.onnx.tensors import bits_of, type_name

_FLOAT_SPAN = (-1.0, 1.0)


def interface_of(model: OnnxModel) -> tuple[tuple[ValueInfoProto, ...], tuple[ValueInfoProto, ...]]:
    """The inputs that a caller has to give, and the outputs."""
    graph = model.proto.graph
    constant = {tensor.name for tensor in graph.initializer}
    constant |= {tensor.values.name for tensor in graph.sparse_initializer}
    return tuple(value for value in graph.input if value.name not in constant), tuple(graph.output)


def shape_of(value: ValueInfoProto) -> tuple[int | None, ...] | None:
    """The shape, None for sizes that are open, negative ones too; None for one that is open as a whole."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(
        int(dim.dim_value) if dim.HasField("dim_value") and dim.dim_value >= 0 else None for dim in tensor.shape.dim
    )


def ports_of(model: OnnxModel) -> list[Port]:
    """The inputs to make samples for; UnsupportedError for one that is no tensor of numbers of a known rank."""
    ports = []
    for value in interface_of(model)[0]:
        data_type, shape = value.type.tensor_type.elem_type, shape_of(value)
        bits = bits_of(data_type)
        if shape is None or bits is None or bits < 8:
            kind = type_name(data_type) if value.type.HasField("tensor_type") else "no tensor"
            rank = "open" if shape is None else str(len(shape))
            raise UnsupportedError(f"input {value.name!r}: no samples of {kind}, rank {rank}, can be made; --no-verify")
        dtype = helper.tensor_dtype_to_np_dtype(data_type)
        check_sample_nbytes(value.name, shape, dtype)
        ports.append(Port(value.name, shape, dtype, None, _FLOAT_SPAN))
    return ports
