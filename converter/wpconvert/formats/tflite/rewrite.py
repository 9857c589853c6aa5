"""Replace operators with dense weights by custom operators with a blob and a table; keep the rest of the file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs import CODECS, Side
from wpconvert.formats.tflite import memory_entry, metadata
from wpconvert.formats.tflite.graph_fields import attributes_of
from wpconvert.formats.tflite.graph_reader import read_operator
from wpconvert.formats.tflite.metadata import Originals
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.schema import (
    BufferT,
    BuiltinOperator,
    CustomOptionsFormat,
    OperatorCodeT,
    OperatorT,
    QuantizationParametersT,
    TensorT,
    TensorType,
)
from wpconvert.formats.tflite.strip import strip as strip_model
from wpconvert.formats.tflite.weights import Site, find_sites
from wpconvert.graph.custom.operators import CUSTOM_NAMES, CUSTOM_VERSION, ELEMENTWISE, options_of
from wpconvert.graph.custom.rewritable import BIAS_INPUT, build_table
from wpconvert.memory.offline import MemoryPlan
from wpconvert.model.changed import USUAL, Arithmetic
from wpconvert.model.encoded import Encoded
from wpconvert.model.plan import Outcome
from wpconvert.model.provenance import TensorRecord
from wpconvert.model.weight import Rewritable


def rewrite(
    model: TfliteModel,
    outcomes: Sequence[Outcome],
    strip: bool,
    plan: Callable[[TfliteModel], MemoryPlan | None] = lambda _: None,
) -> MemoryPlan | None:
    """Rewrite a model in place: every outcome with a blob becomes custom operators. Tensors keep their indices.

    `plan` makes the memory plan that is added, of the model with its new operators, and returned. There is none where
    no tensor is rewritten: `restore` would find no entry to remove it by.
    """
    memory_plan = None
    sites = find_sites(model)
    chosen = [
        _Replacement(sites[weight.key], weight, outcome.method, outcome.blob)
        for outcome in outcomes
        if outcome.blob is not None and isinstance(weight := outcome.weight, Rewritable)
    ]
    if chosen:
        rewriter = _Rewriter(model, strip, chosen)
        # Tables first: they are computed from weights and quantisation that the blobs will replace.
        tables = {
            (one.site.subgraph, use.operator): _table(model, one, use.operator)
            for one in chosen
            for use in one.site.uses
            if use.name not in ELEMENTWISE
        }
        for one in chosen:
            for use in one.site.uses:
                rewriter.replace_operator(one, use.operator, tables.get((one.site.subgraph, use.operator)))
            rewriter.replace_weight(one)
        records = [_record(one) for one in chosen]
        drop_unused_codes(model)
        memory_entry.fit(model)
        memory_plan = plan(model)
        if memory_plan is not None:
            memory_entry.write(model, memory_plan)
        metadata.write(model, strip, memory_plan is not None, records, rewriter.originals)
    if strip:
        strip_model(model)
    return memory_plan


@dataclass(frozen=True)
class _Replacement:
    """A weight that a blob takes the place of."""

    site: Site
    weight: Rewritable
    method: str
    blob: Encoded

    @property
    def side(self) -> Side | None:
        """What an operator reads beside the blob: weights that are stored otherwise need none."""
        return self.weight.side if CODECS[self.method].side is not None else None

    @property
    def arithmetic(self) -> Arithmetic:
        """Of an operator with these weights."""
        changed = self.weight.changed
        return USUAL if changed is None or self.side is None else changed.arithmetic


def _table(model: TfliteModel, one: _Replacement, operator: int) -> NDArray[np.uint8]:
    weights = model.root.subgraphs[one.site.subgraph].tensors[one.site.tensor]
    found = build_table(
        read_operator(model, one.site.subgraph, operator), one.arithmetic.act_bits, one.arithmetic.shift
    )
    return found.pack(weights.quantization.scale)


def _record(one: _Replacement) -> TensorRecord:
    site, weight = one.site, one.weight
    digest = hashlib.sha256(np.ascontiguousarray(weight.values).data).hexdigest()
    operator = "+".join(weight.operators)
    return TensorRecord(
        site.subgraph,
        site.tensor,
        weight.name,
        operator,
        list(weight.shape),
        weight.dtype,
        one.method,
        digest,
        weight.lossy,
    )


class _Rewriter:
    """A rewriting in progress: what was replaced so far, and who else refers to a tensor or buffer."""

    def __init__(self, model: TfliteModel, strip: bool, chosen: Sequence[_Replacement]) -> None:
        self.originals = Originals(list(model.root.operatorCodes), {}, {})
        self._model = model
        self._strip = strip
        self._readers = _readers(model)
        self._owners = Counter(int(tensor.buffer) for graph in model.root.subgraphs for tensor in graph.tensors)
        self._owners.update(int(entry.buffer) for entry in model.root.metadata or [])
        self._owners.update(() if model.root.metadataBuffer is None else map(int, model.root.metadataBuffer))
        sites = [one.site for one in chosen]
        self._weights = Counter(int(model.root.subgraphs[s.subgraph].tensors[s.tensor].buffer) for s in sites)
        self._blobs: dict[tuple[int, bytes], int] = {}
        # The buffers of what stands beside blobs, and their tensors in each subgraph.
        self._sides: dict[bytes, int] = {}
        self._side_tensors: dict[tuple[int, int], int] = {}

    def replace_operator(self, one: _Replacement, index: int, table: NDArray[np.uint8] | None) -> None:
        """Put the custom operator in the builtin one's place, and its table, if any, in the place of the bias."""
        site = one.site
        graph = self._model.root.subgraphs[site.subgraph]
        operator = graph.operators[index]
        name = self._model.operator_name(operator)
        inputs = [int(operator.inputs[0]), site.tensor]
        if table is not None:
            inputs.append(self._place_table(site, index, table))
        if (side := one.side) is not None:
            inputs.append(self._place_side(site.subgraph, one.method, side))
        self.originals.operators[site.subgraph, index] = operator
        replacement = OperatorT()
        replacement.opcodeIndex = _custom_code(self._model, CUSTOM_NAMES[name])
        replacement.inputs = np.array(inputs, np.int32)
        replacement.outputs = operator.outputs
        options = options_of(attributes_of(operator.builtinOptions))
        # The blob says these too; equal options stand in the file once.
        if not self._strip:
            options = replace(options, codec=one.method)
        if not self._strip or name in ELEMENTWISE:
            options = replace(options, filter_shape=one.weight.shape)
        options = replace(options, act_bits=one.arithmetic.act_bits)
        replacement.customOptions = options.pack()
        replacement.customOptionsFormat = CustomOptionsFormat.FLEXBUFFERS
        graph.operators[index] = replacement

    def _place_table(self, site: Site, index: int, table: NDArray[np.uint8]) -> int:
        """Put a table in the place of its operator's bias where no one else reads that; the table's tensor index."""
        graph = self._model.root.subgraphs[site.subgraph]
        operator = graph.operators[index]
        bias = int(operator.inputs[BIAS_INPUT]) if len(operator.inputs) > BIAS_INPUT else -1
        if bias >= 0 and self._readers[site.subgraph, bias] == 1:
            slot, tensor = bias, graph.tensors[bias]
            self.originals.tensors[site.subgraph, bias] = tensor
            # The last tensor to leave a shared buffer takes it over.
            buffer = tensor.buffer if self._owners[tensor.buffer] == 1 else self._new_buffer()
            self._owners[tensor.buffer] -= 1
            graph.tensors[bias] = _bytes_tensor(tensor.name, table.nbytes, buffer)
        else:
            # No bias, or one that others read too: the table becomes a tensor after all others.
            slot, buffer = len(graph.tensors), self._new_buffer()
            graph.tensors.append(_bytes_tensor(f"wpconvert/table{index}", table.nbytes, buffer))
        self._model.root.buffers[buffer] = BufferT(data=table)
        return slot

    def _place_side(self, subgraph: int, name: str, side: Side) -> int:
        """The tensor of what blobs of a codec of that name share, in a subgraph; appended once."""
        packed = side.pack()
        raw = packed.tobytes()
        if raw not in self._sides:
            self._sides[raw] = self._new_buffer()
            self._model.root.buffers[self._sides[raw]] = BufferT(data=packed)
        buffer = self._sides[raw]
        if (subgraph, buffer) not in self._side_tensors:
            tensors = self._model.root.subgraphs[subgraph].tensors
            self._side_tensors[subgraph, buffer] = len(tensors)
            tensors.append(_bytes_tensor(f"wpconvert/{name}{len(self._sides) - 1}", packed.nbytes, buffer))
        return self._side_tensors[subgraph, buffer]

    def replace_weight(self, one: _Replacement) -> None:
        """Put the blob in the weight's place. Equal blobs of tensors that shared a buffer share one again."""
        site, blob = one.site, one.blob
        graph = self._model.root.subgraphs[site.subgraph]
        tensor = graph.tensors[site.tensor]
        self.originals.tensors[site.subgraph, site.tensor] = tensor
        shared = self._weights[int(tensor.buffer)] > 1
        key = (int(tensor.buffer), hashlib.sha256(blob.bytes.data).digest() if shared else b"")
        if key not in self._blobs:
            taken = any(old == key[0] for old, _ in self._blobs)
            self._blobs[key] = self._new_buffer() if taken else key[0]
            self._model.root.buffers[self._blobs[key]] = BufferT(data=blob.bytes if blob.in_memory else blob)
        stored = _bytes_tensor(tensor.name, blob.nbytes, self._blobs[key])
        if any(use.name in ELEMENTWISE for use in site.uses):
            stored.quantization = QuantizationParametersT()
            stored.quantization.scale = tensor.quantization.scale
            stored.quantization.zeroPoint = tensor.quantization.zeroPoint
        graph.tensors[site.tensor] = stored

    def _new_buffer(self) -> int:
        self._model.root.buffers.append(BufferT())
        return len(self._model.root.buffers) - 1


def _readers(model: TfliteModel) -> Counter[tuple[int, int]]:
    """How often each tensor, (subgraph, index), is an operator's input or the subgraph's input or output."""
    count: Counter[tuple[int, int]] = Counter()
    for s, graph in enumerate(model.root.subgraphs):
        for operator in graph.operators or []:
            count.update((s, int(t)) for t in operator.inputs)
        count.update((s, int(t)) for ends in (graph.inputs, graph.outputs) for t in ends)
    return count


def _bytes_tensor(name: bytes | str | None, nbytes: int, buffer: int) -> Any:
    tensor = TensorT()
    tensor.name = name
    tensor.shape = np.array([nbytes], np.int32)
    tensor.type = TensorType.UINT8
    tensor.buffer = buffer
    return tensor


def _custom_code(model: TfliteModel, name: str) -> int:
    """Index of the operator code of a WP_* operator, appended when it is not there yet."""
    code = OperatorCodeT()
    code.deprecatedBuiltinCode = BuiltinOperator.CUSTOM
    code.builtinCode = BuiltinOperator.CUSTOM
    code.customCode = name
    code.version = CUSTOM_VERSION
    return operator_code(model, code)


def operator_code(model: TfliteModel, wanted: Any) -> int:
    """Index of an operator code equal to `wanted`, appended when there is none."""
    fields = ("builtinCode", "deprecatedBuiltinCode", "customCode", "version")

    def identity(code: Any) -> tuple[Any, ...]:
        values = (getattr(code, field) for field in fields)
        return tuple(value.encode() if isinstance(value, str) else value for value in values)

    for index, code in enumerate(model.root.operatorCodes):
        if identity(code) == identity(wanted):
            return index
    model.root.operatorCodes.append(wanted)
    return len(model.root.operatorCodes) - 1


def drop_unused_codes(model: TfliteModel) -> None:
    """Remove operator codes that no operator has, so that a resolver made from the list is not larger than needed."""
    operators = [op for graph in model.root.subgraphs for op in graph.operators or []]
    used = sorted({operator.opcodeIndex for operator in operators})
    position = {old: new for new, old in enumerate(used)}
    for operator in operators:
        operator.opcodeIndex = position[operator.opcodeIndex]
    model.root.operatorCodes = [model.root.operatorCodes[old] for old in used]
