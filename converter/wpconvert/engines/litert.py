"""LiteRT with its reference kernels as an engine. Rewritten models are restored first: LiteRT has no WP_* operators.

LiteRT runs in a process of its own, because native code may not survive a malformed model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from wpconvert.engines.base import Advance, Trace
from wpconvert.engines.isolated import run_isolated
from wpconvert.graph.executable import Executable
from wpconvert.graph.types import Sample
from wpconvert.temporary import temporary_folder


class LiteRtEngine:
    """Runs anything LiteRT's reference kernels run."""

    name = "litert"

    def unsupported(self, model: Executable) -> list[str]:
        # Operators that it lacks are known only after trying.
        problem = model.no_dense()
        return [] if problem is None else [problem]

    def run(self, model: Executable, samples: Sequence[Sample], advance: Advance) -> list[Sample]:
        return self._run(model.dense(), samples, advance)

    def traces(self, model: Executable, samples: Iterable[Sample]) -> Iterator[Trace]:
        dense = model.dense()
        main = dense.graph.main
        tensors = {
            (operator.index, position): tensor.index
            for operator in main.operators
            for position, tensor in enumerate(operator.outputs)
            if tensor.dtype.numpy is not None
        }
        for values in self._run(dense, list(samples), lambda: None, list(tensors.values())):
            inner = values[len(main.outputs) :]
            yield Trace(values[: len(main.outputs)], dict(zip(tensors, inner, strict=True)))

    def _run(
        self, dense: Executable, samples: Sequence[Sample], advance: Advance, kept: Sequence[int] = ()
    ) -> list[Sample]:
        with temporary_folder() as folder:
            model_file = folder / "model.tflite"
            model_file.write_bytes(dense.content())
            return run_isolated("LiteRT", "wpconvert.engines.litert_worker", model_file, samples, advance, kept)
