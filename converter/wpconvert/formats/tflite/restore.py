"""Give back the dense model: blobs become weights again, custom operators the builtin ones they replaced."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.formats.tflite import memory_entry, metadata
from wpconvert.formats.tflite.checks import check
from wpconvert.formats.tflite.graph_reader import read_operator
from wpconvert.formats.tflite.metadata import Originals
from wpconvert.formats.tflite.model import TfliteModel, shape_of
from wpconvert.formats.tflite.reconstruct import OPERATOR_VERSION, all_scales, reconstruct
from wpconvert.formats.tflite.rewrite import drop_unused_codes, operator_code
from wpconvert.formats.tflite.schema import (
    BufferT,
    TensorType,
)
from wpconvert.graph.custom.compressed import Compressed, Decoded, read_compressed
from wpconvert.graph.custom.operators import BUILTIN_NAMES
from wpconvert.graph.custom.rewritable import WEIGHT_INPUT, table_of
from wpconvert.graph.structure import Place
from wpconvert.model.provenance import Provenance
from wpconvert.model.reasons import LOSSY


def is_rewritten(model: TfliteModel) -> bool:
    """Whether any operator of the model is one of ours."""
    return any(
        model.operator_name(operator) in BUILTIN_NAMES for graph in model.root.subgraphs for operator in graph.operators
    )


def restored(model: TfliteModel, known: TfliteModel | None = None) -> TfliteModel:
    """The dense model, a copy where it is not the model itself. known: as `restore` takes it; raises the same."""
    if not is_rewritten(model):
        return model
    copy = model.copy()
    restore(copy, known=known)
    return copy


def restore(model: TfliteModel, same_outputs: bool = False, known: TfliteModel | None = None) -> list[str]:
    """Undo `rewrite` in place. Returns what could not be given back, empty for a file with its originals.

    Weight data, shape and type are always exact, those of changed weights as they were changed. The restored model
    computes the same bits; the exceptions, multipliers that no float32 scales give and operators of fewer bits,
    are among what is returned, and with `same_outputs` an UnsupportedError.
    known: a dense model whose weights are taken where they are equal, which saves the memory of another copy.
    Raises ModelError for corrupt blobs, tables and options, and for originals that contradict them.
    """
    if not is_rewritten(model):
        return []
    originals = metadata.read_originals(model) or Originals([], {}, {})
    _merge_codes(model, originals)
    # Every operator is decoded before a tensor changes: operators, also of several subgraphs, can share a blob.
    compressed = {
        (s, index): _shared(read_compressed(read_operator(model, s, index)), (s, index), known)
        for s, graph in enumerate(model.root.subgraphs)
        for index, operator in enumerate(graph.operators)
        if model.operator_name(operator) in BUILTIN_NAMES
    }
    returning = {place for place in compressed if _fits(model, place, originals)}
    # Tables and side data.
    tables = {
        (s, int(tensor))
        for (s, index), parts in compressed.items()
        if isinstance(parts, Compressed)
        for tensor in model.root.subgraphs[s].operators[index].inputs[2:]
    }
    buffers = {place: int(tensor.buffer) for place, tensor in originals.tensors.items()}
    scales = all_scales(model, {place: c for place, c in compressed.items() if place not in returning})
    for (s, index), parts in compressed.items():
        if (s, index) in returning:
            _put_back(model, s, index, parts, originals)
        else:
            reconstruct(model, s, index, parts, scales)
    for s, graph in enumerate(model.root.subgraphs):
        _drop_idle_tensors(graph, {table for owner, table in tables if owner == s})
    _share_again(model, originals, buffers)
    provenance = metadata.read(model)
    metadata.remove(model)
    memory_entry.fit(model)
    _drop_idle_buffers(model)
    if originals.codes:
        # The original list comes back as it was, idle codes included; ours follow it.
        used = {op.opcodeIndex for graph in model.root.subgraphs for op in graph.operators}
        del model.root.operatorCodes[max(len(originals.codes), *(index + 1 for index in used)) :]
    else:
        drop_unused_codes(model)
    check(model.root)
    inexact = [place for place, parts in compressed.items() if not _same_table(model, place, parts, place in returning)]
    for place in returning:
        _check_hash(model, place, compressed[place], _hashes(provenance))
    reduced = [place for place, parts in compressed.items() if isinstance(parts, Compressed) and parts.unit]
    if reduced and same_outputs:
        raise UnsupportedError(
            f"operator {reduced[0][1]} uses fewer activation bits or rounded look-ups, which no other method "
            "supports: convert its dense model, which `restore` writes"
        )
    if inexact and same_outputs:
        index = inexact[0][1]
        raise UnsupportedError(
            f"operator {index}: no float32 scale gives its multipliers, so it cannot be encoded again"
        )
    losses = [
        f"operator {index} {compressed[s, index].name}: no float32 scale gives exactly the stored multipliers"
        for s, index in inexact
    ]
    if len(returning) < len(compressed):
        losses.insert(
            0,
            f"{len(compressed) - len(returning)} operators: names, calibration ranges and original quantisation of "
            "weights and biases were stripped; scales were reconstructed from the requantisation tables",
        )
        rebuilt = sorted({parts.name for place, parts in compressed.items() if place not in returning})
        versions = ", ".join(f"{name} {OPERATOR_VERSION[name]}" for name in rebuilt)
        losses.insert(1, f"their operator versions were stripped, too; they are now those of int8 kernels: {versions}")
    if reduced:
        losses.append(
            f"operator {reduced[0][1]} {compressed[reduced[0]].name}{_and_others(reduced)}: fewer activation bits "
            "or rounded look-ups, which the dense model does not use, so its outputs differ"
        )
    if provenance is not None and provenance.lossy:
        losses.append(LOSSY)
    return losses


def _shared(parts: Decoded, place: Place, known: TfliteModel | None) -> Decoded:
    """The parts, with the weights that a dense model has at the same place where they are equal."""
    subgraph, index = place
    graphs = [] if known is None else known.root.subgraphs
    if known is None or subgraph >= len(graphs) or index >= len(operators := graphs[subgraph].operators or []):
        return parts
    inputs = operators[index].inputs
    weight = int(inputs[WEIGHT_INPUT]) if len(inputs) > WEIGHT_INPUT else -1
    tensor = graphs[subgraph].tensors[weight] if weight >= 0 else None
    if tensor is None or tensor.type != TensorType.INT8 or shape_of(tensor) != parts.weights.shape:
        return parts
    values = known.constant(tensor)
    return replace(parts, weights=values) if values is not None and np.array_equal(parts.weights, values) else parts


def _and_others(places: Sequence[Place]) -> str:
    return f" and {len(places) - 1} others" if len(places) > 1 else ""


def _merge_codes(model: TfliteModel, originals: Originals) -> None:
    """Put the original operator codes in front, so that kept operators refer to them, and re-index the others."""
    codes = model.root.operatorCodes
    model.root.operatorCodes = list(originals.codes)
    for graph in model.root.subgraphs:
        for operator in graph.operators:
            operator.opcodeIndex = operator_code(model, codes[operator.opcodeIndex])


def _fits(model: TfliteModel, place: Place, originals: Originals) -> bool:
    """Whether the kept original belongs to the operator at this place: another tool may have moved operators."""
    subgraph, index = place
    original = originals.operators.get(place)
    graph = model.root.subgraphs[subgraph]
    operator = graph.operators[index]
    inputs = () if original is None or original.inputs is None else tuple(int(t) for t in original.inputs)
    return (
        original is not None
        and len(inputs) in (2, 3)
        and original.outputs is not None
        and inputs[0] == operator.inputs[0]
        and inputs[1] == operator.inputs[1]
        and list(original.outputs) == list(operator.outputs)
        and (subgraph, inputs[1]) in originals.tensors
    )


def _put_back(model: TfliteModel, subgraph: int, index: int, parts: Decoded, originals: Originals) -> None:
    graph = model.root.subgraphs[subgraph]
    operator = graph.operators[index]
    weight = int(operator.inputs[1])
    kept = originals.tensors[subgraph, weight]
    if shape_of(kept) != parts.weights.shape or kept.type != TensorType.INT8:
        raise ModelError(f"operator {index}: the original weights {list(shape_of(kept))} do not fit the blob")
    kept.buffer = graph.tensors[weight].buffer
    graph.tensors[weight] = kept
    model.root.buffers[kept.buffer] = BufferT(data=parts.weights.reshape(-1).view(np.uint8))
    if isinstance(parts, Compressed):
        slot = int(operator.inputs[2])
        bias = originals.tensors.get((subgraph, slot))
        if bias is not None:
            bias.buffer = graph.tensors[slot].buffer
            graph.tensors[slot] = bias
            model.root.buffers[bias.buffer] = BufferT(data=parts.bias().view(np.uint8))
    graph.operators[index] = originals.operators[subgraph, index]


def _share_again(model: TfliteModel, originals: Originals, buffers: dict[Place, int]) -> None:
    """Put restored tensors on the buffer they had, given by `buffers`, where that holds the same bytes again."""
    for (s, index), tensor in originals.tensors.items():
        before = buffers[s, index]
        tensors = model.root.subgraphs[s].tensors if s < len(model.root.subgraphs) else []
        if index < len(tensors) and tensors[index] is tensor and before < len(model.root.buffers):
            there, here = model.root.buffers[before].data, model.root.buffers[tensor.buffer].data
            if there is not None and np.array_equal(there, here):
                tensor.buffer = before


def _hashes(provenance: Provenance | None) -> dict[Place, str]:
    return {} if provenance is None else {(r.subgraph, r.tensor): r.sha256 for r in provenance.tensors}


def _check_hash(model: TfliteModel, place: Place, parts: Decoded, hashes: dict[Place, str]) -> None:
    """The weights that came back must be those that were rewritten."""
    subgraph, index = place
    weight = int(model.root.subgraphs[subgraph].operators[index].inputs[1])
    digest = hashlib.sha256(np.ascontiguousarray(parts.weights).data).hexdigest()
    if hashes.get((subgraph, weight), digest) != digest:
        raise ModelError(f"{_where(place, parts)}: the decoded weights differ from those recorded in the metadata")


def _same_table(model: TfliteModel, place: Place, parts: Decoded, returned: bool) -> bool:
    """Whether the restored operator computes what the rewritten one did: it gives the same table again.

    Reconstructed scales may miss the multipliers; any other difference is a ModelError. True where there is no table.
    """
    if not isinstance(parts, Compressed):
        return True
    found, wanted = table_of(read_operator(model, *place), parts.options.act_bits, parts.shift), parts.table
    if found is None:
        raise ModelError(f"{_where(place, parts)}: its tensors and options do not form a {parts.name}")
    if found.pack().tobytes() == wanted.pack().tobytes():
        return True
    if returned:
        raise ModelError(f"{_where(place, parts)}: the table contradicts the original recorded in the metadata")
    if replace(found, multiplier=wanted.multiplier, shift=wanted.shift).pack().tobytes() != wanted.pack().tobytes():
        raise ModelError(f"{_where(place, parts)}: the table contradicts the operator's tensors and options")
    return False


def _where(place: Place, parts: Decoded) -> str:
    return f"operator {place[1]} ({parts.name}, subgraph {place[0]})"


def _drop_idle_tensors(graph: Any, tables: set[int]) -> None:
    """Remove table tensors that were appended: they are the last ones, and nothing refers to them any more."""
    used = {int(t) for operator in graph.operators for t in operator.inputs}
    while graph.tensors and (last := len(graph.tensors) - 1) in tables and last not in used:
        graph.tensors.pop()


def _drop_idle_buffers(model: TfliteModel) -> None:
    """Remove buffers at the end that nothing refers to: those of appended tables and of our metadata."""
    used = {int(tensor.buffer) for graph in model.root.subgraphs for tensor in graph.tensors}
    used |= {int(entry.buffer) for entry in model.root.metadata or []}
    used |= {int(b) for b in (() if model.root.metadataBuffer is None else model.root.metadataBuffer)}
    while len(model.root.buffers) - 1 not in used and len(model.root.buffers) > 1:
        model.root.buffers.pop()
