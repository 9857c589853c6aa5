"""The whole way from an ONNX model to a `.tflite` file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from operator import attrgetter

import numpy as np
import onnx

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.formats.tflite.file import serialise
from wpconvert.formats.tflite.graph_writer import write_graph
from wpconvert.graph.passes.drop_unread import drop_unread
from wpconvert.graph.passes.merge_pads import merge_pads
from wpconvert.graph.structure import Graph, Tensor
from wpconvert.lowering import layout, operators
from wpconvert.lowering.emitter import Emitter
from wpconvert.lowering.importer import read_network
from wpconvert.lowering.inline import inlined
from wpconvert.lowering.kinds import QDQ_WANTED, integers_of, is_quantised
from wpconvert.lowering.layout import Perm, Storage
from wpconvert.lowering.lines import is_widening
from wpconvert.lowering.network import Activation, Network, Node, Port, Quant
from wpconvert.lowering.opset import MIN_OPSET, upgraded
from wpconvert.reference.interpreter import Interpreter, shielded

METADATA_NAME = "wpconvert.onnx"

_PASSES = (merge_pads, drop_unread)
"""What becomes of a graph before it is written."""


@dataclass(frozen=True)
class Mapping:
    """How an ONNX tensor lies in the `.tflite` file.

    name, shape: those of the ONNX model, a batch size that is open there being 1. dtype: `float32`, where the int8
    tensor holds real = scale · (q − zero point), whatever type holds them in the ONNX model; or `int8`; or `uint8`,
    whose integers are 128 larger than the file's. perm: the file's tensor is the ONNX tensor transposed by it.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    perm: tuple[int, ...]


@dataclass(frozen=True)
class Lowered:
    """A lowered model.

    `inputs` and `outputs` are in the order of both models; the file's metadata entry "wpconvert.onnx" holds them,
    too. `integers` maps a tensor of the file to the ONNX model's quantised tensor of the same values, which
    may have fewer axes of length 1 or more; `reals` to the one that it rounds, where that has a name.
    """

    data: bytes
    inputs: tuple[Mapping, ...]
    outputs: tuple[Mapping, ...]
    integers: dict[int, Mapping]
    reals: dict[int, Mapping]


def lower(model: onnx.ModelProto, source: str) -> Lowered:
    """An int8 `.tflite` file in NHWC that computes what a quantised ONNX model computes, to 1 step per layer.

    `source` names the model in messages; its external data must be loaded. Raises UnsupportedError for float
    models and for what the runtime cannot do, ModelError for malformed models.
    """
    try:
        return shielded(_lower, model)
    except (ModelError, UnsupportedError) as error:
        raise type(error)(f"{source}: {error}") from error


def _lower(model: onnx.ModelProto) -> Lowered:
    model = inlined(model)
    if not is_quantised(model.graph):
        if integers := integers_of(model.graph):
            raise UnsupportedError(f"{integers} have no scale; {QDQ_WANTED}")
        raise UnsupportedError(
            "the model is not quantised; quantise it with onnxruntime.quantization.quantize_static or with "
            "--calibrate DATA.npz, which contains an array of samples for each input"
        )
    network = read_network(upgraded(model, MIN_OPSET))
    return _emit(network)


def _emit(network: Network) -> Lowered:
    emitter = Emitter()
    inputs: list[Mapping] = []
    tensors: list[Tensor] = []
    for port in network.inputs:
        activation = port.activation
        if activation.cell.quant is None and not _is_read(network, activation):
            activation.cell.quant = Quant(np.float32(1), 0)
        perm = _input_order(network, activation)
        shape = tuple(activation.shape[axis] for axis in perm)
        tensor = emitter.tensor(port.name, shape, activation.quant)
        emitter.stored[activation] = [Storage(tensor, activation.shape, perm)]
        tensors.append(tensor)
        inputs.append(Mapping(port.name, activation.shape, port.dtype, perm))
    for node in _needed(network):
        operators.OPERATORS[node.op].emit(emitter, node)
    outputs: list[Mapping] = []
    results: list[Tensor] = []
    for port in network.outputs:
        tensor, perm = _output(emitter, port)
        if tensor not in (*tensors, *results):
            tensor.name = port.name
        results.append(tensor)
        outputs.append(Mapping(port.name, port.activation.shape, port.dtype, perm))
    emitter.graph.inputs, emitter.graph.outputs = tuple(tensors), tuple(results)
    ends = {"inputs": [asdict(m) for m in inputs], "outputs": [asdict(m) for m in outputs]}
    told = json.dumps(ends, separators=(",", ":"), ensure_ascii=False).encode()
    graph = Graph([emitter.graph], {METADATA_NAME: np.frombuffer(told, np.uint8)})
    for change in _PASSES:
        graph, _ = change(graph)
    # What the runtime would refuse is refused here.
    Interpreter(graph)
    integers, reals = (_held(emitter, graph, name_of) for name_of in (attrgetter("integers"), attrgetter("name")))
    return Lowered(serialise(write_graph(graph)), tuple(inputs), tuple(outputs), integers, reals)


def _needed(network: Network) -> list[Node]:
    """The nodes that outputs depend on, in order."""
    wanted = {port.activation for port in network.outputs}
    needed = []
    for node in reversed(network.nodes):
        if any(output in wanted for output in node.outputs):
            needed.append(node)
            wanted.update(value for value in node.inputs if isinstance(value, Activation))
    return needed[::-1]


def _is_read(network: Network, activation: Activation) -> bool:
    return any(activation in node.inputs for node in network.nodes) or any(
        port.activation is activation for port in network.outputs
    )


def _input_order(network: Network, activation: Activation) -> Perm:
    """Channels last for images and signals, unless the model itself starts by moving the channels."""
    readers = [node for node in network.nodes if activation in node.inputs]
    if activation.rank == 3 and any(is_widening(node) for node in readers):
        return layout.NWC
    moved = bool(readers) and all(node.op == "Transpose" for node in readers)
    return layout.NHWC if activation.rank == 4 and not moved else layout.identity(activation.rank)


def _output(emitter: Emitter, port: Port) -> tuple[Tensor, Perm]:
    """An output as it lies where that is channels last, else in ONNX's order."""
    tensor, perm = emitter.plain(port.activation)
    if perm not in (layout.NHWC, layout.NWC):
        perm = layout.identity(port.activation.rank)
        tensor = emitter.laid_out(port.activation, perm)
    return tensor, perm


def _held(emitter: Emitter, graph: Graph, name_of: Callable[[Activation], str]) -> dict[int, Mapping]:
    """For tensors that hold an ONNX tensor's axes in some order: that tensor; no name, no entry."""
    found = {}
    there = set(graph.main.tensors)
    for activation, storages in emitter.stored.items():
        for storage in storages:
            order = layout.order_of(storage, activation.shape)
            if name_of(activation) and order is not None and storage.tensor in there:
                perm = layout.completed(order, activation.shape)
                found[storage.tensor.index] = Mapping(name_of(activation), activation.shape, "", perm)
    return found
