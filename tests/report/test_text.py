"""Text views: what comes from a file is shown, never obeyed; names keep the part that matters."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from wpconvert.report.export import to_json
from wpconvert.report.result import Conversion, Forecast, OutputComparison, TensorCoverage, TensorResult, Verification
from wpconvert.report.table import escape
from wpconvert.report.text import print_conversion, print_verification, short_name
from wpconvert.units import percent, shape_text


def printed(report: Conversion, verbose: bool = False, width: int = 120) -> str:
    out = io.StringIO()
    print_conversion(Console(file=out, width=width, highlight=False), report, verbose)
    return out.getvalue()


def tensor(
    name: str = "block/kernel", method: str = "rle", after: int = 400, reason: str | None = None
) -> TensorResult:
    return TensorResult("0:1", name, ("CONV_2D",), (8, 3, 3, 16), "INT8", 0.75, method, 1152, after, reason)


def report(*tensors: TensorResult, **fields: object) -> Conversion:
    return Conversion("m.tflite", "rle", 2000, 1000, tensors, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(("code", "grown"), [(6000, False), (6001, True)])
def test_model_and_code_are_added_and_growth_is_said(code: int, grown: bool) -> None:
    forecast = Forecast("mps2-m4", "Cortex-M4", None, None, 90, 90, code, None, 100, 100, 5000, None, ())
    text = printed(report(tensor(), forecast=forecast), width=400)
    assert f"7,000 → {1000 + code:,} bytes of flash (model and code)" in text
    assert ("note: the added code takes 1 byte more than the model saves" in text) == grown


def test_file_that_grows_says_by_how_much() -> None:
    assert "1,000 bytes added)" in printed(Conversion("m.onnx", "auto", 1000, 2000, ()))


def test_every_tensor_totals_notes_verdict_and_files_are_shown() -> None:
    output = OutputComparison("logits", "int8", True, 40, 0, 0.0, None, 1.0, (0.9, 0.9))
    verdict = Verification(True, "identical outputs", "reference", 4, True, (output,), ("a note",))
    kept = tensor("other", "none", 1152, "would not shrink")
    text = printed(report(tensor(), kept, notes=("remark",), written=("out.tflite",), verification=verdict))
    for part in (
        "block/kernel",
        "8×3×3×16",
        "75.0 %",
        "1,152",
        "would not shrink",
        "1 of 2 tensors rewritten; weights 2,304 → 1,552 bytes (67.4 %)",
        "file 2,000 → 1,000 bytes (50.0 %, 1,000 bytes saved)",
        "note: remark",
        "logits: 40 values equal; accuracy 0.9000 → 0.9000",
        "verified: identical outputs, bit for bit, on 4 samples (reference engine)",
        "wrote out.tflite",
    ):
        assert part in text


def test_lossy_is_never_called_identical_and_what_proves_nothing_is_named() -> None:
    output = OutputComparison("logits", "int8", True, 40, 0, 0.0, None, 1.0)
    coverage = (TensorCoverage("0:3", "conv", "CONV_2D", 8, 6, 9), TensorCoverage("0:4", "logits", "ADD", 4, 0, 0))
    names = ("logits (ADD)", *(f"branch{i}" for i in range(4)))
    promise = "the outputs of the dense model with the same weights"
    verdict = Verification(True, promise, "native", 4, True, (output,), (), True, coverage, names)
    out = io.StringIO()
    print_verification(Console(file=out, width=160), verdict)
    lines = out.getvalue().splitlines()
    assert lines[1] == "exercised: 1 of 2 tensors, on average 37.5 % of the channels"
    assert lines[2].startswith(
        "not exercised: logits (ADD), branch0, branch1 and 2 more: constant or clamped in all samples"
    )
    assert lines[3].startswith("lossy (no difference in these samples); verified: the outputs of the dense")
    assert "identical" not in out.getvalue()


OUTPUT = OutputComparison("", "int8", False, 40, 3, 7.0, 12.345, 0.5)


def test_failure_says_what_is_broken() -> None:
    out = io.StringIO()
    verdict = Verification(False, "identical outputs", "litert", 1, False, (OUTPUT,))
    print_verification(Console(file=out, width=160), verdict)
    assert "3 of 40 values differ, by at most 7 LSB, SNR 12.3 dB, top-1 agreement 50.0 %" in out.getvalue()
    assert "FAILED: weights differ; output 0 differs (expected identical outputs)" in out.getvalue()


@pytest.mark.parametrize(
    "name", ["[red]x[/red]", "a\x1b[2Jb", "a\nb", "\\", "[/]", "tab\tbell\a", "\u202egnp", "\udcff"]
)
@pytest.mark.parametrize("verbose", [False, True])
def test_names_are_shown_not_obeyed(name: str, verbose: bool) -> None:
    text = printed(report(tensor(name), tensor(name, "none", 1152, name)), verbose)
    assert not set(text) & set("\x1b\a\t\u202e\udcff")
    if name.isprintable():
        assert name in text
    text.encode()


def test_names_of_outputs_are_shown_not_obeyed() -> None:
    out = io.StringIO()
    verdict = Verification(False, "identical outputs", "litert", 1, False, (replace(OUTPUT, name="[/]\x1b"),))
    print_verification(Console(file=out, width=160), verdict)
    assert "output [/]\\x1b differs" in out.getvalue() and "\x1b" not in out.getvalue()


@pytest.mark.parametrize("name", ["a\x9b2Jb", "\u202egnp", "\udcff", "\U000e0001x", "größe"])
def test_json_obeys_no_name_either(name: str) -> None:
    text = to_json(report(tensor(name)))
    assert text.replace("\n", "").isprintable()
    assert json.loads(text)["tensors"][0]["name"] == name
    assert (name in text) == name.isprintable()


def test_escape_leaves_printable_text_alone() -> None:
    assert escape("größe → ×") == "größe → ×"
    assert escape("a\x1bb") == "a\\x1bb"


def test_verbose_shows_full_names_with_keys() -> None:
    long = "model/" * 20 + "kernel"
    assert f"{long} [0:1]" in printed(report(tensor(long)), True, 300)
    assert long not in printed(report(tensor(long)), False, 300)


def test_short_names_keep_the_end_and_the_weights_of_fused_layers() -> None:
    assert short_name("a/b", "0:1") == "a/b"
    assert short_name("", "0:1") == "(tensor 0:1)"
    assert short_name("x" * 50, "0:1") == "…" + "x" * 39
    assert short_name("bn/add;layer/Conv2D;bias", "0:1") == "layer/Conv2D"


def test_small_helpers() -> None:
    assert (percent(1, 3), percent(1, 0), shape_text((2, 3)), shape_text(())) == ("33.3 %", "–", "2×3", "scalar")
