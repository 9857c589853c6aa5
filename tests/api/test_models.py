"""`wpconvert.convert`, `verify`, `restore`, `inspect` and `lower`: as the commands, without their words and files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pytest

import wpconvert
from tests.cli.harness import DENSE, MODEL, SAMPLES, ZOO, untouched
from tests.onnx.harness import conv_model, save
from wpconvert.cli.main import run as command
from wpconvert.errors import BudgetError, FileError, ModelError, UnsupportedError, UsageError, VerificationError
from wpconvert.formats.tflite.draft import TfliteResult
from wpconvert.formats.tflite.source import source_of

ONNX = ZOO / "digits_onnx.onnx"
DATA = MODEL.read_bytes()


@pytest.fixture(autouse=True)
def nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Of no function."""
    yield
    assert capfd.readouterr() == ("", "")


def converted(model: Path | bytes = MODEL, method: str = "rle") -> wpconvert.ConvertedModel:
    """Without running it."""
    return wpconvert.convert(model, method=method, verified=False)


def test_bytes_and_paths_are_the_same_model(tmp_path: Path) -> None:
    of_path = wpconvert.convert(MODEL, method="dcsr", random=1)
    of_text = wpconvert.convert(str(MODEL), method="dcsr", random=1, output=tmp_path / "out.tflite")
    of_bytes = wpconvert.convert(DATA, method="dcsr", random=1)
    assert of_path.data == of_text.data == of_bytes.data == (tmp_path / "out.tflite").read_bytes()
    assert of_path.report.tensors == of_text.report.tensors == of_bytes.report.tensors
    assert (of_path.report.source, of_bytes.report.source) == (str(MODEL), "model.tflite")
    assert (of_path.report.written, of_text.report.written) == ((), (str(tmp_path / "out.tflite"),))
    assert len(of_path.data) == of_path.report.nbytes_after < of_path.report.nbytes_before == len(DATA)


def test_types_are_known() -> None:
    """For mypy."""
    result = converted()
    assert_type(result, wpconvert.ConvertedModel)
    assert_type(result.report, wpconvert.Conversion)
    assert_type(result.data, bytes)
    assert_type(wpconvert.verify(MODEL, result.data, random=1), wpconvert.Verification)
    assert_type(wpconvert.inspect(MODEL), wpconvert.Inspection)
    assert_type(wpconvert.restore(result.data), wpconvert.RestoredModel)


def test_the_command_writes_what_the_function_gives(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out, report = tmp_path / "out.tflite", tmp_path / "report.json"
    convert = [MODEL, "-m", "huffman", "--strip", "--random", "1", "-o", out, "--report", report, "-q"]
    assert command([str(argument) for argument in convert]) == 0
    result = wpconvert.convert(MODEL, method="huffman", strip=True, random=1)
    assert result.data == out.read_bytes()
    assert {**json.loads(report.read_text("utf-8")), "written": []} == json.loads(result.to_json())
    assert command(["inspect", str(out), "--json"]) == 0
    assert capfd.readouterr().out == wpconvert.inspect(out).to_json()
    assert command(["verify", str(MODEL), str(out), "--random", "1", "--json"]) == 0
    assert capfd.readouterr().out == wpconvert.verify(MODEL, out, random=1).to_json()


def test_what_was_converted_verifies_and_is_restored(tmp_path: Path) -> None:
    result = converted(method="huffman")
    verification = wpconvert.verify(MODEL, result.data, evaluation=SAMPLES)
    assert verification.passed
    assert verification.outputs[0].accuracy is not None
    dense = wpconvert.restore(result.data)
    assert wpconvert.verify(DATA, dense.data, random=1).passed
    assert not wpconvert.inspect(dense.data).provenance
    with untouched(tmp_path):
        assert wpconvert.restore(result.data).report.files == ()
    written = wpconvert.restore(result.data, output=tmp_path / "dense.tflite")
    assert written.report.files == (tmp_path / "dense.tflite",)
    assert written.data == dense.data


def test_samples_are_arrays_or_files() -> None:
    with np.load(SAMPLES) as file:
        arrays = dict(file)
    small = converted().data
    of_file, of_arrays = (wpconvert.verify(MODEL, small, evaluation=given) for given in (SAMPLES, arrays))
    assert of_file == of_arrays
    assert of_file.samples == len(arrays["labels"])
    assert wpconvert.convert(MODEL, method="rle", inputs=arrays).report.verification is not None
    with pytest.raises(UsageError, match=r"evaluation\.npz: no array `labels`"):
        wpconvert.verify(MODEL, small, evaluation={"file": np.zeros((2, 8, 8, 1), np.int8)})
    with pytest.raises(UsageError, match="inputs: array 'image' is not an array of numbers"):
        wpconvert.verify(MODEL, small, inputs={"image": np.array([{}])})
    with pytest.raises(UsageError, match="inputs: expected arrays by the names of the model's inputs, or a path"):
        wpconvert.verify(MODEL, small, inputs=arrays["image"])


def test_the_bytes_are_there_beside_c_source(tmp_path: Path) -> None:
    made = wpconvert.convert(MODEL, method="rle", verified=False, emit={"c": tmp_path / "model.c"})
    assert made.data == converted().data


@pytest.mark.parametrize("model", [None, 3, [1, 2]], ids=repr)
def test_what_is_no_model_is_refused(model: Any) -> None:
    with pytest.raises(UsageError, match="expected the path or the bytes of a model, found"):
        wpconvert.inspect(model)


def test_data_that_bytes_name_in_another_file_is_missed_by_its_name(tmp_path: Path) -> None:
    save(conv_model(), tmp_path / "model.onnx", external=True)
    with pytest.raises(FileError, match=r"^[\w.]+: cannot be read: the data file of tensor"):
        wpconvert.inspect((tmp_path / "model.onnx").read_bytes())


def test_a_lowered_model_is_no_onnx_file(tmp_path: Path) -> None:
    with untouched(tmp_path), pytest.raises(UsageError, match=r"a lowered model is a \.tflite file"):
        wpconvert.lower(ONNX, output=tmp_path / "out.onnx")


def test_models_that_compute_something_else_do_not_pass() -> None:
    other = wpconvert.verify(MODEL, DENSE, random=1)
    assert not other.passed
    assert "FAILED" in repr(other)


def test_onnx_models_stay_onnx_models_or_are_lowered(tmp_path: Path) -> None:
    stored = wpconvert.convert(ONNX.read_bytes(), method="dcsr", random=1)
    assert stored.report.source == "model.onnx"
    assert wpconvert.verify(ONNX, stored.data, random=1).passed
    assert wpconvert.inspect(stored.data).path == "model.onnx"
    lowered = wpconvert.lower(ONNX)
    assert lowered.nbytes == len(lowered.data)
    assert lowered.data == wpconvert.lower(ONNX.read_bytes(), output=tmp_path / "lowered.tflite").data
    assert (tmp_path / "lowered.tflite").read_bytes() == lowered.data
    assert wpconvert.verify(ONNX, lowered.data, random=1).passed
    both = wpconvert.convert(ONNX, method="dcsr", random=1, output=tmp_path / "both.tflite")
    assert both.data == wpconvert.convert(lowered.data, method="dcsr", random=1).data


def test_only_onnx_models_are_lowered() -> None:
    with pytest.raises(UnsupportedError, match=r"^model\.tflite: "):
        wpconvert.lower(DATA)
    with pytest.raises(UsageError, match="is an input"):
        wpconvert.lower(ONNX, output=ONNX)


def test_files_are_written_where_they_are_named_and_nowhere_else(tmp_path: Path) -> None:
    out, plan, c, report = (tmp_path / name for name in ("out.tflite", "plan.yaml", "model.c", "report.csv"))
    wpconvert.convert(MODEL, method="rle", verified=False, output=out, plan=plan, emit={"c": c}, report=report)
    assert set(tmp_path.iterdir()) == {out, plan, c, c.with_suffix(".h"), report}
    again = wpconvert.convert(MODEL, rules=plan, verified=False)
    assert again.data == out.read_bytes()
    out.write_bytes(DATA)
    assert wpconvert.convert(out, method="rle", verified=False, in_place=True).data == again.data
    with untouched(tmp_path):
        tried = wpconvert.convert(out, method="none", verified=False, dry_run=True, output=tmp_path / "x")
    with pytest.raises(FileError, match="the model was not written: it was a dry run"):
        _ = tried.data


def test_results_can_be_read() -> None:
    for result in (converted(), wpconvert.inspect(DATA), wpconvert.restore(DATA), wpconvert.lower(ONNX)):
        assert repr(result).startswith(f"<{type(result).__name__}: ")
        assert "\n" not in repr(result)
        assert len(str(result).splitlines()) >= 1
        assert result._repr_html_().startswith("<pre>")
        assert json.loads(result.to_json())["tool"] == f"wpconvert {wpconvert.__version__}"
    assert "55,088 → " in repr(converted())


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: wpconvert.convert(MODEL, method="zip"), UsageError, "unknown method"),
        (lambda: wpconvert.convert(MODEL, nothing=3), UsageError, "nothing"),
        (lambda: wpconvert.convert(MODEL, method="rle", pool_size=3), UsageError, "pool"),
        (lambda: wpconvert.convert(MODEL, flash=10), BudgetError, "flash"),
        (lambda: wpconvert.convert(MODEL, method="pool", pool_size="many"), UsageError, "whole number"),
        (lambda: wpconvert.convert(MODEL, flash=0), UsageError, "--flash 0, expected 1"),
        (lambda: wpconvert.convert(MODEL, ram=-1), UsageError, "--ram -1, expected 1"),
        (lambda: wpconvert.convert(MODEL, threshold=1.5), UsageError, "--threshold 1.5, expected"),
        (lambda: wpconvert.convert(MODEL, threshold=float("nan")), UsageError, "--threshold nan, expected"),
        (lambda: wpconvert.convert(MODEL, random=0), UsageError, "--random 0, expected 1"),
        (lambda: wpconvert.verify(MODEL, MODEL, seed=-1), UsageError, "--seed -1, expected 0"),
        (lambda: wpconvert.convert(MODEL, output="no/such/folder/x.tflite"), FileError, "cannot be written"),
        (lambda: wpconvert.verify(MODEL, MODEL, inputs={}), UsageError, "no array for input 'image'"),
        (lambda: wpconvert.convert(DATA, in_place=True), UsageError, "path"),
        (lambda: wpconvert.convert(MODEL, verified=False, evaluation=SAMPLES), UsageError, "evaluation"),
        (lambda: wpconvert.convert(MODEL, inputs="none.npz"), FileError, "none.npz"),
        (lambda: wpconvert.convert("none.tflite"), FileError, "none.tflite"),
        (lambda: wpconvert.inspect(b"nothing"), ModelError, "^model.tflite: "),
        (lambda: wpconvert.inspect(DATA[:3000]), ModelError, "^model.tflite: "),
        (lambda: wpconvert.verify(DATA, ONNX), UsageError, "model first"),
        (lambda: wpconvert.restore(MODEL, output=MODEL), UsageError, "input"),
    ],
)
def test_errors_are_those_of_the_package(call: Callable[[], object], error: type[Exception], said: str) -> None:
    assert issubclass(error, wpconvert.WpconvertError)
    with pytest.raises(error, match=said):
        call()


def test_a_wrong_result_is_an_error_with_a_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(TfliteResult, "source", lambda _: source_of(DENSE.read_bytes()))
    with untouched(tmp_path), pytest.raises(VerificationError, match="computes different results") as failed:
        wpconvert.convert(MODEL, method="rle", random=1, output=tmp_path / "out.tflite")
    assert isinstance(failed.value.report, wpconvert.Conversion)
    assert failed.value.report.failed


def test_a_back_end_that_there_is_not_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    with untouched(tmp_path), pytest.raises(UsageError, match="unknown back end 'd', expected one of c"):
        wpconvert.convert(MODEL, emit={"d": tmp_path / "model.d"})
