"""Each recipe that comes with the package trains and can be exported; so does a loop of one's own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

if any(importlib.util.find_spec(name) is None for name in ("torch", "litert_torch", "onnxscript")):
    pytest.skip("torch not installed: training needs `make setup-train`", allow_module_level=True)

from wpconvert.errors import UsageError
from wpconvert.formats.tflite.file import parse
from wptrain.cli.main import run
from wptrain.recipes.recipe import read, shipped
from wptrain.trained import Trained

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise of two classes, as large as CIFAR-10's images."""
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for part, count in (("train", 40), ("test", 2)):
        for label in ("cat", "dog"):
            (folder / part / label).mkdir(parents=True)
            for index in range(count):
                pixels = generator.integers(0, 256, (32, 32, 3), np.uint8)
                Image.fromarray(pixels).save(folder / part / label / f"{index}.png")
    return folder


def needs_start(recipe: str) -> bool:
    """Whether a recipe leaves to the user which network it starts from; its name then begins with the dense one's."""
    try:
        return read(recipe).recipe.network is None
    except UsageError:
        return True


def train(recipe: str, out: Path, images: Path) -> Path:
    """One epoch of a recipe; of the one that it starts from, before."""
    changes = ["--set", "epochs=1", "--out", str(out)]
    if recipe.startswith("cifar10"):
        changes += ["--set", f"data.source=images:{images}"]
    if needs_start(recipe):
        changes += ["--set", f"start={train(recipe.partition('-')[0], out, images)}"]
    assert run(["train", recipe, *changes]) == 0
    return out / f"{recipe}.pt"


@pytest.mark.parametrize("recipe", shipped())
def test_shipped_recipe_trains(recipe: str, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = train(recipe, tmp_path, images)
    said = capsys.readouterr().out
    assert f"{path}: epoch 1, validation accuracy " in said
    assert "test accuracy" not in said
    trained = Trained.load(path)
    assert list(trained.methods) == list(read(recipe, ["start=a.pt"] if needs_start(recipe) else []).recipe.methods)


def test_recipes_of_files_are_named_after_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.yaml").write_text("data: {source: digits}\nnetwork: ds-cnn\nepochs: 1\nmethods: {magnitude: }\n")
    assert run(["train", str(tmp_path / "mine.yaml"), "--test", "--out", str(tmp_path)]) == 0
    assert ", test accuracy 0." in capsys.readouterr().out
    methods = Trained.load(tmp_path / "mine.pt").methods
    assert methods == {"magnitude": {"sparsity": 0.8, "scope": "layer", "ramp": 0.5, "dense": []}}


def test_a_sweep_prints_a_row_for_each_setting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = ["sweep", "digits", "--set", "epochs=1", "--over", "batch_size=32,64", "--over", "seed=0,1"]
    assert run([*sweep, "--out", str(tmp_path)]) == 0
    head, line, *rows = capsys.readouterr().out.splitlines()
    assert (head, line) == ("| Setting | Runs | Validation |", "|---|---|---|")
    assert [row.split(" | ")[:2] for row in rows] == [["| batch_size=32", "2"], ["| batch_size=64", "2"]]
    assert all(" to " in row for row in rows)
    networks = [Trained.load(path).content() for path in tmp_path.rglob("digits.pt")]
    assert len(set(networks)) == 4
    assert run([*sweep, "--out", str(tmp_path), "--test"]) == 0
    assert capsys.readouterr().out.startswith("| Setting | Runs | Validation | Test |\n")


def test_a_loop_of_ones_own(tmp_path: Path) -> None:
    script = ROOT / "examples" / "own_loop.py"
    assert len(script.read_text("utf-8").splitlines()) <= 60
    result = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "own.pt"), "3"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert float(result.stdout.split()[-1]) > 0.8
    assert run(["export", str(tmp_path / "own.pt"), "--out", str(tmp_path / "own.tflite")]) == 0
    assert parse((tmp_path / "own.tflite").read_bytes()).root.subgraphs
