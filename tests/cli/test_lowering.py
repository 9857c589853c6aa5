"""From .onnx to .tflite by the command line, and both compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from tests.cli.harness import MODEL, Cli, untouched
from tests.onnx.harness import model_of, save, value


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A float model of an image, whose pixels' brightest third is the class, and samples."""
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    kernels = np.zeros((3, 3, 3, 3), np.float32)
    kernels[np.arange(3), np.arange(3), 1, 1] = 1
    model = model_of(
        nodes, {"w": kernels, "b": np.zeros(3, np.float32)}, [value("x", ["n", 3, 4, 8])], [value("y", ["n", 3])]
    )
    save(model, tmp_path / "model.onnx", external=True)
    labels = np.arange(12) % 3
    images = np.full((12, 3, 4, 8), 0.1, np.float32)
    images[np.arange(12), labels] = 0.9
    np.savez(tmp_path / "x.npz", x=images, labels=labels)
    return tmp_path


def test_float_model_is_quantised_lowered_and_has_the_same_classes(cli: Cli, files: Path) -> None:
    samples = files / "x.npz"
    arguments: list[str | Path] = ["-m", "none", "--calibrate", samples, "--eval", samples]
    done = cli.ok(files / "model.onnx", "-o", files / "out.tflite", *arguments)
    assert "lowered to a .tflite model" in done.out and "accuracy 1.0000 → 1.0000" in done.out
    done = cli.ok("verify", files / "model.onnx", files / "out.tflite", "--eval", samples)
    assert "verified: where an output is largest, ONNX Runtime's is at most one step below its own largest" in done.out
    assert "accuracy 1.0000 → 1.0000" in done.out


def test_what_cannot_be_lowered_or_compared_is_refused(cli: Cli, files: Path) -> None:
    out, samples = files / "out.tflite", files / "x.npz"
    with untouched(files):
        assert "quantise it first" in cli.refused(4, files / "model.onnx", "-o", out)
        line = cli.refused(2, files / "model.onnx", "-o", files / "o.onnx", "--calibrate", samples)
        assert line.startswith("--calibrate is for an .onnx model that becomes a .tflite one")
        assert "was not lowered from an .onnx model" in cli.refused(2, "verify", files / "model.onnx", MODEL)
        assert "give the .onnx model first" in cli.refused(2, "verify", MODEL, files / "model.onnx")
