"""The arena that a model takes in TensorFlow Lite Micro with CMSIS-NN on a 32-bit core, before anything is built."""

from __future__ import annotations

from collections import defaultdict

from wpconvert.errors import UnsupportedError
from wpconvert.graph.structure import Graph
from wpconvert.memory.greedy import stock
from wpconvert.memory.lifetimes import activations
from wpconvert.memory.offline import offsets_of
from wpconvert.memory.predict import ArenaPrediction
from wpconvert.memory.tflm import persistent_nbytes, scratch_of


def predict_tflm(graph: Graph, data: bytes, core: str) -> ArenaPrediction:
    """What TFLM's planner places, exactly, and about what its interpreter and operators keep. data: the model's file.

    Raises UnsupportedError for several subgraphs, and where the scratch of an operator is not known.
    """
    if len(graph.subgraphs) != 1:
        raise UnsupportedError("the TFLM arena of a model with several subgraphs cannot be predicted")
    alive = activations(graph, in_place=False)
    scratch = scratch_of(graph, data)[core].tflm
    plan = offsets_of(graph)
    fixed = {} if plan is None else {i: int(plan[t]) for i, t in enumerate(alive.tensors) if plan[t] >= 0}
    asked: defaultdict[int, int] = defaultdict(int)
    for buffer in scratch:
        asked[buffer.first] += buffer.nbytes
    placed = stock([*alive.buffers, *scratch], fixed).nbytes
    return ArenaPrediction(placed, persistent_nbytes(graph, core), dict(asked))
