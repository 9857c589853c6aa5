"""Lowered models run on every engine, with the same bits on ours."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.onnx.lower.network import network, signal_network
from tests.support.oracles import LiteRtOracle, TflmOracle
from tests.tflite.harness import forced
from wpconvert.engines.native import NativeEngine
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.lowering import Lowered, lower
from wpconvert.reference.interpreter import Interpreter


@pytest.fixture(scope="module")
def lowered() -> Lowered:
    return lower(network(), "network")


def images() -> list[list[np.ndarray[tuple[int, ...], np.dtype[np.int8]]]]:
    random = np.random.default_rng(1)
    return [[random.integers(-128, 128, (1, 12, 12, 3), dtype=np.int8)] for _ in range(5)]


def test_the_native_engine_gives_the_bits_of_the_reference(lowered: Lowered) -> None:
    model = parse(lowered.data)
    reference = Interpreter(read_graph(model))
    for sample, [found] in zip(images(), NativeEngine().run(model, images(), lambda: None), strict=True):
        [expected] = reference.run(sample)
        assert (found == expected).all()
        assert expected.max() > -128


def test_signals_and_functions_give_the_same_bits_on_the_native_engine() -> None:
    model = parse(lower(signal_network(), "network").data)
    random = np.random.default_rng(1)
    samples = [[random.integers(-128, 128, (1, 64, 3), dtype=np.int8)] for _ in range(5)]
    reference = Interpreter(read_graph(model))
    for sample, [found] in zip(samples, NativeEngine().run(model, samples, lambda: None), strict=True):
        assert (found == reference.run(sample)[0]).all()
        assert found.max() > found.min()


def test_upstream_tflm_gives_the_bits_of_the_reference(lowered: Lowered) -> None:
    oracle, reference = TflmOracle(lowered.data), Interpreter(read_graph(parse(lowered.data)))
    for sample in images():
        assert (oracle.run(sample)[0] == reference.run(sample)[0]).all()


def test_litert_runs_it(lowered: Lowered) -> None:
    oracle, reference = LiteRtOracle(lowered.data), Interpreter(read_graph(parse(lowered.data)), "litert")
    [output] = parse(lowered.data).root.subgraphs[0].outputs
    for sample in images():
        assert (oracle.run_all(sample)[output] == reference.run(sample)[0]).all()


@pytest.mark.parametrize("method", ["dcsr", "bitmap", "huffman"])
def test_a_lowered_model_can_be_compressed(lowered: Lowered, method: str) -> None:
    rewritten = parse(forced(lowered.data, method))
    for sample in images():
        found, wanted = (Interpreter(read_graph(m)).run(sample)[0] for m in (rewritten, parse(lowered.data)))
        assert (found == wanted).all()


def test_the_file_tells_how_its_inputs_and_outputs_lie(lowered: Lowered) -> None:
    root = parse(lowered.data).root
    [entry] = [entry for entry in root.metadata if entry.name == b"wpconvert.onnx"]
    told = json.loads(bytes(root.buffers[entry.buffer].data))
    assert told["inputs"] == [{"name": "image", "shape": [1, 3, 12, 12], "dtype": "float32", "perm": [0, 2, 3, 1]}]
    assert told["outputs"][0]["shape"] == [1, 10]
