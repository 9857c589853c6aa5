"""Small ONNX models of every place, type and storage keep all promises; damaged ones end cleanly."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.onnx.sweep.cases import METHODS, PLACES, STORAGES, Case
from tests.onnx.sweep.roundtrip import BrokenPromise, roundtrip
from tools import fuzz_onnx

STAYS = {"input": "is also an input of the graph", "trained": "is changed by training"}
"""Places whose weight is not rewritten, and why."""
ON_ITS_OWN = ("one file", "two files", "gaps", "no length", "folder", "raw", "typed", "twins")


def _case(place: str = "main", storage: str = "raw", method: str = "bitmap", **more: object) -> Case:
    fields = {"dtype": "float32", "form": "plain", "opset": 17, "ir_version": 8, "zeros": 0.9} | more
    return Case(place=place, storage=storage, method=method, name="w", rows=120, cols=200, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("place", PLACES)
def test_a_weight_is_rewritten_wherever_it_is_unless_something_else_changes_it(place: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    tally: Counter[str] = Counter()
    done = roundtrip(_case(place), tmp_path / "in", tally)
    # All oracles take these models.
    assert {"checker: None", "ONNX Runtime: None", "reference: None"} < set(tally)
    reasons = {tensor.reason or "" for tensor in done.report.tensors if tensor.name == "w"}
    if place in STAYS:
        assert not done.changed and all(STAYS[place] in reason for reason in reasons)
    elif place == "shadowed":
        assert done.changed and any("hides a value" in reason for reason in reasons)
    else:
        assert done.changed and reasons == {""}


def test_an_input_is_rewritten_in_ir_versions_where_all_weights_are_inputs(tmp_path: Path) -> None:
    assert roundtrip(_case("input", ir_version=3, opset=11), tmp_path, Counter()).changed


@pytest.mark.parametrize("storage", STORAGES)
def test_a_weight_is_rewritten_however_it_is_stored_unless_others_have_its_bytes(storage: str, tmp_path: Path) -> None:
    done = roundtrip(_case(storage=storage), tmp_path, Counter())
    assert done.changed == (storage in ON_ITS_OWN)
    if not done.changed:
        assert done.report.tensors[0].reason == "shares its data with tensors that are not weights"


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"none"}))
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int4", "uint4", "float32", "float16"])
def test_every_method_rewrites_every_type(method: str, dtype: str, tmp_path: Path) -> None:
    case = _case(method=method, dtype=dtype, opset=21, ir_version=10, zeros=0.97)
    done = roundtrip(case, tmp_path, Counter())
    if not done.changed:
        # Integers are pooled where they are made of the pool, and packed where there are few of them.
        assert method in ("pool", "packed") and "int" in dtype and done.report.tensors[0].reason


def test_random_models_keep_every_promise_and_damaged_ones_end_cleanly(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz_onnx.main(["--cases", "80"]) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    # Neither models that no oracle takes nor damage that changes nothing would find much.
    for what in ("changed", "unchanged", "ONNX Runtime: None", "damaged: converted", "damaged: refused with 3"):
        assert f" {what}\n" in out


def test_a_failure_is_reported_with_the_command_that_repeats_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise BrokenPromise("larger")

    monkeypatch.setattr(fuzz_onnx, "roundtrip", fail)
    monkeypatch.setattr(fuzz_onnx, "damaged_case", fail)
    assert fuzz_onnx.main(["--only", "7", "--seed", "3"]) == 1
    err = capsys.readouterr().err
    assert "tools/fuzz_onnx.py --seed 3 --only 7" in err and "BrokenPromise: larger" in err
