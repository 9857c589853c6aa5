"""LiteRT with its reference kernels as an engine. Rewritten models are restored first: LiteRT lacks our operators.

LiteRT runs in a process of its own, because native code may not survive a malformed model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from wpconvert.engines.base import Advance, Trace
from wpconvert.engines.isolated import run_isolated
from wpconvert.errors import UnsupportedError
from wpconvert.formats.tflite.file import serialise
from wpconvert.formats.tflite.loss import loss_of
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.restore import restored
from wpconvert.formats.tflite.schema import DTYPES
from wpconvert.graph.types import Sample
from wpconvert.temporary import temporary_folder

_FEW_BITS = "it has no operators of fewer bits"


class LiteRtEngine:
    """Runs anything LiteRT's reference kernels run."""

    name = "litert"
    summary = "LiteRT's reference kernels (BUILTIN_REF); rewritten models are restored in memory first"

    def unsupported(self, model: TfliteModel) -> list[str]:
        # Operators that it lacks are known only after trying.
        return [_FEW_BITS] if loss_of(model).reduced else []

    def run(self, model: TfliteModel, samples: Sequence[Sample], advance: Advance) -> list[Sample]:
        return self._run(_dense(model), samples, advance)

    def traces(self, model: TfliteModel, samples: Iterable[Sample]) -> Iterator[Trace]:
        dense = _dense(model)
        graph = dense.root.subgraphs[0]
        tensors = {
            (index, position): int(tensor)
            for index, operator in enumerate(graph.operators)
            for position, tensor in enumerate(operator.outputs)
            if tensor >= 0 and graph.tensors[tensor].type in DTYPES
        }
        for values in self._run(dense, list(samples), lambda: None, list(tensors.values())):
            inner = values[len(graph.outputs) :]
            yield Trace(values[: len(graph.outputs)], dict(zip(tensors, inner, strict=True)))

    def _run(
        self, dense: TfliteModel, samples: Sequence[Sample], advance: Advance, kept: Sequence[int] = ()
    ) -> list[Sample]:
        with temporary_folder() as folder:
            model_file = folder / "model.tflite"
            model_file.write_bytes(serialise(dense))
            return run_isolated("LiteRT", "wpconvert.engines.litert_worker", model_file, samples, advance, kept)


def _dense(model: TfliteModel) -> TfliteModel:
    if loss_of(model).reduced:
        raise UnsupportedError(_FEW_BITS)
    return restored(model)
