"""Random inputs that exercise a model: where uniform ones prove nothing, others are found, or it is said."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.models import ModelBuilder
from tests.support.oracles import shared_model
from tests.tflite.harness import converted, forced, sparse
from wpconvert.engines import ENGINES
from wpconvert.engines.base import TracingEngine
from wpconvert.engines.coverage import Coverage, places_of
from wpconvert.engines.exercise import PATIENCE, exercising_samples
from wpconvert.engines.inputs import Inputs, ports_of, random_inputs, sample_stream
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.forms import TfliteForms
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.schema import options
from wpconvert.job.verify import verdict
from wpconvert.report.result import Verification

CHANNELS = 16


def saturating(weights: NDArray[np.int8] | None = None) -> bytes:
    """Logits that uniform inputs drive to the ends of their range, always the same, by a hidden layer that sums up.

    Squares of the inputs have one sign; what is left of the input's own sign is lost in them.
    """
    b = ModelBuilder()
    x = b.input((1, 64), 0.5, 0)
    square = b.op("MUL", [x, x], [b.tensor((1, 64), "int8", 8.0, -128)], options("MulOptions"))
    hidden = b.fully_connected(square, np.full((CHANNELS, 64), 100, np.int8), scale=400.0, zero_point=-128, name="sums")
    if weights is None:
        weights = sparse(3, (8, CHANNELS), 0.3)
    b.output(b.fully_connected(hidden, weights, scale=8000.0, name="logits"))
    return b.to_bytes()


def changed() -> bytes:
    """The same with one weight of the logits a little larger."""
    weights = sparse(3, (8, CHANNELS), 0.3)
    weights[4, 5] += 40
    return saturating(weights)


def chosen(model: TfliteModel, wanted: int = 4, seed: int = 0) -> Inputs:
    return exercising_samples(model, ports_of(model), wanted, seed)


def uniform(model: TfliteModel) -> Inputs:
    return Inputs([random_inputs(model, 1, seed).samples[0] for seed in range(4)], None)


def verify(first: bytes, second: bytes, inputs: Inputs, engine: str = "native") -> Verification:
    return verdict(TfliteForms(parse(first), parse(second)), inputs, ENGINES[engine])


def test_uniform_inputs_do_not_see_a_changed_weight_and_that_is_said() -> None:
    result = verify(saturating(), changed(), uniform(parse(saturating())))
    assert result.outputs[0].equal and not result.weights_equal
    assert result.unexercised == ("sums (FULLY_CONNECTED)", "logits (FULLY_CONNECTED)")
    logits = result.coverage[-1]
    assert (logits.name, logits.channels, logits.exercised, logits.different) == ("logits", 8, 0, 0)


@pytest.mark.parametrize("engine", ["native", "reference", "litert"])
def test_chosen_inputs_see_it_in_every_engine(engine: str) -> None:
    model = parse(saturating())
    result = verify(saturating(), changed(), chosen(model), engine)
    assert not result.passed and not result.outputs[0].equal
    assert result.unexercised == ()
    assert min(tensor.exercised for tensor in result.coverage) > 0
    assert result.notes[-1].startswith("values differ first in logits of operator 2 (FULLY_CONNECTED)")


@pytest.mark.parametrize("seed", range(6))
def test_half_of_the_logits_are_exercised_whatever_the_seed(seed: int) -> None:
    model = parse(saturating())
    result = verify(saturating(), saturating(), chosen(model, seed=seed))
    assert result.passed and result.coverage[-1].exercised >= 4


def test_the_choice_is_that_of_the_seed() -> None:
    model = parse(saturating())
    first, again, other = (chosen(model, seed=seed).samples for seed in (1, 1, 2))
    assert len(first) == len(again) > 4
    assert np.array_equal(first, again) and not np.array_equal(first[0], other[0])


def test_a_model_that_is_exercised_takes_the_samples_that_were_asked_for() -> None:
    b = ModelBuilder()
    x = b.input((1, 8, 8, 4), 0.1, 3)
    b.output(b.conv2d(x, sparse(1, (6, 3, 3, 4), 0.0), scale=100.0))
    model = b.build()
    assert np.array_equal(chosen(model, 5).samples, random_inputs(model, 5, 0).samples)
    assert len(chosen(model, 1).samples) == 1


@pytest.mark.parametrize("name", ["sparse_s_80", "sparse_s_90", "dense_s"])
def test_published_keyword_models_are_exercised_up_to_their_logits(name: str) -> None:
    data = shared_model(f"ds_cnn_kws/{name}.tflite")
    for seed in range(3):
        result = verify(data, data, chosen(parse(data), seed=seed))
        assert result.unexercised == () and 2 * result.coverage[-1].exercised >= result.coverage[-1].channels


def test_where_nothing_exercises_a_model_the_search_ends() -> None:
    b = ModelBuilder()
    x = b.input((1, 8), 0.5)
    y = b.fully_connected(x, np.zeros((4, 8), np.int8), name="dead")
    b.output(b.fully_connected(y, sparse(0, (4, 4)), name="logits"))
    model = b.build()
    assert len(chosen(model).samples) == 4
    result = verify(b.to_bytes(), b.to_bytes(), chosen(model))
    assert result.passed and result.unexercised == ("dead (FULLY_CONNECTED)", "logits (FULLY_CONNECTED)")


def test_values_inside_are_compared_where_the_outputs_hide_them() -> None:
    def hidden(weight: int) -> bytes:
        b = ModelBuilder()
        x = b.input((1, 8), 0.5)
        y = b.fully_connected(x, np.full((4, 8), weight, np.int8), scale=50.0, name="inside")
        # The logits take nothing of it.
        b.output(b.fully_connected(y, np.zeros((4, 4), np.int8), name="logits"))
        return b.to_bytes()

    for engine in ("native", "reference", "litert"):
        result = verify(hidden(20), hidden(24), random_inputs(parse(hidden(20)), 3, 0), engine)
        assert result.outputs[0].equal and result.coverage[0].different
        assert "values differ first in inside" in result.notes[-1]


def test_engines_tell_the_same_values_inside_of_original_and_rewritten() -> None:
    b = ModelBuilder()
    y = b.input((1, 6, 6, 16), 0.5, -3)
    y = b.conv2d(y, sparse(1, (32, 3, 3, 16)), scale=40.0, zero_point=5)
    y = b.reshape(b.op("RELU", [y], [b.like(y)]), (1, 6 * 6 * 32))
    b.output(b.fully_connected(y, sparse(2, (4, 6 * 6 * 32)), scale=200.0))
    data = b.to_bytes()
    samples = random_inputs(parse(data), 3, 0).samples
    seen: list[Any] = []
    for content in (data, forced(data, "huffman"), converted(data, strip=True).data):
        for name in ("native", "reference"):
            engine = ENGINES[name]
            assert isinstance(engine, TracingEngine)
            seen.append([trace.inner for trace in engine.traces(parse(content), samples)])
            outputs = [trace.outputs for trace in engine.traces(parse(content), samples)]
            assert np.array_equal(outputs, engine.run(parse(content), samples, lambda: None))
    assert [sorted(inner) for inner in seen[0]] == [[(i, 0) for i in range(4)]] * 3
    for other in seen[1:]:
        for inner, same in zip(seen[0], other, strict=True):
            assert all(np.array_equal(inner[place], same[place]) for place in inner)


def test_what_does_not_depend_on_inputs_need_not_vary() -> None:
    b = ModelBuilder()
    x = b.input((1, 4, 6), 0.5)
    shape = b.op("SHAPE", [x], [b.tensor((3,), "int32")], options("ShapeOptions"))
    b.output(b.op("RESHAPE", [x, shape], [b.like(x)]))
    assert list(places_of(b.build())) == [(1, 0)]


def test_coverage_counts_channels_that_vary_and_are_not_clamped() -> None:
    # Varies; constant; clamped at both ends; clamped once, so that one value is left.
    samples = [[1, 7, -128, 127], [2, 7, 127, 3]]
    coverage = Coverage()
    for values in samples:
        coverage = coverage.with_sample({(0, 0): np.array([values], np.int8)})
    assert coverage.exercised((0, 0)).tolist() == [True, False, False, False]
    alone = Coverage().with_sample({(0, 0): np.array([samples[0]], np.int8)})
    assert alone.exercised((0, 0)).tolist() == [True, True, False, False]


def test_the_stream_has_many_kinds_within_the_span_of_the_input() -> None:
    b = ModelBuilder()
    x = b.input((1, 40, 40, 3), dtype="float32")
    b.output(b.op("QUANTIZE", [x], [b.tensor((1, 40, 40, 3), "int8", 0.5, -28)], options("QuantizeOptions")))
    values = [sample[0] for sample in islice(sample_stream(ports_of(b.build()), 0), PATIENCE + 1)]
    assert all(value.min() >= -50 and value.max() <= 77.5 and value.dtype == np.float32 for value in values)
    spreads = [float(value.std()) for value in values]
    assert max(spreads) > 30 and min(spreads) == 0 and sum(0 < spread < 1 for spread in spreads) >= 3
    neighbours = [float(np.abs(np.diff(value[0], axis=0)).mean()) for value in values]
    # Smooth ones: far less from pixel to pixel than altogether.
    assert sum(near < 0.5 * far for near, far in zip(neighbours, spreads, strict=True) if far) >= 3
