"""Find the weights of an ONNX model: constants that an operator multiplies by, directly or through others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from onnx import TensorProto

from wpconvert.errors import ModelError
from wpconvert.formats.onnx.compressed import is_decoder
from wpconvert.formats.onnx.constants import Constant, constants_of, function_of
from wpconvert.formats.onnx.data import Data, Span, extents_of, load
from wpconvert.formats.onnx.decode import MAX_ELEMENTS
from wpconvert.formats.onnx.file import OnnxModel, spans_of
from wpconvert.formats.onnx.tensors import (
    EXTERNAL,
    bits_of,
    data_of,
    elements_of,
    form_of,
    has_values,
    same_when_set,
    type_name,
)
from wpconvert.formats.onnx_graphs import DEFAULT_DOMAINS, FIRST_CONSTANT_IR, GraphScope, Scope, Use, Uses
from wpconvert.model.weight import Fixed, Weight, obstacle_of

MULTIPLIED = {
    "Conv": (1,),
    "ConvTranspose": (1,),
    "Gemm": (0, 1),
    "MatMul": (0, 1),
    "QLinearConv": (3,),
    "QLinearMatMul": (0, 3),
    "ConvInteger": (1,),
    "MatMulInteger": (0, 1),
    "com.microsoft.QGemm": (0, 3),
}
"""The inputs of each operator that it sums products of; the last one is what ONNX Runtime's quantiser makes of Gemm."""
PASSED_ON = (
    "DequantizeLinear",
    "QuantizeLinear",
    "Transpose",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Flatten",
    "Identity",
    "Cast",
)
"""Operators between a weight and what multiplies with it; input 0 is the weight."""
REPORTED_NBYTES = 256
"""Constants of other operators are listed, and left as they are, from this size on, but not biases and scales."""


@dataclass(frozen=True)
class Place:
    """Where a weight is: its scope, and which constant of that.

    data: its bytes, whatever field or file has them; None where it is only listed. channel_axis: that of the output
    channels, as far as the operator that reads it tells.
    """

    scope: Scope
    constant: Constant
    data: Data | None
    channel_axis: int = 0

    @property
    def tensor(self) -> TensorProto:
        """The tensor that holds it."""
        return self.constant.tensor

    @property
    def is_external(self) -> bool:
        """Whether the data is outside the model file."""
        return form_of(self.tensor) == EXTERNAL


@dataclass(frozen=True)
class OnnxWeight:
    """A weight as rules and reports see it, and where it is."""

    weight: Weight
    place: Place


def key_of(graph: int, name: str) -> str:
    """The key of a weight: `graph:name`, graphs numbered from 0, the model's own."""
    return f"{graph}:{name}"


def find_weights(model: OnnxModel) -> list[OnnxWeight]:
    """The constants that are multiplied with, and large ones of other operators; all with the reason why they stay."""
    uses = Uses.in_scopes(model.scopes)
    spans = list(spans_of(model.proto, model.files))
    extents = extents_of(spans)
    storages = {extent: number for number, extent in enumerate(dict.fromkeys(extents.values()))}
    found: list[OnnxWeight] = []
    for scope in model.scopes:
        if is_decoder(scope):
            continue
        constants = list(constants_of(scope))
        [(commonest, times)] = Counter(constant.name for constant in constants).most_common(1) or [("", 0)]
        if times > 1:
            raise ModelError(f"constant {commonest!r} occurs twice; names in a graph must be unique")
        inputs = set() if scope.graph is None else {value.name for value in scope.graph.input}
        trained = _trained(model) if scope.number == 0 else set()
        for constant in constants:
            tensor, operators = constant.tensor, multipliers_of(uses, scope, constant.name)
            obstacle = constant.obstacle
            if not operators:
                operators = tuple(dict.fromkeys(use.node.op_type for use in uses.readers(scope, constant.name)))
                obstacle = obstacle or "no operator multiplies by it"
                if constant.nbytes < REPORTED_NBYTES or len(tensor.dims) < 2:
                    continue
            if constant.name in trained:
                obstacle = obstacle or "is changed by training"
            data = None if obstacle is not None else data_of(tensor, model.files)
            obstacle = obstacle or _obstacle(model, scope, constant, data, constant.name in inputs)
            place = Place(scope, constant, data, _channel_axis(uses, scope, constant))
            # Spans that overlap are rewritten together or not at all; every inline tensor is on its own.
            storage = storages[extents[data]] if isinstance(data, Span) else -1 - len(found)
            found.append(OnnxWeight(_weight(scope, constant, operators, storage, obstacle), place))
    return _held_by_others(found, Counter(storages[extents[span]] for span in spans))


def _held_by_others(found: list[OnnxWeight], tensors: Mapping[int, int]) -> list[OnnxWeight]:
    """The weights, with an obstacle for those whose bytes belong to other tensors too. tensors: of each storage."""
    weights = Counter(one.weight.storage for one in found)
    reason = "shares its data with tensors that are not weights"
    return [
        replace(one, weight=Fixed.with_obstacle(one.weight, obstacle_of(one.weight) or reason))
        if tensors.get(one.weight.storage, 0) > weights[one.weight.storage]
        else one
        for one in found
    ]


def _trained(model: OnnxModel) -> set[str]:
    """The initializers of the model's graph that training information binds to other values."""
    bindings = (
        entry
        for training in model.proto.training_info
        for entry in (*training.initialization_binding, *training.update_binding)
    )
    return {entry.key for entry in bindings}


def _weight(scope: Scope, constant: Constant, operators: tuple[str, ...], storage: int, obstacle: str | None) -> Weight:
    function, tensor = function_of(scope), constant.tensor
    if isinstance(scope, GraphScope):
        key = key_of(scope.number, constant.name)
    else:
        key = f"{'' if function is None else f'{function.domain}.{function.name}'}:{constant.name}"
    dtype, shape = type_name(tensor.data_type), tuple(tensor.dims)
    weight = Weight(key, constant.name, operators, shape, dtype, constant.nbytes, storage=storage)
    return weight if obstacle is None else Fixed.with_obstacle(weight, obstacle)


def multipliers_of(uses: Uses, scope: Scope, name: str) -> tuple[str, ...]:
    """The operators that multiply with a value, in the order of the walk."""
    operators: dict[str, None] = {}
    seen: set[tuple[int, str]] = set()
    waiting = [(scope, name)]
    while waiting:
        owner, value = waiting.pop(0)
        if (id(owner), value) in seen:
            continue
        seen.add((id(owner), value))
        for use in uses.readers(owner, value):
            called = uses.called(use)
            if called is not None:
                waiting.append(called)
            elif use.slot in _multiplied_slots(use):
                operators[use.node.op_type] = None
            elif use.slot == 0 and use.node.op_type in PASSED_ON and use.node.output:
                waiting.append((use.scope, use.node.output[0]))
    return tuple(operators)


def _channel_axis(uses: Uses, scope: Scope, constant: Constant) -> int:
    """The axis of the output channels: 1 of second factors, transposed first ones and of a ConvTranspose, else 0."""
    second = min(1, max(0, len(constant.tensor.dims) - 1))
    waiting = uses.readers(scope, constant.name)
    for use in waiting:
        if use.node.op_type == "DequantizeLinear" and use.node.output:
            waiting = waiting + uses.readers(use.scope, use.node.output[0])
    for use in waiting:
        slots = _multiplied_slots(use)
        if use.slot not in slots:
            continue
        if len(slots) == 1:
            return second if use.node.op_type == "ConvTranspose" else 0
        is_second = use.slot == slots[1]
        name = "transB" if is_second else "transA"
        transposed = any(entry.name == name and entry.i for entry in use.node.attribute)
        return second if is_second != transposed else 0
    return 0


def _multiplied_slots(use: Use) -> tuple[int, ...]:
    """The inputs of a reader that it sums products of."""
    domain = "" if use.node.domain in DEFAULT_DOMAINS else f"{use.node.domain}."
    return MULTIPLIED.get(f"{domain}{use.node.op_type}", ())


def _obstacle(model: OnnxModel, scope: Scope, constant: Constant, data: Data | None, is_input: bool) -> str | None:
    """Why a constant is unchanged whatever the method; None if it need not."""
    tensor = constant.tensor
    if is_input and (scope.number or model.proto.ir_version >= FIRST_CONSTANT_IR):
        return "is also an input of the graph, so a caller can replace it"
    if scope.parent is not None and scope.parent.owner(constant.name) is not None:
        return "hides a value of the same name in an outer graph, which only an initializer can do"
    if data is None or not has_values(tensor.data_type):
        return f"weights of type {type_name(tensor.data_type)} are not supported"
    if not 1 <= elements_of(tensor) <= MAX_ELEMENTS:
        return "has no elements" if elements_of(tensor) == 0 else "has more than 2^30 − 1 elements"
    if bits_of(tensor.data_type) == 4 and elements_of(tensor) % 2 and load(data)[-1] >> 4:
        return "has unused bits in its last byte that are set"
    if not same_when_set(tensor, data):
        return "is stored in a form that cannot be restored bit for bit"
    return None
