"""Models: what their operators are on an accelerator, and one line for those that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.formats.registry import read
from wpconvert.formats.tflite.convolutions import convolutions_of
from wpconvert.graph.structure import Graph, Operator, Subgraph, Tensor
from wpconvert.graph.types import INT8
from wpconvert.model.convolution import Convolution


def layers(
    tmp_path: Path, operator: str, image: list[int | str] | None, weights: tuple[int, ...] | None, **attributes: Any
) -> list[Convolution]:
    """Of a model with one operator."""
    initializers = [] if weights is None else [numpy_helper.from_array(np.ones(weights, np.float32), "w")]
    outputs = attributes.pop("outputs", None)
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", *(one.name for one in initializers)], ["y"], **attributes)],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, image)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, outputs)],
        initializers,
    )
    path = tmp_path / "model.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return read(path).convolutions()


@pytest.mark.parametrize(
    ("operator", "image", "weights", "attributes", "expected"),
    [
        ("Conv", [2, 3, 32], (8, 3, 5), {"strides": [2]}, ((2, 14), (1, 5), (1, 2), 3, 8, 1)),
        ("Conv", ["N", 16, 8, 8], (32, 4, 3, 3), {"group": 4}, ((6, 6), (3, 3), (1, 1), 4, 32, 4)),
        ("Conv", [1, 4, 8, 8], (8, 1, 3, 3), {"group": 4}, ((6, 6), (3, 3), (1, 1), 1, 8, 4)),
        ("Gemm", ["N", 7], (4, 7), {"transB": 1}, ((1, 1), (1, 1), (1, 1), 7, 4, 1)),
        ("Gemm", [7, 3], (7, 4), {"transA": 1}, ((1, 3), (1, 1), (1, 1), 7, 4, 1)),
        ("MatMul", [3, 2, 7], (3, 7, 4), {}, ((1, 6), (1, 1), (1, 1), 7, 4, 1)),
        ("MatMul", [2, 7], (7,), {}, ((1, 2), (1, 1), (1, 1), 7, 1, 1)),
    ],
)
def test_operators_are_loops(
    tmp_path: Path,
    operator: str,
    image: list[int | str],
    weights: tuple[int, ...],
    attributes: dict[str, Any],
    expected: tuple[Any, ...],
) -> None:
    (layer,) = layers(tmp_path, operator, image, weights, **attributes)
    assert layer == Convolution("y", *expected)


@pytest.mark.parametrize(
    ("image", "weights", "attributes", "message"),
    [
        ([1, 4, 8, 8], None, {}, "node Conv: it has no weights or no output"),
        ([1, 4, 8, 8], (4, 4, 3, 3), {"group": 0}, "layer y: its shapes do not belong together: .*, 0 groups"),
        ([1, 12, 8, 8], (4, 4, 3, 3), {"group": 3, "outputs": [1, 4, 6, 6]}, "do not belong together"),
        ([1, 4, 8, 8], (4, 4, 3, 3), {"group": "x", "outputs": [1, 4, 6, 6]}, "node y: group or strides is not what"),
        ([1, 4, 8, 8], (4, 4, 3, 3), {"strides": [1], "outputs": [1, 4, 6, 6]}, "group or strides is not what Conv"),
        ([1, 4, 8, 8], (4, 4, 3, 3), {"strides": 1, "outputs": [1, 4, 6, 6]}, "group or strides is not what Conv"),
        ([1, 4, 8, 8], (4, 4, 3, 3), {"strides": [1.5, 1.5], "outputs": [1, 4, 6, 6]}, "group or strides is not"),
        ([1, 4, 8, 8], (4, 4), {"outputs": [1, 4, 6, 6]}, r"node y: weights of shape \[4, 4\] do not make"),
    ],
)
def test_damaged_operator_is_one_line(
    tmp_path: Path, image: list[int | str], weights: tuple[int, ...] | None, attributes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        layers(tmp_path, "Conv", image, weights, **attributes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("image", [["N", 3, "H", "W"], [1, 3, 0, 8], []])
def test_sizes_that_are_not_known_are_asked_for(tmp_path: Path, image: list[int | str]) -> None:
    with pytest.raises(UnsupportedError, match="the shape of y is not known; fix the model's input shapes"):
        layers(tmp_path, "Conv", image, (8, 3, 1, 1))


@pytest.mark.parametrize(
    ("kind", "shapes", "message"),
    [
        ("CONV_2D", [(1, 8, 8, 4), (4, 3, 3, 4)], "CONV_2D 0: it has no output"),
        ("CONV_2D", [(1, 8, 8, 4), (4, 3, 3), (1, 6, 6, 4)], r"CONV_2D 0: shapes \[1, 8, 8, 4\], \[4, 3, 3\] and"),
        ("CONV_2D", [(8, 4), (4, 3, 3, 4), (1, 6, 6, 4)], "CONV_2D 0: shapes"),
        ("DEPTHWISE_CONV_2D", [(1, 8, 8, 4), (1, 3, 3, 4), (6, 4)], "DEPTHWISE_CONV_2D 0: shapes"),
        ("CONV_2D", [(1, 8, 8, 4), (4, 3, 3, 0), (1, 6, 6, 4)], "CONV_2D 0: shapes"),
        ("FULLY_CONNECTED", [(1, 4), (0, 4), (1, 0)], "FULLY_CONNECTED 0: shapes"),
        ("FULLY_CONNECTED", [(1, 4), (8, 4), (1, 0)], "layer t1: its shapes do not belong together"),
        ("CONV_2D", [(1, 8, 8, 2), (4, 3, 3, 4), (1, 6, 6, 4)], "layer t1: its shapes do not belong together"),
    ],
)
def test_damaged_operator_of_a_graph_is_one_line(kind: str, shapes: list[tuple[int, ...]], message: str) -> None:
    tensors = [Tensor(i, f"t{i}", INT8, shape) for i, shape in enumerate(shapes)]
    operator = Operator(0, kind, tuple(tensors[:2]), tuple(tensors[2:]))
    with pytest.raises(ModelError, match=message):
        convolutions_of(Graph([Subgraph(tensors, [operator])]))
