"""Which format a file has, and what a job can ask of a model of any."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wpconvert.errors import FileError, ModelError, UnsupportedError
from wpconvert.files import Workspace, write_all
from wpconvert.formats.protocol import Forms
from wpconvert.formats.registry import FORMATS, format_of, parse, read

ZOO = Path(__file__).resolve().parents[2] / "models" / "zoo"
MODELS = {"tflite": ZOO / "digits_ds_cnn.tflite", "onnx": ZOO / "digits_onnx.onnx"}


@pytest.mark.parametrize("name", MODELS)
def test_a_suffix_names_the_format_and_without_one_the_first_bytes_do(name: str, tmp_path: Path) -> None:
    assert format_of(MODELS[name]).name == name
    assert format_of(tmp_path / f"missing.{name.upper()}").name == name
    (tmp_path / "model.bin").write_bytes(MODELS[name].read_bytes())
    assert format_of(tmp_path / "model.bin").name == name


def test_what_no_format_claims_is_read_by_the_last_one_which_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"nothing of the kind")
    assert format_of(tmp_path / "model.bin") is FORMATS[-1]
    assert format_of(tmp_path / "missing") is FORMATS[-1]
    with pytest.raises(ModelError, match=r"model\.bin: "):
        read(tmp_path / "model.bin")
    with pytest.raises(FileError, match="missing: "):
        read(tmp_path / "missing")


def test_a_pipe_is_not_read_to_find_its_format(tmp_path: Path) -> None:
    # Opening one would wait for somebody who writes.
    os.mkfifo(tmp_path / "pipe")
    assert format_of(tmp_path / "pipe") is FORMATS[-1]


def test_a_model_in_memory_is_read_by_its_first_bytes() -> None:
    data = MODELS["tflite"].read_bytes()
    assert parse(data, "there").nbytes == len(data)
    with pytest.raises(UnsupportedError, match="has to be in a file"):
        parse(MODELS["onnx"].read_bytes(), "there")


@pytest.mark.parametrize("path", MODELS.values(), ids=MODELS)
def test_a_model_that_nothing_was_done_to_restores_to_itself(path: Path, tmp_path: Path) -> None:
    source = read(path)
    assert not source.rewritten and source.nbytes == path.stat().st_size
    output = tmp_path / path.name
    with Workspace(output) as workspace:
        dense = source.restore(output, workspace)
        write_all(dense.files)
    assert not dense.losses
    both = source.compared(read(output))
    assert isinstance(both, Forms)
    both.check()
    found = both.weights()
    assert found.equal and found.all_equal and not found.lossy
