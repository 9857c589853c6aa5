"""Random inputs that exercise a model: of several kinds, and as many as it takes within reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from wpconvert.engines.base import Place, Trace, TracingEngine
from wpconvert.engines.choice import exact_engines
from wpconvert.engines.coverage import Coverage, places_of
from wpconvert.engines.inputs import Inputs, KnownTraces, Port, random_samples, sample_stream
from wpconvert.errors import UnsupportedError
from wpconvert.graph.executable import Executable
from wpconvert.graph.types import Sample

PATIENCE = 12
"""How many samples in a row are tried in vain before nothing more is looked for: one of each kind."""


def exercising_samples(
    model: Executable,
    ports: Sequence[Port],
    wanted: int,
    seed: int,
    taken: Callable[[Sample], Sample] = lambda sample: sample,
) -> Inputs:
    """The first so many of `sample_stream`, and what follows there as far as it exercises more of a model.

    More is looked for while operators compute something of which no channel is exercised, or outputs of which less than
    half of the channels are. Where no exact engine runs the model, the samples are not chosen. taken: a sample as the
    model takes it, where the ports are those of another form of it.
    """
    # One sample has nothing to vary against.
    for engine in exact_engines() if wanted > 1 else ():
        try:
            return _chosen(model, engine, sample_stream(ports, seed), wanted, taken)
        except UnsupportedError:
            continue
    return random_samples(ports, wanted, seed)


def _chosen(
    model: Executable,
    engine: TracingEngine,
    stream: Iterator[Sample],
    wanted: int,
    taken: Callable[[Sample], Sample],
) -> Inputs:
    places = _wanted_places(model)
    tried: list[Sample] = []

    def noted() -> Iterator[Sample]:
        for sample in stream:
            tried.append(sample)
            yield taken(sample)

    kept: list[Sample] = []
    traces: list[Trace] = []
    coverage, in_vain = Coverage(), 0
    for trace in engine.traces(model, noted()):
        more, needy = coverage.with_sample(trace.inner), _missed(places, coverage)
        if len(kept) < wanted or _gains(coverage, more, needy):
            kept.append(tried[-1])
            traces.append(trace)
            coverage, in_vain = more, 0
        else:
            in_vain += 1
        if len(kept) >= wanted and (in_vain == PATIENCE or not _missed(places, coverage)):
            break
    return Inputs(kept, None, known=KnownTraces(model, engine.name, traces))


def _wanted_places(model: Executable) -> dict[Place, bool]:
    """Where samples should exercise a model: by place, whether it is an output."""
    ends = {tensor.index for tensor in model.graph.main.outputs}
    return {place: tensor in ends for place, tensor in places_of(model).items()}


def _missed(places: Mapping[Place, bool], coverage: Coverage) -> list[Place]:
    """Where a coverage has less than half of the channels of an output, or nothing of another place."""
    found = []
    for place, is_output in places.items():
        exercised = coverage.exercised(place)
        least = (exercised.size + 1) // 2 if is_output else min(1, exercised.size)
        if exercised.sum() < least:
            found.append(place)
    return found


def _gains(before: Coverage, after: Coverage, places: Sequence[Place]) -> bool:
    return any(after.progress(place) > before.progress(place) for place in places)
