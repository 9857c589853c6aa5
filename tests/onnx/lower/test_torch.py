"""Networks of either exporter of PyTorch, quantised by ONNX Runtime in either form, pruned or not, lower faithfully."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

from tests.onnx.lower.harness import operators, run_onnx, steps_apart
from wpconvert.lowering import lower

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make setup-train")

NETWORKS = {"resnet-s": (3, 32), "mobilenet-v2": (3, 32), "ds-cnn": (1, 8)}
FORMS = [("QDQ", "QInt8", True), ("QDQ", "QUInt8", False), ("QOperator", "QUInt8", True)]


class Samples(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Random images, one at a time."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        random = np.random.default_rng(0)
        self.feeds = iter([{"image": random.random(shape).astype(np.float32)} for _ in range(3)])

    def get_next(self) -> dict[str, Any] | None:
        return next(self.feeds, None)


def exported(name: str, dynamo: bool, path: Path) -> tuple[int, ...]:
    """Export a network of random weights, half of them pruned, that has seen random images; its input's shape."""
    from wptrain.networks import NETWORKS as BUILD  # noqa: PLC0415

    channels, side = NETWORKS[name]
    torch.manual_seed(0)
    network = BUILD[name](channels, 10)
    network.train()(torch.rand(8, channels, side, side))
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 4 and parameter.shape[1] > 1:
                parameter[parameter.abs() < parameter.abs().median()] = 0
    shape = (1, channels, side, side)
    names: dict[str, Any] = {"input_names": ["image"], "output_names": ["logits"]}
    names |= {"verbose": False, "external_data": False} if dynamo else {"opset_version": 17}
    torch.onnx.export(network.eval(), (torch.rand(shape),), str(path), dynamo=dynamo, **names)
    return shape


@pytest.fixture(scope="module", params=[(name, dynamo) for name in NETWORKS for dynamo in (False, True)], ids=str)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[int, ...]]:
    """A network ready to be quantised, and the shape of its input."""
    name, dynamo = request.param
    if dynamo:
        pytest.importorskip("onnxscript", reason="onnxscript is not installed: make setup-train")
    folder: Path = tmp_path_factory.mktemp(name)
    shape = exported(name, dynamo, folder / "net.onnx")
    quant_pre_process(folder / "net.onnx", folder / "prepared.onnx", skip_symbolic_shape=True)
    return folder / "prepared.onnx", shape


@pytest.mark.parametrize(("form", "dtype", "per_channel"), FORMS)
def test_every_layer_is_within_one_step(
    network: tuple[Path, tuple[int, ...]], form: str, dtype: str, per_channel: bool, tmp_path: Path
) -> None:
    path, shape = network
    quantization.quantize_static(
        path,
        tmp_path / "int8.onnx",
        Samples(shape),
        quant_format=getattr(quantization.QuantFormat, form),
        per_channel=per_channel,
        activation_type=getattr(quantization.QuantType, dtype),
        weight_type=quantization.QuantType.QInt8,
    )
    model = onnx.load(tmp_path / "int8.onnx")
    feeds = {"image": np.random.default_rng(1).random(shape).astype(np.float32)}
    steps = steps_apart(model, feeds)
    assert max(steps.values()) <= 1, steps
    assert np.ptp(run_onnx(model, feeds)["logits"]) > 0
    assert not {"TRANSPOSE", "PAD"} & set(operators(lower(model, "network")))
