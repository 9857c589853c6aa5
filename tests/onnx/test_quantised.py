"""Models of ONNX Runtime's own quantiser: after rewriting it fuses and computes the same, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from onnxruntime import quantization
from onnxruntime.quantization import QuantFormat, QuantType

from tests.onnx.harness import check, converted, model_of, outputs, save, sparse, value
from wpconvert.formats.onnx.file import read
from wpconvert.formats.onnx.files import Target
from wpconvert.formats.onnx.restore import restore


class _Samples(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self) -> None:
        generator = np.random.default_rng(0)
        self._left: Iterator[dict[str, Any]] = iter(
            [{"x": generator.normal(size=(1, 3, 8, 8)).astype(np.float32)} for _ in range(4)]
        )

    def get_next(self) -> dict[str, Any] | None:
        return next(self._left, None)


def _network(path: Path) -> Path:
    """Convolutions (one depthwise), a residual, and a fully connected layer."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Conv", ["r", "w2", "b1"], ["d"], pads=[1, 1, 1, 1], group=64),
        helper.make_node("Conv", ["d", "w3", "b1"], ["e"]),
        helper.make_node("Add", ["e", "r"], ["s"]),
        helper.make_node("GlobalAveragePool", ["s"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w4"], ["y"], transB=1),
    ]
    weights = {
        "w1": sparse((64, 3, 3, 3), "float32", seed=1),
        "w2": sparse((64, 1, 3, 3), "float32", seed=2),
        "w3": sparse((64, 64, 1, 1), "float32", seed=3),
        "w4": sparse((100, 64), "float32", seed=4),
        "b1": np.linspace(-1, 1, 64, dtype=np.float32),
    }
    return save(model_of(nodes, weights, [value("x", [1, 3, 8, 8])], [value("y", [1, 100])]), path)


def _quantised(folder: Path, form: Any, weights: Any, per_channel: bool) -> Path:
    source = folder / "model.onnx"
    quantization.quantize_static(
        _network(folder / "float.onnx"),
        source,
        _Samples(),
        quant_format=form,
        per_channel=per_channel,
        activation_type=QuantType.QUInt8,
        weight_type=weights,
    )
    return source


@pytest.mark.parametrize("method", ["bitmap", "auto"])
@pytest.mark.parametrize("per_channel", [False, True], ids=["per tensor", "per channel"])
@pytest.mark.parametrize("weights", [QuantType.QInt8, QuantType.QUInt8], ids=["int8", "uint8"])
@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator], ids=["QDQ", "QOperator"])
def test_quantised_models(form: Any, weights: Any, per_channel: bool, method: str, tmp_path: Path) -> None:
    if per_channel and weights is QuantType.QUInt8:
        pytest.skip("ONNX Runtime computes no uint8 weights per channel")
    source = _quantised(tmp_path, form, weights, per_channel)
    target, done = converted(source, method)
    rewritten = {tensor.name for tensor in done.report.tensors if tensor.method != "none"}
    assert rewritten >= {"w3_quantized", "w4_quantized"}
    check(source, target)


@pytest.mark.parametrize("weights", [QuantType.QInt8, QuantType.QUInt8], ids=["int8", "uint8"])
def test_a_pool_of_fewer_vectors_than_the_weights_have_is_lossy_and_says_so(weights: Any, tmp_path: Path) -> None:
    source = _quantised(tmp_path, QuantFormat.QDQ, weights, False)
    target, done = converted(source, "pool", options={"pool_size": 32})
    pooled = {tensor.name: tensor for tensor in done.report.tensors if tensor.method == "pool"}
    assert pooled.keys() >= {"w3_quantized", "w4_quantized"}
    for tensor in pooled.values():
        assert (tensor.details["pool_size"], tensor.details["index_bits"]) == (32, 5)
        assert tensor.snr_db is not None and tensor.snr_db > 3
    dense = Target.next_to(tmp_path / "dense.onnx")
    notes = restore(read(target.model), dense)
    assert any("weights were changed" in note for note in notes)
    for before, after in zip(outputs(target.model), outputs(dense.model), strict=True):
        assert before.tobytes() == after.tobytes()
