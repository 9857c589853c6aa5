"""Replace weights by nodes that decode them, in the message of a model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from wpconvert.formats.onnx import metadata
from wpconvert.formats.onnx.constants import Constant
from wpconvert.formats.onnx.decode import BY_OP_TYPE, DOMAIN, MIN_IR_VERSION, VERSION, Encoded, make_node
from wpconvert.formats.onnx.encode import EncodedForm, Form
from wpconvert.formats.onnx.external import locate
from wpconvert.formats.onnx.file import OnnxModel
from wpconvert.formats.onnx.files import DataFile, rehome
from wpconvert.formats.onnx.metadata import Record
from wpconvert.formats.onnx.tensors import EXTERNAL, RAW, form_of, set_data, without_data
from wpconvert.formats.onnx_graphs import FIRST_CONSTANT_IR, GraphScope, Scope, training_scopes

_OUTSIDE_NBYTES = 1024
"""Compressed tensors of an external weight are external from this size on; runtimes want small ones at hand."""


@dataclass(frozen=True)
class Replacement:
    """One weight to rewrite: where it is, the method, its form, and the SHA-256 of the dense bytes that this holds.

    lossy: these are not the original ones.
    """

    scope: GraphScope
    constant: Constant
    method: str
    form: Form
    sha256: str
    lossy: bool


@dataclass(frozen=True)
class HeldReplacement(Replacement):
    """A replacement that can be written."""

    form: EncodedForm

    @property
    def nbytes(self) -> int:
        """Bytes of its tensors."""
        return self.form.nbytes


@dataclass(frozen=True)
class Pieces:
    """What stands for a weight in the file: a node, tensors without data, and a record."""

    node: NodeProto
    tensors: tuple[TensorProto, ...]
    record: Record

    @property
    def nbytes(self) -> int:
        """Bytes of the pieces without the data."""
        # Each has a tag and a length, and so has its data.
        sizes = (self.node.ByteSize() + 4, *(tensor.ByteSize() + 10 for tensor in self.tensors))
        return int(sum(sizes)) + metadata.entry_nbytes([self.record])


class Names:
    """The names that a model has, to find new ones."""

    def __init__(self, scopes: Iterable[Scope]) -> None:
        self._taken = {name for scope in scopes for name in scope.defined}

    def new(self, wanted: str) -> str:
        """The name, or one like it that is free."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}.{number}"
        self._taken.add(name)
        return name


def pieces_of(replacement: Replacement, names: Names) -> Pieces:
    """The pieces of a weight; new names are taken from `names`."""
    constant, form = replacement.constant, replacement.form
    weight, name = constant.tensor, constant.name
    tensors = []
    for part in form.parts:
        tensor = TensorProto(name=names.new(f"{name}/{part.suffix}"), data_type=part.data_type, dims=part.shape)
        tensors.append(tensor)
    encoded = Encoded(form.op_type, ())
    node = make_node(encoded, [tensor.name for tensor in tensors], name)
    rest, holder = _rest(constant)
    record = Record(
        replacement.scope.number,
        name,
        constant.index,
        replacement.sha256,
        form_of(weight),
        rest.SerializeToString(),
        replacement.lossy,
        holder,
    )
    return Pieces(node, tuple(tensors), record)


def _rest(constant: Constant) -> tuple[TensorProto, bytes]:
    """What else the tensor of a weight has, and its node without tensor and output if it is the value of one."""
    rest = without_data(constant.tensor)
    for field in ("dims", "data_type"):
        rest.ClearField(field)
    if constant.node is None:
        rest.ClearField("name")
        return rest, b""
    holder = NodeProto()
    holder.CopyFrom(constant.node)
    holder.ClearField("output")
    holder.attribute[0].ClearField("t")
    return rest, bytes(holder.SerializeToString())


def function_nbytes(op_type: str, opset: int) -> int:
    """Bytes that the body of a decoder takes in a model, once."""
    return int(BY_OP_TYPE[op_type].function(opset).ByteSize()) + 4


def rewrite(model: OnnxModel, replacements: Sequence[HeldReplacement], target: DataFile) -> None:
    """Rewrite the weights, in place; all external data goes to `target`. Without any, only that is done."""
    if not replacements:
        rehome(model.proto, model.files, target)
        return
    names = Names([*model.scopes, *training_scopes(model.proto)])
    pieces = [pieces_of(replacement, names) for replacement in replacements]
    outside = [form_of(replacement.constant.tensor) == EXTERNAL for replacement in replacements]
    by_graph: defaultdict[int, list[int]] = defaultdict(list)
    graphs: dict[int, GraphProto] = {}
    for index, replacement in enumerate(replacements):
        by_graph[replacement.scope.number].append(index)
        graphs[replacement.scope.number] = replacement.scope.body
    for number, indices in by_graph.items():
        constants = {i: replacements[i].constant for i in indices}
        for i, constant in constants.items():
            if constant.node is not None:
                constant.node.CopyFrom(pieces[i].node)
        for place in sorted((c.index for c in constants.values() if c.node is None), reverse=True):
            del graphs[number].initializer[place]
    rehome(model.proto, model.files, target)
    for number, indices in by_graph.items():
        for index in indices:
            form = replacements[index].form
            for tensor, part, data in zip(pieces[index].tensors, form.parts, form.data, strict=True):
                if outside[index] and part.nbytes >= _OUTSIDE_NBYTES:
                    locate(tensor, target.path.name, target.append(data), part.nbytes)
                else:
                    set_data(tensor, RAW, data)
                graphs[number].initializer.append(tensor)
        for index in reversed(indices):
            if replacements[index].constant.node is None:
                graphs[number].node.insert(0, pieces[index].node)
    operators = dict.fromkeys(replacement.form.op_type for replacement in replacements)
    _equip(model, operators, [piece.record for piece in pieces])


def _equip(model: OnnxModel, operators: Iterable[str], records: Sequence[Record]) -> None:
    """Add what the nodes need, and the metadata."""
    proto, opset = model.proto, model.opset
    version = proto.ir_version
    inputs = _without_constant_inputs(proto) if version < FIRST_CONSTANT_IR else []
    proto.ir_version = max(version, MIN_IR_VERSION)
    proto.opset_import.add(domain=DOMAIN, version=VERSION)
    proto.functions.extend(BY_OP_TYPE[op_type].function(opset) for op_type in operators)
    metadata.write(proto, version, records, inputs)


def _without_constant_inputs(model: ModelProto) -> list[tuple[int, bytes]]:
    """Remove the inputs that are initializers, which older IR versions ask for; returns them with their places."""
    graph = model.graph
    values = {tensor.name for tensor in graph.initializer}
    values |= {node.output[0] for node in graph.node if node.domain == DOMAIN}
    removed = [(i, value) for i, value in enumerate(graph.input) if value.name in values]
    result = [(i, value.SerializeToString()) for i, value in removed]
    for place, _ in reversed(removed):
        del graph.input[place]
    return result
