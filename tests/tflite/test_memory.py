"""Converting large models: what is given up to save memory changes no byte, and files are not copied for engines."""

from __future__ import annotations

import flatbuffers
import numpy as np
import pytest

from tests.support.networks import random_network
from tests.tflite.harness import conv_model, converted
from wpconvert.codecs import STANDALONE
from wpconvert.engines import ENGINES
from wpconvert.formats.tflite.attached import Attached
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.restore import restored
from wpconvert.model import encoded
from wpconvert.model.rules import AUTO


@pytest.mark.parametrize("method", [AUTO, *STANDALONE])
@pytest.mark.parametrize("seed", range(3))
def test_the_file_is_the_same_where_no_blob_is_kept(seed: int, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_network(seed, 10)
    kept = converted(data, method)
    monkeypatch.setattr(encoded, "KEPT_NBYTES", 0)
    anew = converted(data, method)
    assert anew.data == kept.data and anew.report == kept.report and anew.plan == kept.plan


def test_a_file_that_a_runtime_can_take_is_not_written_anew() -> None:
    data = conv_model()
    assert parse(data, as_is=True).content() is data
    assert parse(data).content() == serialise(parse(data))
    assert parse(data, as_is=True).copy().file is None


def test_a_file_with_buffers_off_their_boundary_is_written_anew() -> None:
    """As a writer that does not know the schema's force_align makes it."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(parse(conv_model()).root.Pack(builder), file_identifier=b"TFL3")
    data = bytes(builder.Output())
    start = np.frombuffer(data, np.uint8).ctypes.data
    model = parse(data, as_is=True)
    arrays = [buffer.data for buffer in model.root.buffers if buffer.data is not None and len(buffer.data)]
    assert any((array.ctypes.data - start) % 16 for array in arrays)
    assert model.attached is None and model.file is None
    assert model.content() == serialise(model)


def test_a_file_with_something_behind_the_model_is_written_anew() -> None:
    model = parse(conv_model() + b"more", as_is=True)
    assert isinstance(model.attached, Attached)
    assert model.content() == serialise(model)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_engines_compute_the_same_of_the_file_as_of_one_that_is_written_anew(engine: str) -> None:
    data = conv_model()
    graph = parse(data).root.subgraphs[0]
    shape = graph.tensors[graph.inputs[0]].shape
    sample = [np.random.default_rng(0).integers(-128, 128, shape, np.int8)]
    outputs = [ENGINES[engine].run(model, [sample], lambda: None) for model in (parse(data, as_is=True), parse(data))]
    for one, other in zip(*outputs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_restored_weights_are_those_of_a_known_model_where_they_are_equal() -> None:
    data = conv_model()
    source, rewritten = parse(data), parse(converted(data).data)
    alone, beside = restored(rewritten), restored(rewritten, source)
    assert serialise(alone) == serialise(beside)
    shared = [
        sum(
            np.shares_memory(one.data, other.data)
            for one, other in zip(dense.root.buffers, source.root.buffers, strict=False)
            if one.data is not None and other.data is not None and len(one.data) and len(other.data)
        )
        for dense in (alone, beside)
    ]
    assert shared[0] == 0 < shared[1]


def test_restored_weights_that_differ_from_a_known_model_stay_as_they_are() -> None:
    data = conv_model()
    rewritten = parse(converted(data).data)
    other = parse(data).copy()
    for buffer in other.root.buffers:
        if buffer.data is not None and len(buffer.data):
            buffer.data = buffer.data ^ np.uint8(1)
    assert serialise(restored(rewritten, other)) == serialise(restored(rewritten))
