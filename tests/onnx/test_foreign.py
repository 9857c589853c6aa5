"""Models that others made: those that the onnx package has for its own tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, helper, numpy_helper, version_converter

from tests.onnx.harness import check, converted, save, sparse

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
SMALL = ("light_squeezenet.onnx", "light_shufflenet.onnx", "light_inception_v1.onnx")
"""The others are as large as the weights that they get."""


def with_weights(model: ModelProto) -> ModelProto:
    """The model with initializers where it has constants of one value, at operator set 11."""
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    filled = [node for node in model.graph.node if node.op_type == "ConstantOfShape"]
    for seed, node in enumerate(filled):
        shape = [int(side) for side in values[node.input[0]]]
        weight = sparse(shape, "float32", seed=seed) if len(shape) > 1 else np.zeros(shape, np.float32)
        model.graph.node.remove(node)
        model.graph.initializer.append(numpy_helper.from_array((weight / 16).astype(np.float32), node.output[0]))
        model.graph.input.append(helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, shape))
    return version_converter.convert_version(model, 11)


@pytest.mark.parametrize("name", SMALL)
def test_light_models(name: str, tmp_path: Path) -> None:
    if not (LIGHT / name).exists():
        pytest.skip("this onnx package has no light models")
    model = with_weights(onnx.load(LIGHT / name))
    source = save(model, tmp_path / "model.onnx")
    target, done = converted(source)
    assert done.report.rewritten > 10
    check(source, target)


def test_models_of_an_older_operator_set_stay_and_say_what_is_missing(tmp_path: Path) -> None:
    model = with_weights(onnx.load(LIGHT / "light_squeezenet.onnx"))
    model.opset_import[0].version = 9
    _, done = converted(save(model, tmp_path / "model.onnx"))
    assert not done.changed
    reasons = {tensor.reason for tensor in done.report.tensors if tensor.operators == ("Conv",)}
    assert reasons == {"bitmap needs operator set 11 or newer, the model has 9"}
