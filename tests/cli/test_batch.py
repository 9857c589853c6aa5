"""Many models: a failure stops nothing else, and what is done is not done again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.harness import Cli, untouched
from tests.onnx.harness import conv_model, save
from tests.tflite.harness import conv_model as tflite_model

pytest.importorskip("distributed", reason="Dask is an extra: pip install 'wpconvert[batch]'")

MANIFEST = """
options: [-m, bitmap]
models:
  - {model: a.onnx, output: small/a.onnx}
  - {model: broken.onnx, output: small/broken.onnx}
  - {model: b.tflite, output: small/b.tflite, options: [-m, rle]}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A manifest of three models, one of which is none."""
    (tmp_path / "small").mkdir()
    save(conv_model(), tmp_path / "a.onnx", external=True)
    (tmp_path / "broken.onnx").write_bytes(b"no model at all")
    (tmp_path / "b.tflite").write_bytes(tflite_model())
    (tmp_path / "models.yaml").write_text(MANIFEST)
    return tmp_path


def _statuses(cli: Cli, manifest: Path, code: int) -> list[str]:
    done = cli("batch", manifest, "--workers", "2", "--json")
    assert done.code == code, done.err
    return [result["status"] for result in json.loads(done.out)["models"]]


def test_one_failure_stops_nothing_else_and_what_is_done_is_kept(cli: Cli, files: Path) -> None:
    manifest = files / "models.yaml"
    assert _statuses(cli, manifest, 9) == ["done", "failed", "done"]
    assert sorted(path.name for path in (files / "small").iterdir()) == ["a.onnx", "a.onnx.data", "b.tflite"]
    done = cli("batch", manifest)
    assert "0 done, 2 kept from before, 1 failed" in done.out and "not an ONNX model" in done.out
    save(conv_model(), files / "broken.onnx")
    assert _statuses(cli, manifest, 0) == ["kept", "done", "kept"]
    # Half a line of an interrupted run, a result that is gone, and other options.
    with (files / "models.yaml.done").open("a") as journal:
        journal.write('{"output": "')
    (files / "small" / "a.onnx.data").unlink()
    manifest.write_text(MANIFEST.replace("rle", "dcsr"))
    assert _statuses(cli, manifest, 0) == ["done", "kept", "done"]
    cli.ok("verify", files / "a.onnx", files / "small" / "a.onnx")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("models: []", "models: "),
        ("modles: [{model: a, output: b}]", "expected models:"),
        ("models: [{model: a}]", "models.0.output: "),
        ("\tx", "not YAML"),
        ("models: [{model: a, output: c}, {model: b, output: ./c}]", "models 1 and 2 have the same output"),
        ("models: [{model: a, output: c}, {model: b, output: a}]", "is one of the models"),
    ],
)
def test_manifests_with_a_mistake_are_refused(content: str, message: str, cli: Cli, files: Path) -> None:
    (files / "bad.yaml").write_text(content)
    with untouched(files):
        assert message in cli.refused(2, "batch", files / "bad.yaml")


def test_missing_manifest_and_scheduler(cli: Cli, files: Path) -> None:
    assert "cannot read the manifest" in cli.refused(5, "batch", files / "missing.yaml")
    line = cli.refused(6, "batch", files / "models.yaml", "--scheduler", "tcp://127.0.0.1:1")
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in line
