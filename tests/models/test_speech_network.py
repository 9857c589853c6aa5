"""Speech Commands from recordings to an int8 model: a network of this package takes the features."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "litert_torch", "onnxscript")):
    pytest.skip("torch not installed: training needs `make setup-train`", allow_module_level=True)

import torch

from wptrain import data
from wptrain.exporters.litert import correct, describe, quantise
from wptrain.exporters.tflite import to_int8_tflite
from wptrain.networks import NETWORKS

from .data.makers import write_tree
from .data.test_speech import archive


def test_an_int8_model_of_the_network_takes_the_features(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = data.load(f"speech-commands:{write_tree(tmp_path, archive())}")
    network = NETWORKS["ds-cnn-kws"](module.sample_shape[2], len(module.classes)).eval()
    samples = module.batch("test", np.arange(24)).samples
    with torch.no_grad():
        chosen = network(torch.from_numpy(samples).permute(0, 3, 1, 2)).argmax(dim=1).numpy()
    content = to_int8_tflite(network, module.calibration(32))
    facts = describe(content)
    assert facts.input.shape == (1, 49, 10, 1)
    assert not {"PAD", "TRANSPOSE"} & set(facts.operators)
    # Quantised, it chooses as before, but for samples that lie between two classes.
    assert correct(content, quantise(samples, facts.input), chosen) >= 20
