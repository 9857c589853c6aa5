"""The verdict on an .onnx model and the .tflite one it was lowered to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from tests.onnx.harness import model_of, save, value
from tests.onnx.lower.builder import Builder
from wpconvert.engines import Sample
from wpconvert.engines.base import Advance
from wpconvert.engines.inputs import Inputs
from wpconvert.engines.native import NativeEngine
from wpconvert.formats.onnx.mixed import verify_mixed
from wpconvert.formats.tflite.file import parse
from wpconvert.graph.executable import Executable
from wpconvert.lowering import lower
from wpconvert.report.result import Verification

STEP = 0.1
CLASSES = 3


class Answers(NativeEngine):
    """Gives the outputs it was told, in steps, instead of those it computes."""

    def __init__(self, outputs: Sequence[Sequence[int]]) -> None:
        self._outputs = outputs

    def run(self, model: Executable, samples: Sequence[Sample], advance: Advance) -> list[Sample]:
        computed = super().run(model, samples, advance)
        answers = [[np.array([steps], np.int8)] for steps in self._outputs]
        assert [value.shape for [value] in computed] == [value.shape for [value] in answers]
        return answers


def verdict(
    folder: Path, inputs: Sequence[Sequence[float]], answers: Sequence[Sequence[int]], is_float: bool = False
) -> Verification:
    """Of a Relu of 3 values: what ONNX Runtime makes of `inputs`, in steps, and answers of the lowered model.

    is_float: the .onnx model is the one before quantisation.
    """
    b = Builder()
    b.output(b.rounded(b.op("Relu", b.input("x", (1, CLASSES), STEP, 0)), STEP, 0))
    quantised = b.build()
    lowered = parse(lower(quantised, "model").data)
    model = quantised
    if is_float:
        name = quantised.graph.output[0].name
        relu = helper.make_node("Relu", ["x"], [name])
        model = model_of([relu], {}, [value("x", [1, CLASSES])], [value(name, [1, CLASSES])])
    samples: list[Sample] = [[np.array([steps], np.float32) * np.float32(STEP)] for steps in inputs]
    labels = np.zeros(len(inputs), np.int64)
    return verify_mixed(save(model, folder / "model.onnx"), lowered, Inputs(samples, labels, ()), Answers(answers))


def test_the_same_classes_pass_without_a_note(tmp_path: Path) -> None:
    result = verdict(tmp_path, [[9, 4, 0], [1, 4, 0]], [[8, 5, 1], [1, 5, 0]])
    assert result.passed and result.notes == ()
    assert (result.outputs[0].top1, result.outputs[0].accuracy) == (1.0, (0.5, 0.5))


@pytest.mark.parametrize("high", [9, 100, 127])
def test_another_class_within_one_step_is_a_tie_and_counted(high: int, tmp_path: Path) -> None:
    result = verdict(tmp_path, [[high, high - 1, 0], [7, 7, 0], [9, 0, 0]], [[8, 9, 0], [6, 7, 0], [9, 0, 0]])
    assert result.passed
    assert [note.split(":", 1)[1] for note in result.notes] == [" 2 of 3 samples tie: another class within one step"]
    assert result.outputs[0].top1 == pytest.approx(1 / 3)
    assert result.outputs[0].accuracy == pytest.approx((1, 1 / 3))


def test_another_class_two_steps_below_fails(tmp_path: Path) -> None:
    result = verdict(tmp_path, [[9, 7, 0], [9, 0, 0]], [[7, 8, 0], [9, 0, 0]])
    assert not result.passed
    assert result.notes[0].endswith(": 1 of 2 samples get another class, up to 2 steps below")


def test_values_beyond_the_range_of_the_lowered_model_are_no_ties(tmp_path: Path) -> None:
    result = verdict(tmp_path, [[200, 190, 0]], [[126, 127, 0]], is_float=True)
    assert not result.passed
    assert result.notes[0].endswith(": 1 of 1 samples get another class, up to 10 steps below")


def test_values_that_are_no_numbers_never_pass(tmp_path: Path) -> None:
    assert not verdict(tmp_path, [[float("nan"), 5, 0]], [[0, 5, 0]], is_float=True).passed
