"""Two forms of a `.tflite` model: their weights by restoring both, what they compute by running both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wpconvert.engines import Engine
from wpconvert.engines.base import Advance, Place, TracingEngine
from wpconvert.engines.choice import LAST, candidates, engine_named, no_engine, problem_of
from wpconvert.engines.comparison import bits_of
from wpconvert.engines.coverage import places_of, unexercised_outputs
from wpconvert.engines.exercise import exercising_samples
from wpconvert.engines.inputs import Inputs, Port, ports_of
from wpconvert.errors import UnsupportedError, UsageError
from wpconvert.formats.protocol import Runs, WeightLoss
from wpconvert.formats.tflite.equality import weights_equal
from wpconvert.formats.tflite.loss import loss_of
from wpconvert.formats.tflite.model import TfliteModel, shape_of, text
from wpconvert.formats.tflite.restore import restored
from wpconvert.report.result import TensorCoverage


@dataclass(frozen=True)
class TfliteForms:
    """An original and a rewritten model."""

    original: TfliteModel
    rewritten: TfliteModel

    @property
    def names(self) -> list[str]:
        """Of the outputs."""
        graph = self.original.root.subgraphs[0]
        return [text(graph.tensors[index].name) for index in graph.outputs]

    def check(self) -> None:
        """UsageError unless both models have inputs and outputs of the same shapes and types; names may differ."""
        graphs = (self.original.root.subgraphs[0], self.rewritten.root.subgraphs[0])
        for ends in ("inputs", "outputs"):
            sides = []
            for graph in graphs:
                tensors = [graph.tensors[index] for index in getattr(graph, ends)]
                sides.append([(shape_of(tensor), int(tensor.type)) for tensor in tensors])
            if sides[0] != sides[1]:
                shapes = [[list(shape) for shape, _ in side] for side in sides]
                raise UsageError(
                    f"the models have different {ends}: {shapes[0]} and {shapes[1]}; "
                    "they are not two versions of one model"
                )

    def engine(self, name: str | None) -> Engine | None:
        """The engine of that name, None for the fastest one that is exact."""
        return engine_named(name)

    def ports(self) -> list[Port]:
        """The inputs."""
        return ports_of(self.original)

    def drawn(self, ports: Sequence[Port], count: int, seed: int) -> Inputs:
        """Random samples, chosen to exercise the original."""
        return exercising_samples(self.original, ports, count, seed)

    def weights(self) -> WeightLoss:
        """Compare the weights, those of lossy operators apart. The dense ones are in memory only meanwhile."""
        loss, before = loss_of(self.rewritten), loss_of(self.original)
        source = restored(self.original)
        dense = restored(self.rewritten, source)
        return WeightLoss(
            weights_equal(source, dense, loss.places, loss.units),
            weights_equal(source, dense, (), {}),
            loss.lossy,
            before.reduced >= loss.reduced,
            loss.reduced,
        )

    def run(self, inputs: Inputs, engine: Engine | None, advance: Advance) -> Runs:
        """Run both in the fastest exact engine, or the one that is given.

        Where that cannot, LiteRT runs the original and the restored model instead, and a note says so.
        """
        tried: list[tuple[Engine, str]] = []
        models = (self.original, self.rewritten)
        for used in candidates(engine):
            try:
                runs = _run_both(used, *models, inputs, advance)
                break
            except UnsupportedError as error:
                tried.append((used, problem_of(used, models) or str(error)))
        else:
            raise no_engine(tried)
        runs.notes += [f"the {one.name} engine cannot run this model: {problem}" for one, problem in tried]
        if tried and used.name == LAST:
            runs.notes.append("compared instead: the original and the restored model in LiteRT, and all weights")
        return runs

    def run_dense(self, inputs: Inputs, engine: Engine | None, runs: Runs) -> Runs:
        """Run the rewritten model beside its own dense form, in the engine that ran both models."""
        used = next(one for one in candidates(engine) if one.name == runs.engine)
        return _run_both(used, restored(self.rewritten), self.rewritten, inputs, lambda: None)

    def covered(self, runs: Runs) -> tuple[tuple[TensorCoverage, ...], tuple[str, ...]]:
        """What the samples exercise of each tensor, and the names of those of which they exercise nothing."""
        model, graph = self.original, self.original.root.subgraphs[0]
        found, nothing = [], []
        for place, index in places_of(model).items():
            exercised = runs.coverage.exercised(place)
            if exercised.size:
                name, operator = text(graph.tensors[index].name), model.operator_name(graph.operators[place[0]])
                different = runs.different.get(place, 0) if place in runs.compared else None
                key, count = f"0:{index}", int(exercised.sum())
                found.append(TensorCoverage(key, name, operator, exercised.size, count, different))
                if not exercised.any():
                    nothing.append(f"{name or f'tensor {index}'} ({operator})")
        return tuple(found), tuple(nothing) if found else unexercised_outputs(self.names, runs.before)

    def why(self, runs: Runs) -> list[str]:
        """Where inner values start to differ."""
        if not runs.different:
            return []
        index, position = min(runs.different)
        graph = self.original.root.subgraphs[0]
        operator = graph.operators[index]
        name = text(graph.tensors[operator.outputs[position]].name)
        return [
            f"values differ first in {name or 'the output'} of operator {index} "
            f"({self.original.operator_name(operator)}): {runs.different[index, position]:,} of them"
        ]


def _run_both(engine: Engine, first: TfliteModel, second: TfliteModel, inputs: Inputs, advance: Advance) -> Runs:
    runs, samples, known = Runs(engine.name), inputs.samples, inputs.known
    if not isinstance(engine, TracingEngine):
        runs.before = engine.run(first, samples, advance)
        runs.after = engine.run(second, samples, advance)
        return runs
    is_known = known is not None and known.model is first and known.engine == engine.name
    traces = known.traces if known is not None and is_known else engine.traces(first, samples)
    for before, after in zip(traces, engine.traces(second, samples), strict=True):
        runs.before.append(before.outputs)
        runs.after.append(after.outputs)
        runs.coverage = runs.coverage.with_sample(before.inner)
        _compare(runs, before.inner, after.inner)
        advance()
        advance()
    return runs


def _compare(runs: Runs, first: Mapping[Place, NDArray[Any]], second: Mapping[Place, NDArray[Any]]) -> None:
    """Add the inner values of one sample."""
    for place, values in first.items():
        other = second.get(place)
        if other is not None and (other.dtype, other.shape) == (values.dtype, values.shape):
            runs.compared.add(place)
            count = int(np.count_nonzero(bits_of(values) != bits_of(other)))
            if count:
                runs.different[place] = runs.different.get(place, 0) + count
