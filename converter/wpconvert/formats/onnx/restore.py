"""Give back the dense model: every weight becomes what it was again, in its place and in the form it had."""

from __future__ import annotations

import hashlib

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from wpconvert.errors import ModelError
from wpconvert.formats.onnx import metadata
from wpconvert.formats.onnx.compressed import Compressed, find_compressed, is_ours
from wpconvert.formats.onnx.decode import DOMAIN
from wpconvert.formats.onnx.external import locate
from wpconvert.formats.onnx.file import OnnxModel
from wpconvert.formats.onnx.files import DataFile, Target, rehome, write
from wpconvert.formats.onnx.metadata import Provenance, Record
from wpconvert.formats.onnx.tensors import EXTERNAL, fits, raw_of, set_data
from wpconvert.model.reasons import LOSSY

_UNKNOWN = Record(0, "", -1, "")


def restore(model: OnnxModel, target: Target) -> list[str]:
    """Undo `rewrite`, in place, and write the dense model. Returns what could not be given back.

    The message becomes the original one, but for where external data is. One weight at a time is decoded. Raises
    ModelError for corrupt weights, and for metadata that contradicts them.
    """
    with DataFile(target.data) as data:
        losses = _restore(model, data)
    write(model.proto, target.model)
    return losses


def _restore(model: OnnxModel, target: DataFile) -> list[str]:
    provenance = metadata.read(model.proto)
    records = {} if provenance is None else {(record.graph, record.name): record for record in provenance.tensors}
    returned = []
    for compressed in find_compressed(model):
        record = records.get((compressed.number, compressed.name), _UNKNOWN)
        returned.append((compressed, record, _dense(model, compressed, record, target)))
    _drop_parts([compressed for compressed, _, _ in returned])
    rehome(model.proto, model.files, target)
    # In this order each index is that in the original, weights without a record at the end.
    for compressed, record, tensor in sorted(returned, key=lambda found: (found[1] is _UNKNOWN, found[1].index)):
        initializers = compressed.graph.initializer
        if record.node:
            _set_constant(compressed.node, record, tensor)
            continue
        if record is not _UNKNOWN:
            metadata.check_place(record.index, initializers, f"weight {compressed.name!r}")
        initializers.insert(len(initializers) if record is _UNKNOWN else record.index, tensor)
    for graph in {compressed.number: compressed.graph for compressed, _, _ in returned}.values():
        for index in reversed(range(len(graph.node))):
            if is_ours(graph.node[index]):
                del graph.node[index]
    _forget(model.proto, provenance)
    losses = []
    unknown = sum(record is _UNKNOWN for _, record, _ in returned)
    if unknown:
        losses.append(
            f"{unknown} weights are not in the metadata: they are exact, but placed at the end of their graph"
        )
    if provenance is not None and provenance.lossy:
        losses.append(LOSSY)
    return losses


def _dense(model: OnnxModel, compressed: Compressed, record: Record, target: DataFile) -> TensorProto:
    """The tensor of a weight, as its record says it was."""
    values = compressed.decode(model)
    data_type = helper.np_dtype_to_tensor_dtype(values.dtype)
    raw = raw_of(values, data_type)
    if record is not _UNKNOWN and hashlib.sha256(raw.data).hexdigest() != record.sha256:
        raise ModelError(
            f"weight {compressed.name!r} differs from the one recorded in the metadata; the file is damaged"
        )
    # Its bytes were checked when the record was read.
    tensor: TensorProto = TensorProto.FromString(record.rest)
    if not record.node:
        tensor.name = compressed.name
    tensor.dims[:] = values.shape
    tensor.data_type = data_type
    if record.form == EXTERNAL:
        locate(tensor, target.path.name, target.append(raw), raw.nbytes)
    elif fits(tensor, record.form):
        set_data(tensor, record.form, raw)
    else:
        raise ModelError(
            f"weight {compressed.name!r}: the metadata says that its data was in {record.form!r}, "
            "which does not match its type"
        )
    return tensor


def _set_constant(node: NodeProto, record: Record, tensor: TensorProto) -> None:
    """Make a Decode node the Constant that it stands for."""
    output = node.output[0]
    node.CopyFrom(NodeProto.FromString(record.node))
    node.output.append(output)
    node.attribute[0].t.CopyFrom(tensor)


def _drop_parts(found: list[Compressed]) -> None:
    """Take the compressed tensors out of the graphs."""
    graphs: dict[int, GraphProto] = {compressed.number: compressed.graph for compressed in found}
    for number, graph in graphs.items():
        parts = {name for compressed in found if compressed.number == number for name in compressed.node.input}
        for index in reversed(range(len(graph.initializer))):
            if graph.initializer[index].name in parts:
                del graph.initializer[index]


def _forget(model: ModelProto, provenance: Provenance | None) -> None:
    """Take back what else `rewrite` has added or changed."""
    for entries in (model.functions, model.opset_import):
        for index in reversed(range(len(entries))):
            if entries[index].domain == DOMAIN:
                del entries[index]
    metadata.remove(model)
    if provenance is None:
        return
    model.ir_version = provenance.ir_version
    for place, value in provenance.inputs:
        metadata.check_place(place, model.graph.input, "an input")
        model.graph.input.insert(place, ValueInfoProto.FromString(value))
