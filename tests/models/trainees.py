"""Small networks and data for tests of `wptrain`, and what it says of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wptrain.trained import Trained, build


def network(path: Path, seed: int) -> Path:
    """An untrained network for digits: two seeds differ in weights only."""
    torch.manual_seed(seed)
    Trained("ds-cnn", (8, 8, 1), 10, build("ds-cnn", 1, 10)).save(path)
    return path


def images(folder: Path, seed: int) -> Path:
    """Noise of two classes: two seeds differ in pixels only."""
    generator = np.random.default_rng(seed)
    for part, count in (("train", 20), ("test", 2)):
        for label in ("cat", "dog"):
            (folder / part / label).mkdir(parents=True)
            for index in range(count):
                pixels = generator.integers(0, 256, (8, 8), np.uint8)
                Image.fromarray(pixels).save(folder / part / label / f"{index}.png")
    return folder


def error(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("wptrain: ")]
    return line
