"""A trained PyTorch network as an int8 `.tflite` file."""

from __future__ import annotations

import logging
import re
from typing import Any

import flatbuffers
import litert_torch
import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from litert_torch.quantize.pt2e_quantizer import PT2EQuantizer, get_symmetric_quantization_config
from litert_torch.quantize.pt2e_quantizer_utils import (
    get_input_act_qspec,
    get_output_act_qspec,
    propagate_annotation,
)
from litert_torch.quantize.quant_config import QuantConfig
from numpy.typing import NDArray
from torch import Tensor, nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, SharedQuantizationSpec

from .litert import WEIGHT_OPERATORS, operator_name
from .same_padding import with_same_padding

INPUT_NAME = "image"
OUTPUT_NAME = "logits"
_FILE_IDENTIFIER = b"TFL3"
_BUFFER_ALIGNMENT = 16
_log = logging.getLogger(__name__)


class ChannelsLast(nn.Module):  # type: ignore[misc]
    """Takes [batch, height, width, channels], as TFLite does: the converter then needs no TRANSPOSE."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {OUTPUT_NAME: self.network(image.permute(0, 3, 1, 2))}


class Quantiser(PT2EQuantizer):  # type: ignore[misc]
    """litert-torch's quantiser, with two more rules: average pools keep the scale of their input, all sums have one.

    Without the first one the output of `avg_pool2d` gets a scale of its own, and because TFLite's AVERAGE_POOL_2D
    cannot requantise, a QUANTIZE operator follows every pool. Without the second one only the first of a chain of sums
    is quantised, as in residual blocks with nothing after the sum.
    """

    def annotate(self, model: torch.fx.GraphModule) -> torch.fx.GraphModule:
        model = super().annotate(model)
        for node in model.graph.nodes:
            if node.target is torch.ops.aten.avg_pool2d.default:
                source = node.args[0]
                node.meta["quantization_annotation"] = QuantizationAnnotation(
                    input_qspec_map={source: SharedQuantizationSpec(source)},
                    output_qspec=SharedQuantizationSpec((source, node)),
                    _annotated=True,
                )
            elif node.target is torch.ops.aten.add.Tensor and "quantization_annotation" not in node.meta:
                node.meta["quantization_annotation"] = QuantizationAnnotation(
                    input_qspec_map={source: get_input_act_qspec(self.global_config) for source in node.args},
                    output_qspec=get_output_act_qspec(self.global_config),
                    _annotated=True,
                )
        # A flatten after the pool takes its scale from the pool, which had none in the base class's own pass.
        propagate_annotation(model)
        return model


def to_int8_tflite(network: nn.Module, calibration: NDArray[np.float32]) -> bytes:
    """Quantise after training (PT2E) and convert: int8 input, int8 output, int8 everything between.

    Weights are symmetric per output channel, so a pruned weight is stored as 0: folding batch normalisation
    scales whole channels and keeps zeros. Activation ranges come from `calibration`, samples [n, height, width,
    channels], one at a time, in order.
    """
    module = ChannelsLast(network).eval()
    images = torch.from_numpy(calibration)
    example = images[:1]
    quantiser = Quantiser().set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(torch.export.export(module, (example,)).module(), quantiser)
    with torch.no_grad():
        for index in range(len(images)):
            prepared(images[index : index + 1])
    quantised = convert_pt2e(prepared, fold_quantize=False)
    # A hundred lines of progress per conversion would hide the recipe's own.
    litert_torch.config.show_progress = False
    converted = litert_torch.convert(
        quantised, sample_kwargs={INPUT_NAME: example}, quant_config=QuantConfig(pt2e_quantizer=quantiser)
    )
    return tidied(converted.model_content())


def tidied(data: bytes) -> bytes:
    """The same model with padding inside its convolutions and tensors named after the network's attributes.

    litert-torch names a tensor after every Python class on the way to it, or not at all
    (`tfl.pseudo_qconst3`); rules and reports of wpconvert match and print these names, so they should be
    readable: `block1/pointwise/conv/weight`, `…/bias`, `…/output`. Tensors of operators without a known
    origin keep theirs.
    """
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    with_same_padding(model)
    graph = model.subgraphs[0]
    names: dict[int, str] = {int(graph.inputs[0]): INPUT_NAME, int(graph.outputs[0]): OUTPUT_NAME}
    for operator in graph.operators:
        tensors = [int(index) for index in (*operator.outputs, *operator.inputs[1:])]
        layer = next((path for index in tensors if (path := _layer_path(graph.tensors[index].name))), None)
        if layer is None:
            _log.warning("%s: no layer name found, tensor names are unchanged", operator_name(model, operator))
            continue
        has_weights = operator_name(model, operator) in WEIGHT_OPERATORS
        roles = ("output", "weight", "bias") if has_weights else ("output",)
        for index, role in zip(tensors, roles, strict=False):
            names.setdefault(index, f"{layer}/{role}")
    for index, name in names.items():
        graph.tensors[index].name = name.encode()
    return serialise(model)


def _layer_path(name: bytes) -> str | None:
    """`a.Wrapper/b.DsCnn_network/c.Block_block1/torch.nn.modules.conv.Conv2d_conv;` becomes `block1/conv`.

    A fused tensor lists several paths; the layer with weights is the one that is no activation.
    """
    for path in name.decode().split(";"):
        if not re.search(r"/torch\.nn\.modules\.(conv|linear|pooling)\.[^/]*$", path):
            continue
        classes = [segment.rpartition(".")[2] for segment in path.split("/")[1:]]
        attributes = [name.partition("_")[2] for name in classes]
        return "/".join(attributes[1:])
    return None


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc]
    """A buffer whose data starts on a 16-byte boundary, as the schema asks; the object API ignores that."""

    def Pack(self, builder: Any) -> Any:
        data = None
        if self.data is not None and len(self.data) > 0:
            raw = np.asarray(self.data, dtype=np.uint8).tobytes()
            builder.StartVector(1, len(raw), _BUFFER_ALIGNMENT)
            builder.head -= len(raw)
            builder.Bytes[builder.head : builder.head + len(raw)] = raw
            data = builder.EndVector()
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


def serialise(model: Any) -> bytes:
    """The model as bytes, every buffer on a 16-byte boundary. Buffers that nothing refers to are left out."""
    holders = [tensor for graph in model.subgraphs for tensor in graph.tensors] + list(model.metadata or [])
    # Buffer 0 is empty by convention.
    used = sorted({0, *(int(holder.buffer) for holder in holders)})
    place = {old: new for new, old in enumerate(used)}
    for holder in holders:
        holder.buffer = place[int(holder.buffer)]
    model.buffers = [_AlignedBuffer(data=model.buffers[old].data) for old in used]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=_FILE_IDENTIFIER)
    return bytes(builder.Output())
