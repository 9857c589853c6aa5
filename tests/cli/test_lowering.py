"""From .onnx to .tflite by the command line, and both compared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from tests.cli.harness import MODEL, Cli, untouched
from tests.onnx.harness import model_of, save, value
from wpconvert.errors import UnsupportedError


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
    assert "verified: ONNX Runtime's outputs, rounded to steps, bit for bit, on 12 samples" in done.out
    assert "accuracy 1.0000 → 1.0000" in done.out


def coarse(folder: Path) -> Path:
    """A float model of several layers that quantisation changes."""
    generator = np.random.default_rng(3)
    weights = {
        name: generator.normal(size=shape).astype(np.float32)
        for name, shape in (("w", (16, 3, 3, 3)), ("v", (16, 16, 3, 3)), ("m", (16, 10)))
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "v"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("GlobalAveragePool", ["d"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "m"], ["y"]),
    ]
    save(model_of(nodes, weights, [value("x", ["n", 3, 8, 8])], [value("y", ["n", 10])]), folder / "coarse.onnx")
    np.savez(folder / "coarse.npz", x=generator.normal(size=(40, 3, 8, 8)).astype(np.float32))
    return folder / "coarse.onnx"


@pytest.mark.parametrize("method", ["none", "pool"])
def test_conversion_compares_with_the_network_itself_and_names_the_layer(method: str, cli: Cli, tmp_path: Path) -> None:
    source = coarse(tmp_path)
    out, report = tmp_path / "out.tflite", tmp_path / "report.json"
    done = cli.ok(source, "-m", method, "--calibrate", tmp_path / "coarse.npz", "-o", out, "--report", report)
    assert "identical" not in done.out.replace("not identical", "")
    content = json.loads(report.read_text("utf-8"))
    network = content["network"]
    # Samples that gave the ranges stand for the network's inputs, where nothing else is given.
    assert (network["samples"], network["outputs"][0]["values"]) == (16, 160)
    assert network["outputs"][0]["different"] > 0
    assert f"compared with the network {source} in ONNX Runtime:" in done.out
    layer = next(note for note in network["notes"] if "more than one step" in note)
    assert f"note: {layer}" in done.out
    assert layer.startswith("first difference of more than one step: b (operator 0, CONV_2D), ")
    assert content["verification"]["passed"] and content["verification"]["promise"] != "identical outputs"
    np.savez(tmp_path / "some.npz", np.load(tmp_path / "coarse.npz")["x"][[0, 2, 5]])
    plain = cli.ok(
        source, "-m", method, "--calibrate", tmp_path / "coarse.npz", "-o", out, "--inputs", tmp_path / "some.npz"
    )
    assert "on 3 samples" in plain.out
    # verify says the same of the file.
    again = cli("verify", source, out, "--inputs", tmp_path / "some.npz")
    line = next(line for line in again.out.splitlines() if line.startswith("y: "))
    assert line in plain.out


def test_network_that_onnx_runtime_does_not_run_is_lowered_all_the_same(
    cli: Cli, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise UnsupportedError("ONNX Runtime cannot run this model: for this test")

    monkeypatch.setattr("wpconvert.formats.onnx.mixed.run_file", fails)
    done = cli.ok(files / "model.onnx", "-m", "none", "--calibrate", files / "x.npz", "-o", files / "out.tflite")
    assert "note: not compared with the network: ONNX Runtime cannot run this model: for this test" in done.out
    assert "verified: identical outputs" not in done.out and "verified: the outputs of the lowered model" in done.out
    assert (files / "out.tflite").exists()


def test_identical_is_said_where_it_is(cli: Cli, files: Path) -> None:
    done = cli.ok(files / "model.onnx", "-m", "none", "--calibrate", files / "x.npz", "-o", files / "out.tflite")
    assert "y: 36 values equal; accuracy 1.0000 → 1.0000" in done.out
    assert "identical: ONNX Runtime's outputs, rounded to steps, on 12 samples" in done.out
    assert "compared with the network" not in cli.ok(MODEL, "-m", "none", "-o", files / "m.tflite").out


def test_what_cannot_be_lowered_or_compared_is_refused(cli: Cli, files: Path) -> None:
    out, samples = files / "out.tflite", files / "x.npz"
    with untouched(files):
        assert "the model is not quantised; quantise it with" in cli.refused(4, files / "model.onnx", "-o", out)
        line = cli.refused(2, files / "model.onnx", "-o", files / "o.onnx", "--calibrate", samples)
        assert line.startswith("--calibrate needs an .onnx model and a .tflite result")
        assert "was not lowered from an .onnx model" in cli.refused(2, "verify", files / "model.onnx", MODEL)
        assert "give the .onnx model first" in cli.refused(2, "verify", MODEL, files / "model.onnx")
