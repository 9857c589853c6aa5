"""The zoo's ONNX model is what its card says, and keeps its answers on the device."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.models.test_zoo import ROOT, ZOO, rows, share
from tests.onnx.lower.harness import file_inputs, steps_apart
from tests.tflite.harness import converted
from wpconvert.engines.native import NativeEngine
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.lowering import Lowered, lower
from wpconvert.reference.interpreter import Interpreter

PATH = ZOO / "digits_onnx.onnx"


@pytest.fixture(scope="module")
def test_split() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    with np.load(ZOO / "digits_onnx_test.npz") as archive:
        return archive["image"], archive["labels"]


@pytest.fixture(scope="module")
def logits(test_split: tuple[NDArray[np.float32], NDArray[np.uint8]]) -> NDArray[np.float32]:
    """ONNX Runtime's answers."""
    session = onnxruntime.InferenceSession(str(PATH), providers=["CPUExecutionProvider"])
    answers: NDArray[np.float32] = session.run(["logits"], {"image": test_split[0]})[0]
    return answers


@pytest.fixture(scope="module")
def lowered() -> Lowered:
    return lower(onnx.load(PATH), PATH.name)


def samples(lowered: Lowered, images: NDArray[np.float32]) -> list[list[NDArray[Any]]]:
    return [file_inputs(lowered, {"image": image[np.newaxis]}) for image in images]


def test_card_names_this_very_file() -> None:
    content, card = PATH.read_bytes(), rows(PATH)
    assert card["File"] == f"`{PATH.name}`"
    assert card["Bytes"] == str(len(content))
    assert card["SHA-256"] == f"`{hashlib.sha256(content).hexdigest()}`"


def test_accuracy_is_as_stated(
    logits: NDArray[np.float32], test_split: tuple[NDArray[np.float32], NDArray[np.uint8]]
) -> None:
    labels = test_split[1]
    correct = int(np.count_nonzero(logits.argmax(axis=1) == labels))
    assert rows(PATH)["Test accuracy"] == share(correct, len(labels))


def test_the_lowered_model_gives_the_same_classes(
    lowered: Lowered, logits: NDArray[np.float32], test_split: tuple[NDArray[np.float32], NDArray[np.uint8]]
) -> None:
    answers = NativeEngine().run(parse(lowered.data), samples(lowered, test_split[0]), lambda: None)
    assert (np.concatenate([answer for [answer] in answers]).argmax(axis=1) == logits.argmax(axis=1)).all()


def test_every_layer_is_within_one_step(test_split: tuple[NDArray[np.float32], NDArray[np.uint8]]) -> None:
    model = onnx.load(PATH)
    for image in test_split[0][:10]:
        steps = steps_apart(model, {"image": image[np.newaxis]})
        assert max(steps.values()) <= 1, steps


def test_native_engine_and_reference_give_the_same_bits(
    lowered: Lowered, test_split: tuple[NDArray[np.float32], NDArray[np.uint8]]
) -> None:
    model, inputs = parse(lowered.data), samples(lowered, test_split[0][:20])
    reference = Interpreter(read_graph(model))
    for sample, [found] in zip(inputs, NativeEngine().run(model, inputs, lambda: None), strict=True):
        assert (reference.run(sample)[0] == found).all()


def test_the_readme_gives_its_sizes(lowered: Lowered) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert f"{len(lowered.data):,} bytes of int8 `.tflite`" in readme
    assert f"{len(converted(lowered.data, 'dcsr').data):,} with `-m dcsr`" in readme


def test_it_is_small_enough_to_ship() -> None:
    assert PATH.stat().st_size < 100_000
