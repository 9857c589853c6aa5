"""`wptrain export` writes an `.onnx` file that computes what the network computes, and that wpconvert lowers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.models.test_wptrain_cli import needs_training
from tests.onnx.lower.harness import run_onnx
from wpconvert.formats.onnx.file import read
from wpconvert.formats.onnx.lowered import lowered
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.model import shape_of
from wptrain.cli.main import run

pytestmark = needs_training


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A network that has seen images but learned nothing."""
    import torch  # noqa: PLC0415 - not on every machine

    from wptrain.trained import Trained, build  # noqa: PLC0415 - needs PyTorch

    torch.manual_seed(0)
    network = build("ds-cnn", 1, 10)
    network.train()(torch.rand(64, 1, 8, 8))
    path = tmp_path / "pretrained.pt"
    Trained("ds-cnn", (8, 8, 1), 10, network.eval()).save(path)
    return path


def test_onnx_runtime_computes_what_pytorch_does(network: Path, tmp_path: Path) -> None:
    import torch  # noqa: PLC0415

    from wptrain.trained import Trained  # noqa: PLC0415

    assert run(["export", str(network), "--out", str(tmp_path / "net.onnx")]) == 0
    model = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    assert str(tmp_path) not in str(model) and ".py" not in str(model)
    images = np.random.default_rng(0).random((3, 1, 8, 8)).astype(np.float32)
    with torch.no_grad():
        expected = Trained.load(network).network.eval()(torch.from_numpy(images)).numpy()
    assert np.allclose(run_onnx(model, {"image": images})["logits"], expected, atol=1e-4)


def test_it_can_be_lowered(network: Path, tmp_path: Path) -> None:
    assert run(["export", str(network), "--out", str(tmp_path / "net.onnx")]) == 0
    np.savez(tmp_path / "samples.npz", np.random.default_rng(0).random((20, 1, 8, 8)).astype(np.float32))
    graph = parse(lowered(read(tmp_path / "net.onnx"), tmp_path / "samples.npz").data).root.subgraphs[0]
    assert [shape_of(graph.tensors[index]) for index in (*graph.inputs, *graph.outputs)] == [(1, 8, 8, 1), (1, 10)]


def test_a_pooled_network_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from wptrain.trained import Trained, build  # noqa: PLC0415 - needs PyTorch

    methods: dict[str, dict[str, object]] = {"pool": {"size": 32}}
    Trained("ds-cnn", (8, 8, 1), 10, build("ds-cnn", 1, 10, methods), methods).save(tmp_path / "pooled.pt")
    assert run(["export", str(tmp_path / "pooled.pt"), "--out", str(tmp_path / "net.onnx")]) == 2
    assert "a network that was trained with pool needs --out OUT.tflite" in capsys.readouterr().err
    assert not (tmp_path / "net.onnx").exists()
