"""What `make bench-onnx` measures with: PyTorch networks of `.tflite` files, the list of networks, the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.models.test_zoo import ZOO
from tests.support.models import ModelBuilder
from wpconvert.errors import UnsupportedError, UsageError
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.schema import options
from wpconvert.reference.interpreter import Interpreter

torch = pytest.importorskip("torch", reason="torch is not installed: make setup-train")

SHAPE, SCALE = (1, 7, 8, 4), 0.05


def network_of(data: bytes) -> Any:
    from tools.onnx_bench.module import TranslatedNetwork  # noqa: PLC0415 - needs PyTorch

    return TranslatedNetwork(parse(data)).eval()


def integers(seed: int, *shape: int) -> NDArray[np.int8]:
    return np.random.default_rng(seed).integers(-127, 128, shape, dtype=np.int8)


def conv(b: ModelBuilder, x: int) -> int:
    w, bias = integers(1, 6, 3, 3, 4), np.arange(6) * 300
    scales = np.linspace(0.01, 0.02, 6)
    return b.conv2d(x, w, bias, scale=0.05, weight_scales=scales, stride=(2, 2), zero_point=-100, activation="RELU6")


def depthwise(b: ModelBuilder, x: int) -> int:
    w, scales = integers(2, 1, 3, 2, 8), np.linspace(0.01, 0.02, 8)
    return b.depthwise(x, w, scale=0.1, weight_scales=scales, dilation=(2, 1), activation="RELU", zero_point=-128)


def valid(b: ModelBuilder, x: int) -> int:
    return b.conv2d(x, integers(3, 5, 2, 3, 4), scale=0.3, weight_scales=0.01, padding="VALID")


def dense(b: ModelBuilder, x: int) -> int:
    return b.fully_connected(x, integers(4, 9, 224), scale=0.5, weight_scales=0.01)


def reshaped(b: ModelBuilder, x: int) -> int:
    return b.fully_connected(b.reshape(x, (1, 224)), integers(5, 9, 224), np.arange(9), scale=0.5, weight_scales=0.01)


@pytest.mark.parametrize("layer", [conv, depthwise, valid, dense, reshaped])
def test_a_layer_computes_what_the_int8_one_rounds(layer: Any) -> None:
    b = ModelBuilder()
    b.output(layer(b, b.input(SHAPE, SCALE, 3)))
    data = b.to_bytes()
    steps = integers(0, *SHAPE)
    [expected] = Interpreter(read_graph(parse(data))).run([steps])
    image = ((steps.astype(np.float32) - 3) * SCALE).transpose(0, 3, 1, 2)
    with torch.no_grad():
        found = network_of(data)(torch.from_numpy(image.copy())).numpy()
    params = b.graph.tensors[b.graph.outputs[0]].quantization
    if found.ndim == 4:
        found = found.transpose(0, 2, 3, 1)
    rounded = np.clip(found / params.scale[0] + params.zeroPoint[0], -128, 127)
    assert np.abs(rounded - expected).max() < 0.6
    assert np.ptp(rounded) > 20


@pytest.mark.parametrize("name", ["digits_ds_cnn", "digits_ds_cnn_dense"])
def test_a_network_classifies_as_well_as_the_model(name: str) -> None:
    network = network_of((ZOO / f"{name}.tflite").read_bytes())
    with np.load(ZOO / "digits_test.npz") as stored:
        images, labels = (stored["image"].astype(np.float32) + 128) / 255, stored["labels"]
    with torch.no_grad():
        logits = network(torch.from_numpy(images.transpose(0, 3, 1, 2)))
    assert (logits.argmax(1).numpy() == labels).mean() >= 0.98


def test_other_operators_are_named() -> None:
    b = ModelBuilder()
    x = b.input((1, 4), 0.1)
    b.output(b.op("TANH", [x], [b.tensor((1, 4), "int8", 1 / 128)]))
    with pytest.raises(UnsupportedError, match=r"operator TANH: expected one of ADD, AVERAGE_POOL_2D"):
        network_of(b.to_bytes())
    b = ModelBuilder()
    x = b.input((1, 4), 0.1)
    b.output(b.op("MUL", [x, x], [b.tensor((1, 4), "int8", 0.1)], options("MulOptions")))
    with pytest.raises(UnsupportedError, match="MUL of two computed tensors"):
        network_of(b.to_bytes())


def test_models_are_found_with_their_samples(tmp_path: Path) -> None:
    from tools.onnx_bench.networks import NETWORKS, cases_in  # noqa: PLC0415 - needs PyTorch

    (tmp_path / "own.tflite").write_bytes((ZOO / "digits_ds_cnn.tflite").read_bytes())
    (tmp_path / "other.tflite").write_bytes(b"no samples for it")
    np.savez(tmp_path / "own.npz", samples=np.zeros((201, 8, 8, 1)), labels=np.zeros(201, np.uint8))
    found, left_out = cases_in(tmp_path, tmp_path)
    [case] = found
    assert case.model == tmp_path / "own.tflite"
    assert len(left_out) == len(NETWORKS) and "mlperf_tiny/resnet8_float: no " in left_out[0]
    samples, labels = case.load()
    assert (samples.dtype.name, samples.shape, labels.dtype.name) == ("float32", (201, 8, 8, 1), "int64")
    np.savez(tmp_path / "own.npz", samples=np.zeros((20, 8, 8, 1)), labels=np.zeros(20, np.uint8))
    with pytest.raises(UsageError, match=r"own.npz: samples \[20, 8, 8, 1\], labels \[20\]; expected more than 200"):
        case.load()


def test_tables_of_made_up_results() -> None:
    from tools.onnx_bench.measure import (  # noqa: PLC0415 - needs PyTorch
        REWRITTEN,
        Accuracy,
        File,
        OnBoard,
        Result,
    )
    from tools.onnx_bench.tables import report  # noqa: PLC0415

    files = tuple(File(method, 900, 0.25 if method == "pool" else None) for method in REWRITTEN)
    boards = tuple(
        OnBoard(board, method, 700, 1_500_000) for board in ("corstone300", "mps2-m4") for method in ("", "auto")
    )
    result = Result(
        "net",
        0.75,
        400,
        0.99,
        0.9,
        (File("", 4000), File("auto", 4000)),
        (File("", 1000), *files),
        (Accuracy("`--calibrate`", (0.9, 0.89), 3, 2.0, 1), Accuracy("`other`", (0.9, 0.9), 0, 0.0, 0)),
        boards,
    )
    text = report([result], ["gone: no file"])
    assert "| `net` | 75 % | 4,000 | – | 1,000 | 900 |" in text
    assert "900 (25.0 %)" in text
    assert "| `net` | 400 | 99.0 % | 90.00 % | `--calibrate` | 90.00 % | 89.00 % | 3 | 2 | 1 |" in text
    assert "|  |  |  |  | `other` | 90.00 % | 90.00 % | 0 | – | 0 |" in text
    assert "| `net` | 700 | 1.50 | 1.50 | 700 | 1.50 | 1.50 | 700 |" in text
    assert "- gone: no file" in text
