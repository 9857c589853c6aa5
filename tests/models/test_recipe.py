"""The recipe, run for one epoch: the same files as in the zoo come out, and the same ones each time."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MISSING = [name for name in ("torch", "litert_torch", "sklearn") if importlib.util.find_spec(name) is None]

pytestmark = pytest.mark.skipif(
    bool(MISSING),
    reason=f"{', '.join(MISSING)} not installed: recipes need the environment of models/README.md",
)

FILES = {
    "digits_ds_cnn.md",
    "digits_ds_cnn.tflite",
    "digits_ds_cnn_dense.md",
    "digits_ds_cnn_dense.tflite",
    "digits_test.npz",
}


def run(out: Path, *options: str, recipe: str = "digits") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"wptrain.recipes.{recipe}", "--out", str(out), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def produced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("zoo")
    result = run(out, "--epochs", "1", "--prune-epochs", "1")
    assert result.returncode == 0, result.stderr
    return out


def test_writes_models_cards_and_test_split(produced: Path) -> None:
    assert {path.name for path in produced.iterdir()} == FILES


def test_test_split_does_not_depend_on_training(produced: Path) -> None:
    shipped = ROOT / "models" / "zoo" / "digits_test.npz"
    assert (produced / shipped.name).read_bytes() == shipped.read_bytes()


def test_card_records_the_options_and_no_folder(produced: Path) -> None:
    card = (produced / "digits_ds_cnn.md").read_text(encoding="utf-8")
    assert "--out models/zoo --epochs 1 --prune-epochs 1\n" in card
    assert str(produced) not in card


def test_sparsity_and_operators_do_not_depend_on_training(produced: Path) -> None:
    def row(folder: Path, label: str) -> str:
        lines = (folder / "digits_ds_cnn.md").read_text(encoding="utf-8").splitlines()
        return next(line for line in lines if line.startswith(f"| {label} |"))

    assert row(produced, "Operators") == row(ROOT / "models" / "zoo", "Operators")
    assert float(row(produced, "Zero weights").split()[4]) >= 80.0


def test_same_seed_same_bytes(produced: Path, tmp_path: Path) -> None:
    result = run(tmp_path, "--epochs", "1", "--prune-epochs", "1")
    assert result.returncode == 0, result.stderr
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (produced / name).read_bytes(), name


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [("--epochs", "0", "must be at least 1"), ("--scope", "row", "invalid")],
)
def test_bad_option_is_refused(tmp_path: Path, option: str, value: str, message: str) -> None:
    result = run(tmp_path, option, value)
    assert result.returncode == 2
    assert message in result.stderr
    assert not list(tmp_path.iterdir())


def test_impossible_sparsity_is_refused_before_training(tmp_path: Path) -> None:
    result = run(tmp_path, "--sparsity", "0.95")
    assert result.returncode != 0
    assert "never pruned" in result.stderr
    assert "epoch 0" not in result.stderr


def test_pooled_model_has_the_pool_size_asked_for(tmp_path: Path) -> None:
    result = run(tmp_path, "--epochs", "1", "--pool-epochs", "1", "--pool-size", "16", recipe="digits_pool")
    assert result.returncode == 0, result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"digits_pool.md", "digits_pool.tflite"}
    card = (tmp_path / "digits_pool.md").read_text(encoding="utf-8")
    assert "--out models/zoo --epochs 1 --pool-epochs 1 --pool-size 16\n" in card
    assert "| Weight pool | 16 vectors of 8 weights in block1/pointwise/conv/weight, " in card


def test_the_onnx_recipe_writes_model_card_and_test_split(tmp_path: Path) -> None:
    result = run(tmp_path, "--epochs", "1", "--prune-epochs", "1", recipe="digits_onnx")
    assert result.returncode == 0, result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"digits_onnx.md", "digits_onnx.onnx", "digits_onnx_test.npz"}
    shipped = ROOT / "models" / "zoo" / "digits_onnx_test.npz"
    assert (tmp_path / shipped.name).read_bytes() == shipped.read_bytes()
    card = (tmp_path / "digits_onnx.md").read_text(encoding="utf-8")
    assert "wptrain.recipes.digits_onnx --out models/zoo --epochs 1 --prune-epochs 1\n" in card
