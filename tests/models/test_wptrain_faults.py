"""Data, devices, files and trainings that cannot do end in one line and a documented exit code."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "litert_torch", "onnxscript")):
    pytest.skip("torch not installed: training needs `make setup-train`", allow_module_level=True)

import torch

from wptrain.cli.main import run
from wptrain.trained import Trained, build

from .trainees import error, images, network

FEW = ("--set", "epochs=1")
POOL = ("train", "digits-pool", "--set", "start=a.pt", "--set", "methods.pool.size=8")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "command",
    [
        [*POOL, *FEW, "--set", "data.source=images:data"],
        ["export", "a.pt", "--out", "a.tflite", "--dataset", "images:data"],
        ["sweep", *POOL[1:], *FEW, "--set", "data.source=images:data", "--over", "seed=0,1"],
        ["sweep-lut", "a.pt", "--dataset", "images:data"],
        ["sweep-act", "a.pt", "--dataset", "images:data"],
    ],
    ids=lambda command: command[0],
)
def test_data_of_another_kind_than_the_network_are_refused(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network(tmp_path / "a.pt", 1)
    images(tmp_path / "data", 1)
    assert run(command) == 3
    assert error(capsys) == (
        "wptrain: a.pt: made for images of 8 x 8 x 1 in 10 classes; dataset images:data has images of 8 x 8 x 1 in "
        "2 classes; give the dataset that it was trained with"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pt", "data"]


@pytest.mark.parametrize("shape", [(8, 8, 3), (16, 16, 1)])
def test_another_size_or_other_channels_are_refused(
    shape: tuple[int, int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    Trained("tiny-conv", shape, 10, build("tiny-conv", shape[2], 10)).save(Path("a.pt"))
    assert run(["export", "a.pt", "--out", "a.tflite"]) == 3
    assert f"made for images of {shape[0]} x {shape[1]} x {shape[2]} in 10 classes; " in error(capsys)
    assert not Path("a.tflite").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize(
    "command",
    [["train", "digits", "--set", "device=cuda"], ["sweep-act", "a.pt", "--device", "cuda"]],
    ids=lambda command: command[0],
)
def test_a_gpu_that_is_not_there_is_one_line(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network(tmp_path / "a.pt", 1)
    assert run(command) == 2
    assert error(capsys) == "wptrain: device cuda: PyTorch finds no CUDA device; use cpu"


@pytest.mark.parametrize("name", ["o.pb", "o", "o.tflite.bak"])
def test_export_writes_no_other_formats(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network(tmp_path / "a.pt", 1)
    assert run(["export", "a.pt", "--out", name]) == 2
    assert error(capsys) == f"wptrain: --out {name}: expected a name that ends in .tflite or .onnx"
    assert not Path(name).exists()


def test_checkpoint_that_lacks_a_part_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network(tmp_path / "a.pt", 1)
    command = [*POOL, "--out", "out", *FEW]
    assert run(command) == 0
    path = Path("out/digits-pool.checkpoint")
    whole = torch.load(path, weights_only=True)
    parts = ("epoch", "network", "optimiser", "schedule", "generator", "best", "best_state")
    more = ("step", "world", "average", "methods", "chosen")
    assert set(more) < set(whole["state"])
    assert set(parts) < set(whole["state"])
    lacking = [{name: value for name, value in whole["state"].items() if name != part} for part in (*parts, *more)]
    fewer = dict(list(whole["state"]["network"].items())[1:])
    lacking += [{}, whole["state"] | {"best": None}, *(whole["state"] | {part: fewer} for part in parts[1:3])]
    lacking += [whole["state"] | {"best_state": fewer}]
    for state in lacking:
        torch.save(whole | {"state": state}, path)
        capsys.readouterr()
        assert run(command) == 3
        assert error(capsys) == (
            "wptrain: out/digits-pool.checkpoint: not a checkpoint of wptrain, or damaged; delete it to start over"
        )
    torch.save(whole, path)
    assert run(command) == 0


@pytest.mark.parametrize("command", [("train", "digits"), POOL], ids=lambda command: command[1])
def test_training_that_diverges_stops_and_saves_nothing(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network(tmp_path / "a.pt", 1)
    few = ("--set", "epochs=3")
    assert run([*command, "--set", "optimiser.learning_rate=1e6", "--out", "out", *few]) == 1
    assert error(capsys) == (
        "wptrain: epoch 1: the training diverged, its loss is not a finite number; train into another folder with a "
        "lower learning rate"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


@pytest.mark.parametrize("command", [("train", "digits"), POOL], ids=lambda command: command[1])
def test_each_setting_decides_the_weights(command: tuple[str, ...], tmp_path: Path) -> None:
    network(tmp_path / "a.pt", 1)
    settings = ("seed=0", "optimiser.learning_rate=0.001", "optimiser.weight_decay=0.5", "batch_size=64", "ema=0.9")
    more = ("optimiser.name=sgd", "schedule.name=step", "schedule.name=constant", "schedule.warm_up=0.5", "seed=1")
    saved = set()
    for index, change in enumerate((*settings, *more)):
        assert run([*command, "--set", change, "--out", str(index), *FEW]) == 0
        (file,) = Path(str(index)).glob("*.pt")
        saved.add(Trained.load(file).content())
    assert len(saved) == len(settings) + len(more)


def test_methods_that_decide_the_same_weights_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network(tmp_path / "a.pt", 1)
    both = ("train", "digits-magnitude", "--set", "start=a.pt", "--set", "methods.pool.size=8", *FEW)
    assert run([*both, "--out", "out"]) == 2
    assert error(capsys) == (
        "wptrain: methods magnitude and pool both decide the weights of block1.pointwise.conv; leave one out, or "
        "exclude the layer from one of them"
    )
    apart = ("--set", "methods.magnitude.dense=[block*]", "--set", "methods.magnitude.sparsity=0.02")
    assert run([*both, *apart, "--out", "out"]) == 0
    trained = Trained.load(Path("out/digits-magnitude.pt"))
    assert list(trained.methods) == ["magnitude", "pool"]
    zeros = int((trained.network.classifier.weight == 0).sum())
    assert 0 < zeros < trained.network.classifier.weight.numel()


def test_a_network_with_methods_is_no_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network(tmp_path / "a.pt", 1)
    assert run([*POOL, *FEW, "--out", "."]) == 0
    assert run(["train", "digits-pool", "--set", "start=digits-pool.pt", *FEW]) == 2
    assert "digits-pool.pt: was trained with pool, expected a network without methods" in error(capsys)
