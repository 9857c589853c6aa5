"""Models of older operator sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.onnx.lower.builder import Builder
from tests.onnx.lower.harness import operators, real_outputs, run_onnx
from wpconvert.errors import UnsupportedError
from wpconvert.lowering import calibrate, lower

RANDOM = np.random.default_rng(0)


def old_model(op: str = "Conv", opset: int = 8) -> ModelProto:
    """A network as frameworks exported it years ago: initializers are inputs too, a Dropout, no axes as inputs."""
    kernel = RANDOM.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node(op, ["x", "w"], ["a"], "first"),
            helper.make_node("Relu", ["a"], ["b"], "relu"),
            helper.make_node("Dropout", ["b"], ["c", "mask"], "dropout", ratio=0.5),
            helper.make_node("GlobalAveragePool", ["c"], ["d"], "pool"),
            helper.make_node("Squeeze", ["d"], ["y"], "squeeze", axes=[2, 3]),
        ],
        "old",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 6, 6)),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, kernel.shape),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 4))],
        [numpy_helper.from_array(kernel, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=3)


def samples(folder: Path) -> Path:
    np.savez(folder / "samples.npz", x=RANDOM.normal(0, 1, (20, 3, 6, 6)).astype(np.float32))
    return folder / "samples.npz"


@pytest.mark.parametrize("opset", [7, 8, 9, 10, 11])
def test_a_float_model_is_calibrated_whatever_its_operator_set(opset: int, tmp_path: Path) -> None:
    model = old_model(opset=opset)
    onnx.save(model, tmp_path / "net.onnx")
    lowered = lower(calibrate(tmp_path / "net.onnx", samples(tmp_path)), "net")
    assert operators(lowered) == ["CONV_2D", "MEAN", "RESHAPE"]
    feeds = {"x": RANDOM.normal(0, 1, (1, 3, 6, 6)).astype(np.float32)}
    [expected] = run_onnx(model, feeds).values()
    [found] = real_outputs(lowered, feeds)
    assert np.abs(found - expected).max() < 0.1 * np.abs(expected).max()


def test_a_quantised_model_of_the_first_operator_set_that_has_scales_is_lowered() -> None:
    b = Builder("uint8", opset=10)
    x = b.input("x", (1, 3, 6, 6))
    y = b.op("Conv", x, b.weights(RANDOM.integers(-127, 128, (4, 3, 3, 3), dtype=np.int8)))
    b.output(b.rounded(b.op("Relu", y), 0.05))
    for node in b.nodes:
        kept = [attribute for attribute in node.attribute if attribute.name != "axis"]
        del node.attribute[:]
        node.attribute.extend(kept)
    model = b.build()
    del model.opset_import[1:]
    assert operators(lower(model, "net")) == ["CONV_2D"]


def test_an_operator_that_has_no_newer_form_is_told_in_one_line(tmp_path: Path) -> None:
    onnx.save(old_model("Upsample", 8), tmp_path / "net.onnx")
    with pytest.raises(UnsupportedError, match=r"net.onnx: opset 8 cannot be converted to 13: ") as caught:
        calibrate(tmp_path / "net.onnx", samples(tmp_path))
    assert "\n" not in str(caught.value)
