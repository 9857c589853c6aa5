"""`wptrain data` writes what `wpconvert --eval` and `images:PATH` read; options of datasets reach every command."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "litert_torch", "onnxscript")):
    pytest.skip("torch not installed: training needs `make setup-train`", allow_module_level=True)

from wpconvert.cli.main import run as convert
from wptrain.cli.main import run
from wptrain.data.sets import digits
from wptrain.trained import Trained

from .trainees import error, images

ZOO = Path(__file__).parents[2] / "models" / "zoo"


def test_a_subset_measures_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "test.npz"
    assert run(["data", "subset", "digits", "--per-class", "30", "--seed", "1", "--out", str(out)]) == 0
    assert f"{out}: " in capsys.readouterr().out
    with np.load(out) as file:
        assert file["samples"].shape == (300, 8, 8, 1)
    model, small = ZOO / "digits_ds_cnn.tflite", tmp_path / "small.tflite"
    assert convert([str(model), "--eval", str(out), "-o", str(small)]) == 0
    assert "accuracy 0.99" in capsys.readouterr().out


def test_an_archive_trains_a_network(tmp_path: Path) -> None:
    out = tmp_path / "small.tar.xz"
    assert run(["data", "archive", f"images:{images(tmp_path / 'set', 1)}", "--out", str(out)]) == 0
    trained = tmp_path / "out"
    command = ["train", "digits", "--set", f"data.source=images:{out}", "--set", "epochs=1", "--out", str(trained)]
    assert run(command) == 0
    assert Trained.load(trained / "digits.pt").classes == 2


def changed(folder: Path) -> list[str]:
    """Of a recipe: one epoch of ResNet-s on the images of a folder, read as it goes."""
    changes = [f"data.source=folders:{folder}", "data.side=32", "data.grey=true", "network=resnet-s", "epochs=1"]
    return [word for change in changes for word in ("--set", change)]


def test_a_network_trains_on_images_that_are_read_as_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    out = tmp_path / "out"
    assert run(["train", "digits", *changed(images(tmp_path / "set", 1)), "--out", str(out)]) == 0
    assert Trained.load(out / "digits.pt").image_shape == (32, 32, 1)


def test_a_check_tells_what_a_dataset_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "check", "digits"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "scikit-learn digits: 10 classes; 1,257 train, 180 validation, 360 test",
        "samples: 8 x 8 x 1, from 0 to 1",
    ]
    assert lines[2:] == [f"identity: {digits.load().identity()}"]


def test_a_check_names_every_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = images(tmp_path / "set", 1)
    for name in ("train/cat/3.png", "test/dog/1.png"):
        (folder / name).write_bytes(b"damaged")
    assert run(["data", "check", f"folders:{folder}"]) == 3
    captured = capsys.readouterr()
    assert [line.split(": ", 1)[0] for line in captured.out.splitlines()] == [
        f"{folder}/train/cat/3.png",
        f"{folder}/test/dog/1.png",
    ]
    assert captured.err.splitlines()[-1] == f"wptrain: folders:{folder}: 2 of 44 samples cannot be read"


def test_a_damaged_image_ends_a_training_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = images(tmp_path / "set", 1)
    # Whichever images are held out: some of these are trained with.
    for index in range(10):
        (folder / "train" / "cat" / f"{index}.png").write_bytes(b"damaged")
    out = tmp_path / "out"
    assert run(["train", "digits", *changed(folder), "--out", str(out)]) == 3
    assert ".png: not a BMP, JPEG, PNG image; replace or delete it" in error(capsys)
    assert not list(out.glob("*.pt"))


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (["data", "subset", "digits", "--out", "x.npy"], 2, "--out x.npy: expected a name that ends in .npz"),
        (["data", "subset", "digits", "--out", "x.npz", "--split", "all"], 2, "--split all: expected one of train, "),
        (["data", "subset", "digits", "--out", "x.npz", "--per-class", "99"], 2, "--per-class 99: class 0 has "),
        (["data", "archive", "digits", "--out", "x.zip"], 2, "expected a name that ends in .tar or .tar.xz"),
        (["data", "subset", "mnist:absent", "--out", "x.npz"], 5, "absent: no such folder"),
        (["data", "subset", "digits", "--out", "x.npz", "--data", "shift"], 2, "--data shift: expected KEY=VALUE"),
        (["train", "digits", "--set", "data.colour=red"], 2, "dataset digits: unknown option colour"),
        (["export", "x.pt", "--out", "x.tflite", "--data", "shift=a"], 5, "x.pt: cannot be read"),
    ],
)
def test_wrong_usage_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(command) == code
    assert message in error(capsys)
    assert not list(tmp_path.iterdir())
