"""Networks that nobody here made: those that the onnx package carries for its own tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from tests.onnx.lower.harness import operators, steps_apart
from wpconvert.onnx.lower import calibrate, lower

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def test_squeezenet(tmp_path: Path) -> None:
    model = onnx.version_converter.convert_version(onnx.load(LIGHT / "light_squeezenet.onnx"), 17)
    onnx.save(model, tmp_path / "net.onnx")
    image = np.random.default_rng(0).normal(0, 1, (1, 3, 224, 224)).astype(np.float32)
    np.savez(tmp_path / "samples.npz", image=image)
    quantised = calibrate(tmp_path / "net.onnx", tmp_path / "samples.npz")
    assert operators(lower(quantised, "squeezenet")).count("CONV_2D") == 26
    steps = steps_apart(quantised, {quantised.graph.input[0].name: image})
    assert len(steps) > 30
    assert max(steps.values()) <= 1, steps
