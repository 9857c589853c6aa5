"""Where a lowered model parts from its network: layers by name, in every layout, of quantised and of float networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from onnx import ModelProto, helper

from tests.onnx.harness import model_of, save, value
from tests.onnx.lower.builder import Builder
from wpconvert.engines import Sample
from wpconvert.engines.base import Trace
from wpconvert.engines.native import NativeEngine
from wpconvert.formats.onnx.file import read
from wpconvert.formats.onnx.layers import NONE_OFF, first_off
from wpconvert.formats.onnx.lowered import lowered
from wpconvert.formats.onnx.mixed import samples_for
from wpconvert.formats.tflite.file import parse
from wpconvert.graph.executable import Executable
from wpconvert.lowering import Lowered, lower

GENERATOR = np.random.default_rng(5)
KERNELS = GENERATOR.integers(-40, 40, (6, 3, 3, 3), dtype=np.int8)
LARGE, SMALL = GENERATOR.normal(size=(6, 3, 3, 3)).astype(np.float32), GENERATOR.normal(size=(6, 4)).astype(np.float32)
IMAGES = GENERATOR.uniform(-1, 1, (8, 1, 3, 6, 8)).astype(np.float32)
SAMPLES: list[Sample] = [[image] for image in IMAGES]


class Off(NativeEngine):
    """Is off by some steps in what one operator computes."""

    def __init__(self, operator: int, steps: int) -> None:
        self._operator, self._steps = operator, steps

    def traces(self, model: Executable, samples: Iterable[Sample]) -> Iterator[Trace]:
        for trace in super().traces(model, samples):
            inner = dict(trace.inner)
            place = (self._operator, 0)
            inner[place] = (inner[place].astype(int) + self._steps).clip(-128, 127).astype(np.int8)
            yield Trace(trace.outputs, inner)


def quantised(dtype: str) -> ModelProto:
    """A convolution of an image and a pool behind it."""
    b = Builder(dtype)
    x = b.input("x", (1, 3, 6, 8), 0.01, 3)
    y = b.op("Conv", x, b.weights(KERNELS, np.full(6, 0.01)), pads=[1, 1, 1, 1])
    y = b.rounded(b.op("Relu", y), 0.02, -128)
    b.output(b.rounded(b.op("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2]), 0.02, -128))
    return b.build()


def told(source: Path, found: Lowered, engine: NativeEngine) -> str:
    model = parse(found.data)
    return first_off(read(source), found, (model, model), (SAMPLES, samples_for(model, SAMPLES)), engine)


def test_layers_that_agree_to_a_step_are_not_named(tmp_path: Path) -> None:
    for dtype in ("int8", "uint8"):
        model = quantised(dtype)
        assert told(save(model, tmp_path / "model.onnx"), lower(model, "model"), NativeEngine()) == NONE_OFF


def test_first_layer_that_is_off_is_named_with_its_values(tmp_path: Path) -> None:
    model = quantised("uint8")
    source, found = save(model, tmp_path / "model.onnx"), lower(model, "model")
    rounded = [node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    line = told(source, found, Off(0, 3))
    assert line.startswith(f"first difference of more than one step: {rounded[1]} (operator 0, CONV_2D), ")
    assert line.endswith((" of 2,304 values, by up to 3", " of 2,304 values, by up to 4"))
    assert told(source, found, Off(1, 3)).startswith(
        f"first difference of more than one step: {rounded[2]} (operator 1, MAX"
    )


def test_layers_of_a_float_network_go_by_its_own_names(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["features"]),
        helper.make_node("GlobalAveragePool", ["features"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "m"], ["y"]),
    ]
    model = model_of(nodes, {"w": LARGE, "m": SMALL}, [value("x", ["n", 3, 6, 8])], [value("y", ["n", 4])])
    source = save(model, tmp_path / "model.onnx", external=True)
    np.savez(tmp_path / "x.npz", IMAGES[:, 0])
    found = lowered(read(source), tmp_path / "x.npz")
    assert told(source, found, Off(0, 20)).startswith(
        "first difference of more than one step: features (operator 0, CONV_2D)"
    )
