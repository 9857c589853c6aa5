"""Whole models: outputs against TFLM, every intermediate tensor against LiteRT's reference kernels."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.reference.harness import assert_equal_arrays
from tests.support.oracles import LiteRtOracle, TflmOracle, shared_model
from wpconvert.errors import UnsupportedError
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.model import TfliteModel, shape_of
from wpconvert.formats.tflite.schema import TensorType
from wpconvert.reference.interpreter import Interpreter, unsupported

MODELS = [
    "ds_cnn_kws/dense_l.tflite",
    "ds_cnn_kws/dense_s.tflite",
    "ds_cnn_kws/sparse_l_75.tflite",
    "ds_cnn_kws/sparse_l_85.tflite",
    "ds_cnn_kws/sparse_l_95.tflite",
    "ds_cnn_kws/sparse_s_80.tflite",
    "ds_cnn_kws/sparse_s_90.tflite",
    "mlperf_tiny/kws_ref_model.tflite",
    "mlperf_tiny/resnet8_int8.tflite",
    "mlperf_tiny/vww_96_int8.tflite",
    "mobilenetv2_cifar10/dense50.tflite",
    "mobilenetv2_cifar10/sparse80.tflite",
    "mobilenetv2_cifar10/sparse90.tflite",
]

SAMPLES = 6


def random_inputs(model: TfliteModel, seed: int) -> list[NDArray[np.int8] | NDArray[np.float32]]:
    """int8 inputs are uniform; float inputs have a spread from far below 1 to far above."""
    rng = np.random.default_rng(seed)
    graph = model.root.subgraphs[0]
    inputs: list[NDArray[np.int8] | NDArray[np.float32]] = []
    for index in graph.inputs:
        tensor = graph.tensors[index]
        if tensor.type == TensorType.INT8:
            inputs.append(rng.integers(-128, 128, shape_of(tensor), dtype=np.int8))
        else:
            inputs.append((rng.normal(size=shape_of(tensor)) * 10.0 ** (seed % 4 - 1)).astype(np.float32))
    return inputs


@pytest.mark.parametrize("path", MODELS)
def test_outputs_equal_tflm(path: str) -> None:
    data = shared_model(path)
    model = parse(data)
    ours, theirs = Interpreter(read_graph(model)), TflmOracle(data)
    for seed in range(SAMPLES):
        inputs = random_inputs(model, seed)
        results = ours.run(inputs)
        for mine, other in zip(results, theirs.run(inputs, len(results)), strict=True):
            assert_equal_arrays(mine, other, f"sample {seed}")


@pytest.mark.parametrize("path", MODELS)
def test_all_tensors_equal_litert(path: str) -> None:
    data = shared_model(path)
    model = parse(data)
    ours, theirs = Interpreter(read_graph(model), "litert"), LiteRtOracle(data)
    for seed in range(SAMPLES):
        inputs = random_inputs(model, seed)
        expected = theirs.run_all(inputs)
        computed = ours.run_all(inputs)
        missing = {i for op in model.root.subgraphs[0].operators for i in op.outputs} - expected.keys()
        assert not missing, "LiteRT must give every intermediate tensor, or the comparison is empty"
        for index, mine in computed.items():
            assert_equal_arrays(mine, expected[index], f"sample {seed}, tensor {index}")


def test_a_float_model_is_refused_with_the_reason() -> None:
    model = parse(shared_model("mlperf_tiny/resnet8_float.tflite"))
    lines = unsupported(read_graph(model))
    assert len(lines) == len(model.root.subgraphs[0].operators) - 1
    assert lines[0].startswith("operator 0 (CONV_2D): tensor 0 ")
    assert "FLOAT32" in lines[0]
    with pytest.raises(UnsupportedError, match=r"operator 0 \(CONV_2D\).*; and 10 more"):
        Interpreter(read_graph(model))
