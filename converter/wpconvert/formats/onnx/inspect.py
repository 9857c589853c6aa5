"""What `inspect` tells about an ONNX model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from onnx import ValueInfoProto, helper

from wpconvert.formats.onnx import metadata
from wpconvert.formats.onnx.compressed import Compressed, find_compressed
from wpconvert.formats.onnx.data import load
from wpconvert.formats.onnx.decode import DOMAIN, Settings
from wpconvert.formats.onnx.encode import Job, encode
from wpconvert.formats.onnx.file import OnnxModel, with_path
from wpconvert.formats.onnx.ports import interface_of, shape_of
from wpconvert.formats.onnx.tensors import type_name, values_of
from wpconvert.formats.onnx.trials import LOSSLESS
from wpconvert.formats.onnx.weights import OnnxWeight, find_weights, key_of, multipliers_of
from wpconvert.formats.onnx_graphs import Uses
from wpconvert.model.provenance import Provenance, TensorRecord
from wpconvert.model.weight import Fixed, Weight, obstacle_of
from wpconvert.report.inspection import Inspection, TensorInfo, WeightInfo, weight_info


def inspect_onnx(model: OnnxModel, advance: Callable[[int, int], None] = lambda _done, _total: None) -> Inspection:
    """Look at a model; every lossless method is tried on every weight. `advance(done, total)` counts weights."""
    proto = model.proto
    inputs, outputs = interface_of(model)
    nodes = [node for scope in model.scopes if scope.number is not None for node in scope.body.node]
    operators = Counter(f"{node.domain}.{node.op_type}" if node.domain == DOMAIN else node.op_type for node in nodes)
    with with_path(model.path):
        stored = list(find_compressed(model))
        parts = {key_of(compressed.number, name) for compressed in stored for name in compressed.node.input}
        found = [one for one in find_weights(model) if one.weight.key not in parts]
        uses = Uses.in_scopes(model.scopes)
        infos = []
        for compressed in stored:
            infos.append(_stored_info(model, compressed, uses))
            advance(len(infos), len(stored) + len(found))
        for one in found:
            infos.append(_info(one, model.opset))
            advance(len(infos), len(stored) + len(found))
        provenance = _provenance(model, {info.key: info for info in infos})
    return Inspection(
        str(model.path),
        model.total_nbytes,
        proto.doc_string,
        sum(scope.number is not None for scope in model.scopes),
        tuple(map(_end, inputs)),
        tuple(map(_end, outputs)),
        dict(sorted(operators.items())),
        (),
        tuple(entry.key for entry in proto.metadata_props),
        provenance,
        tuple(infos),
    )


def _end(value: ValueInfoProto) -> TensorInfo:
    """An input or output; −1 stands for a size that is open."""
    shape = tuple(-1 if size is None else size for size in shape_of(value) or ())
    return TensorInfo(value.name, shape, type_name(value.type.tensor_type.elem_type))


def _provenance(model: OnnxModel, infos: dict[str, WeightInfo]) -> Provenance | None:
    found = metadata.read(model.proto)
    if found is None:
        return None
    records = []
    for record in found.tensors:
        info = infos.get(key_of(record.graph, record.name))
        if info is not None:
            records.append(
                TensorRecord(
                    record.graph,
                    record.index,
                    record.name,
                    "+".join(info.operators),
                    list(info.shape),
                    info.dtype,
                    info.stored_as or "none",
                    record.sha256,
                    record.lossy,
                )
            )
    return Provenance(found.tool, False, tuple(records), lossy=found.lossy)


def _info(found: OnnxWeight, opset: int) -> WeightInfo:
    weight, place = found.weight, found.place
    if isinstance(weight, Fixed) or place.data is None:
        return weight_info(weight, weight.shape, weight.dtype, None, {}, None, obstacle_of(weight))
    data_type = place.tensor.data_type
    job = Job(place.data, data_type, weight.shape, LOSSLESS, opset, 0.0, Settings(place.channel_axis))
    methods = {method: form.nbytes for method, form in encode(job, None).forms.items()}
    values = values_of(data_type, weight.shape, load(place.data))
    return weight_info(weight, weight.shape, weight.dtype, values, methods, None, None)


def _stored_info(model: OnnxModel, compressed: Compressed, uses: Uses) -> WeightInfo:
    values = compressed.decode(model)
    operators = multipliers_of(uses, compressed.scope, compressed.name)
    key = key_of(compressed.number, compressed.name)
    dtype = type_name(helper.np_dtype_to_tensor_dtype(values.dtype))
    weight = Weight(key, compressed.name, operators, values.shape, dtype, compressed.nbytes)
    sizes = {compressed.method: compressed.nbytes}
    return weight_info(weight, values.shape, dtype, values, sizes, compressed.method, None)
