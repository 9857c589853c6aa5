"""ONNX Runtime decodes weights when it loads a model: nothing of that is left for inferences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.onnx.harness import Array, converted, matmul_model, save, sparse

_ERRORS_ONLY = 3


def _masked() -> Array:
    """Zeros of both signs."""
    generator = np.random.default_rng(0)
    return np.asarray(generator.normal(size=(128, 128)) * (generator.random((128, 128)) > 0.8)).astype(np.float32)


def _few(dtype: str) -> Array:
    return np.random.default_rng(0).choice([-3, -1, 0, 2, 5], (128, 128), p=[0.1, 0.1, 0.6, 0.1, 0.1]).astype(dtype)


def _int4() -> TensorProto:
    return helper.make_tensor("w", TensorProto.INT4, (128, 128), _few("int8").reshape(-1))


WEIGHTS: dict[str, tuple[str, TensorProto]] = {
    "DecodeBitmap": ("bitmap", numpy_helper.from_array(sparse((128, 128)), "w")),
    "DecodeNestedBitmap": ("bitmap", numpy_helper.from_array(_masked(), "w")),
    "DecodeBitmapInt4": ("bitmap", _int4()),
    "DecodeRle": ("rle", numpy_helper.from_array(sparse((128, 128)), "w")),
    "DecodeDcsr": ("dcsr", numpy_helper.from_array(sparse((128, 128), zeros=0.95), "w")),
    "DecodePacked": ("packed", numpy_helper.from_array(_few("int8"), "w")),
    "DecodeHuffman": ("huffman", numpy_helper.from_array(_few("int8"), "w")),
    "DecodeHuffmanRuns": ("huffman", numpy_helper.from_array(sparse((128, 128), zeros=0.95), "w")),
    "DecodePool": ("pool", numpy_helper.from_array(sparse((128, 128), zeros=0), "w")),
    "DecodeScaledPool": ("pool", numpy_helper.from_array(sparse((128, 128), "float32", zeros=0), "w")),
    "DecodeScaledPoolFloat16": ("pool", numpy_helper.from_array(sparse((128, 128), "float16", zeros=0), "w")),
}


def _executed(path: Path) -> list[str]:
    """The operators that are left when a model has been loaded."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    optimised = path.with_name(f"{path.stem}.optimised.onnx")
    options.optimized_model_filepath = str(optimised)
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return [node.op_type for node in onnx.load(optimised).graph.node]


@pytest.mark.parametrize("opset", [11, 13, 17, 21, 25])
@pytest.mark.parametrize("operator", WEIGHTS)
def test_nothing_is_decoded_at_inferences(operator: str, opset: int, tmp_path: Path) -> None:
    method, weight = WEIGHTS[operator]
    if weight.data_type == TensorProto.INT4 and opset < 21:
        pytest.skip("int4 is a type from operator set 21 on")
    source = save(matmul_model(weight, opset=opset, ir_version=10), tmp_path / "model.onnx")
    target, done = converted(source, method, options={"pool_size": 16})
    assert done.report.tensors[0].method == method
    assert [f.name for f in onnx.load(target.model).functions] == [operator]
    assert _executed(target.model) == _executed(source)
