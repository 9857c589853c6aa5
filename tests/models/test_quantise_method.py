"""Quantisation as a method: what a recipe reports is what the exported file gets right in the native engine."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "litert_torch", "onnxscript")):
    pytest.skip("torch not installed: training needs `make setup-train`", allow_module_level=True)

import torch
from torch import nn

from wptrain.cli.main import run
from wptrain.exporters.litert import describe
from wptrain.methods import open_all
from wptrain.methods.method import Training
from wptrain.methods.pool.weights import pooled_layers
from wptrain.methods.quantise import Quantise, QuantiseSettings
from wptrain.networks.ds_cnn import DsCnn
from wptrain.quantise import program
from wptrain.trained import Trained

from .trainees import error, network


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    return network(tmp_path / "dense.pt", 1)


def train(*settings: str) -> int:
    changes = [part for setting in settings for part in ("--set", setting)]
    return run(["train", "digits-quantise", "--set", "start=dense.pt", "--set", "epochs=2", *changes, "--out", "out"])


@pytest.mark.parametrize("first", ["", "magnitude", "pool"])
@pytest.mark.usefixtures("dense")
def test_the_file_gets_right_what_the_training_said(first: str, capsys: pytest.CaptureFixture[str]) -> None:
    methods = {
        "magnitude": "methods={magnitude: {sparsity: 0.7}, quantise: {bits: 5}}",
        "pool": "methods={pool: {size: 16}, quantise: {}}",
    }
    assert train(*[methods[first]] if first else []) == 0
    said = re.search(r"validation accuracy ([\d.]+)", capsys.readouterr().out)
    assert said is not None
    assert run(["export", "out/digits-quantise.pt", "--out", "out.tflite", "--measure", "validation"]) == 0
    assert capsys.readouterr().out.endswith(f" bytes, validation accuracy {said[1]}\n")
    facts = describe(Path("out.tflite").read_bytes())
    if first == "magnitude":
        assert facts.zeros >= 0.7 * facts.weights
    if first == "pool":
        layers = program.integer_layers(Trained.load(Path("out/digits-quantise.pt")).network)
        pooled = pooled_layers(Trained.load(Path("out/digits-quantise.pt")).network)
        rows = np.concatenate([np.moveaxis(layers[name].weights, 1, -1).reshape(-1, 8) for name in pooled])
        assert len(np.unique(rows, axis=0)) <= 16


@pytest.mark.usefixtures("dense")
def test_the_log_has_rates_and_phases_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("epochs=3", "methods.quantise.observe=0.4") == 0
    lines = [json.loads(line) for line in Path("out/digits-quantise.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["epoch"], line["phase"]) for line in lines] == [(1, 1), (2, 1), (3, 2)]
    rates = [line["learning_rate"] for line in lines]
    assert rates == sorted(rates, reverse=True) and rates[0] < 1e-3
    assert f"{max(line['validation_accuracy'] for line in lines):.4f}" in capsys.readouterr().out
    before = Path("out/digits-quantise.jsonl").read_bytes()
    assert train("epochs=3", "methods.quantise.observe=0.4") == 0
    assert Path("out/digits-quantise.jsonl").read_bytes() == before


@pytest.mark.usefixtures("dense")
def test_floats_cannot_keep_the_integers(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("epochs=1") == 0
    assert run(["export", "out/digits-quantise.pt", "--out", "out.onnx"]) == 2
    assert "a network that was trained with quantise needs --out OUT.tflite" in error(capsys)


@pytest.mark.parametrize("options", [["out.tflite", "--measure", "train"], ["out.onnx", "--measure", "test"]])
@pytest.mark.usefixtures("dense")
def test_only_int8_models_are_measured(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "dense.pt", "--out", *options]) == 2
    assert "expected validation or test, and an --out that ends in .tflite" in error(capsys)
    assert not Path(options[0]).exists()


@pytest.mark.usefixtures("dense")
def test_bits_out_of_range_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("methods.quantise.bits=9") == 2
    assert "methods.quantise: bits: '9': input should be less than or equal to 8" in error(capsys)


def test_ranges_and_statistics_move_in_the_first_phase_only() -> None:
    torch.manual_seed(0)
    trained = DsCnn()
    method = Quantise(QuantiseSettings(observe=0.3))
    method.prepare(trained, Training(seed=0, epochs=10))
    assert [(phase.epochs, phase.frozen_statistics) for phase in method.phases(10)] == [(3, False), (7, True)]
    seen = []
    for epoch in (0, 2, 3, 9):
        method.before_epoch(epoch)
        before = trained.quantisers["stem_conv"].grid
        with torch.no_grad():
            trained.train()(torch.rand(8, 1, 8, 8))
        seen.append(trained.quantisers["stem_conv"].grid != before)
    assert seen == [True, True, False, False]


def test_a_training_of_one_epoch_observes() -> None:
    method = Quantise(QuantiseSettings(observe=0.0))
    assert [phase.epochs for phase in method.phases(1)] == [1, 0]


def test_two_quantisations_are_refused() -> None:
    trained: nn.Module = DsCnn()
    method = open_all({"quantise": {}})["quantise"]
    method.prepare(trained, Training(seed=0, epochs=1))
    with pytest.raises(ValueError, match="quantised already"):
        method.prepare(trained, Training(seed=0, epochs=1))
