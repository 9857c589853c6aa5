"""Batch normalisation: folded into what is before it, or an operator of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper, shape_inference

from tests.onnx.lower.builder import Builder
from tests.onnx.lower.harness import operators, real_outputs, run_onnx, steps_apart
from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.lowering import calibrate, lower
from wpconvert.lowering.affine import replace_batch_norms

RANDOM = np.random.default_rng(0)
CHANNELS = 6
BATCH_NORM = ("scale", "shift", "mean", "variance")


def constants(rank: int) -> dict[str, NDArray[Any]]:
    """Parameters of a normalisation, a factor and a term per channel, and weights that read the channels."""
    spread = (CHANNELS, *(1 for _ in range(rank - 2)))
    return {
        "scale": RANDOM.uniform(0.5, 2, CHANNELS),
        "shift": RANDOM.normal(0, 0.5, CHANNELS),
        "mean": RANDOM.normal(0, 0.5, CHANNELS),
        "variance": RANDOM.uniform(0.5, 2, CHANNELS),
        "factor": RANDOM.uniform(0.5, 2, spread),
        "term": RANDOM.normal(0, 0.5, spread),
        "kernel": RANDOM.normal(0, 0.3, (4, CHANNELS, 3, 3)),
        "matrix": RANDOM.normal(0, 0.3, (CHANNELS, 4)),
    }


def model(nodes: list[NodeProto], shape: tuple[int, ...], opset: int = 17) -> onnx.ModelProto:
    """Of nodes that compute y of x, with the constants that they read."""
    read = {name for node in nodes for name in node.input}
    tensors = [
        numpy_helper.from_array(values.astype(np.float32), name)
        for name, values in constants(len(shape)).items()
        if name in read
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def node(op: str, x: str, y: str, *others: str, **attributes: Any) -> NodeProto:
    return helper.make_node(op, [x, *others], [y], f"{op}_{y}", **attributes)


def pre_activation() -> list[NodeProto]:
    """Normalisation, Relu, convolution: no convolution before it can take the factors."""
    return [
        node("BatchNormalization", "x", "a", *BATCH_NORM, epsilon=1e-3),
        node("Mul", "a", "b", "factor"),
        node("Add", "b", "c", "term"),
        node("Relu", "c", "d"),
        node("Conv", "d", "y", "kernel"),
    ]


def samples(folder: Path, shape: tuple[int, ...]) -> Path:
    path = folder / "samples.npz"
    np.savez(path, x=RANDOM.normal(0, 1, (30, *shape[1:])).astype(np.float32))
    return path


def replaced(original: onnx.ModelProto) -> onnx.ModelProto:
    copy = shape_inference.infer_shapes(original)
    replace_batch_norms(copy)
    onnx.checker.check_model(copy, full_check=True)
    return copy


@pytest.mark.parametrize("shape", [(1, CHANNELS, 8, 8), (2, CHANNELS, 9), (3, CHANNELS)])
def test_the_float_model_computes_the_same(shape: tuple[int, ...]) -> None:
    original = model([*pre_activation()[:3], node("Relu", "c", "y")], shape)
    found = replaced(original)
    ops = [node.op_type for node in found.graph.node]
    assert ops == (["Conv", "Relu"] if len(shape) > 2 else ["Mul", "Add", "Relu"])
    feeds = {"x": RANDOM.normal(0, 1, shape).astype(np.float32)}
    [before], [after] = run_onnx(original, feeds).values(), run_onnx(found, feeds).values()
    assert np.allclose(before, after, atol=1e-5)


def test_a_value_that_others_read_too_stays() -> None:
    found = replaced(model([*pre_activation()[:2], node("Sub", "b", "y", "a")], (1, CHANNELS, 4, 4)))
    assert [node.op_type for node in found.graph.node] == ["Conv", "Mul", "Sub"]


def test_an_initializer_that_others_read_too_stays() -> None:
    nodes = [node("BatchNormalization", "x", "a", *BATCH_NORM), node("Reshape", "scale", "s", "shape")]
    original = model([*nodes, node("Mul", "a", "y", "s")], (1, CHANNELS, 4, 4))
    original.graph.initializer.append(numpy_helper.from_array(np.array([1, -1, 1, 1], np.int64), "shape"))
    found = replaced(original)
    assert "scale" in {tensor.name for tensor in found.graph.initializer}
    assert "mean" not in {tensor.name for tensor in found.graph.initializer}


def test_a_normalisation_before_its_convolution_is_lowered_as_a_depthwise_one(tmp_path: Path) -> None:
    shape = (1, CHANNELS, 8, 8)
    original = model(pre_activation(), shape)
    onnx.save(original, tmp_path / "net.onnx")
    quantised = calibrate(tmp_path / "net.onnx", samples(tmp_path, shape))
    lowered = lower(quantised, "net")
    assert operators(lowered) == ["DEPTHWISE_CONV_2D", "CONV_2D"]
    feeds = {"x": RANDOM.normal(0, 1, shape).astype(np.float32)}
    assert max(steps_apart(quantised, feeds).values()) <= 1
    [expected] = run_onnx(original, feeds).values()
    assert np.abs(real_outputs(lowered, feeds)[0] - expected).max() < 0.1 * np.abs(expected).max()


def normalised(shape: tuple[int, ...], scale: NDArray[Any], shift: NDArray[Any], **attributes: Any) -> Builder:
    """A normalisation between quantised tensors."""
    b = Builder()
    values = (scale, shift, RANDOM.normal(0, 0.5, scale.size), RANDOM.uniform(0.5, 2, scale.size))
    names = [b.constant(np.asarray(one, np.float32)) for one in values]
    y = b.op("BatchNormalization", b.input("x", shape), *names, **attributes)
    b.output(b.rounded(b.op("Relu", y), 0.02, -128))
    return b


@pytest.mark.parametrize("shape", [(1, 1, 5, 6), (2, 4, 5, 6), (1, 4, 9), (2, 5)])
@pytest.mark.parametrize("factor", [1.0, -0.3, 1e-4, 1e-12, 0.0])
def test_a_normalisation_between_quantised_tensors_is_a_convolution(shape: tuple[int, ...], factor: float) -> None:
    scale = factor * RANDOM.uniform(0.5, 2, shape[1])
    b = normalised(shape, scale, RANDOM.normal(0, 0.7, shape[1]), epsilon=1e-3)
    feeds = {"x": RANDOM.normal(0, 1, shape).astype(np.float32)}
    assert "CONV_2D" in " ".join(operators(lower(b.build(), "net")))
    assert max(steps_apart(b.build(), feeds).values()) <= 1


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_terms_far_above_the_factors(scale: float) -> None:
    b = Builder()
    x = b.input("x", (1, 3, 8, 8), scale, 0)
    terms = np.array([90, -90, 50], np.float32) * np.float32(scale)
    b.output(b.rounded(b.op("Add", x, b.constant(terms.reshape(3, 1, 1))), scale, 0))
    feeds = {"x": RANDOM.uniform(-100 * scale, 100 * scale, (1, 3, 8, 8)).astype(np.float32)}
    assert max(steps_apart(b.build(), feeds).values()) <= 1


def test_channels_that_are_constant_zero_stay_zero() -> None:
    b = normalised((1, 3, 4, 4), np.zeros(3), np.zeros(3))
    assert set(steps_apart(b.build(), {"x": RANDOM.normal(0, 1, (1, 3, 4, 4)).astype(np.float32)}).values()) == {0}


def test_unfit_normalisations_are_named() -> None:
    where = r"node 'BatchNormalization_\d+' \(BatchNormalization\): "
    for b, error, message in (
        (normalised((1, 3, 4, 4), np.ones(2), np.ones(2)), ModelError, r"\[2, 2, 2, 2\] parameters for 3 channels"),
        (normalised((1, 3, 2, 2, 2), np.ones(3), np.ones(3)), UnsupportedError, "the input has 5 dimensions"),
        (normalised((1, 3, 4, 4), np.ones(3), np.full(3, np.inf)), ModelError, ".*factors that are not finite"),
        (normalised((1, 3, 4, 4), np.ones(3), np.ones(3), epsilon=-9.0), ModelError, ".*factors that are not finite"),
        (normalised((1, 3, 4, 4), np.ones(3), np.ones(3), training_mode=1), UnsupportedError, "training_mode"),
    ):
        with pytest.raises(error, match=where + message):
            lower(b.build(), "net")


def test_a_normalisation_with_computed_statistics_is_named(tmp_path: Path) -> None:
    shape = (1, CHANNELS, 8, 8)
    nodes = [
        node("GlobalAveragePool", "x", "p"),
        node("Squeeze", "p", "m", "axes"),
        node("BatchNormalization", "x", "a", "scale", "shift", "m", "variance"),
        node("Conv", "a", "y", "kernel"),
    ]
    original = model(nodes, shape)
    original.graph.initializer.append(numpy_helper.from_array(np.array([0, 2, 3], np.int64), "axes"))
    onnx.save(original, tmp_path / "net.onnx")
    with pytest.raises(UnsupportedError, match=r"\(BatchNormalization\): input 3 is computed at run time"):
        lower(calibrate(tmp_path / "net.onnx", samples(tmp_path, shape)), "net")
