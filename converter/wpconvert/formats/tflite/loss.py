"""What of a rewritten model is not what the original has: its metadata and its operators say."""

from __future__ import annotations

from dataclasses import dataclass

from wpconvert.formats.tflite import metadata
from wpconvert.formats.tflite.graph_reader import read_operator
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.graph.custom.compressed import Compressed, read_compressed
from wpconvert.graph.custom.operators import BUILTIN_NAMES


@dataclass(frozen=True)
class Loss:
    """What of a rewritten model is lossy: operators whose weights were changed, by subgraph and index, and those that
    compute with fewer bits than their dense form, with the logarithm to base 2 of what their accumulators count.
    """

    places: frozenset[tuple[int, int]]
    units: dict[tuple[int, int], int]

    @property
    def reduced(self) -> bool:
        """Whether any operator computes with fewer bits."""
        return bool(self.units)

    @property
    def lossy(self) -> bool:
        """Whether anything is."""
        return self.reduced or bool(self.places)


def loss_of(model: TfliteModel) -> Loss:
    """What a model says of its loss. ModelError when an operator of ours is corrupt."""
    provenance = metadata.read(model)
    lossy = provenance is not None and provenance.lossy
    records = set() if provenance is None else provenance.lossy_places
    places, units = set(), {}
    for s, graph in enumerate(model.root.subgraphs):
        for index, operator in enumerate(graph.operators or []):
            if model.operator_name(operator) not in BUILTIN_NAMES:
                continue
            parts = read_compressed(read_operator(model, s, index))
            if isinstance(parts, Compressed) and parts.unit > 0:
                units[s, index] = parts.unit
            # A stripped file does not say which weights.
            if lossy and (not records or (s, int(operator.inputs[1])) in records):
                places.add((s, index))
    return Loss(frozenset(places), units)
