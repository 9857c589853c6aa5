"""The shipped ONNX model by every method: the same in ONNX Runtime; lowered, on the boards what the host computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.models.test_zoo import ZOO
from tests.tflite.harness import converted, forced
from wpconvert.codecs import STANDALONE
from wpconvert.engines.inputs import Inputs
from wpconvert.engines.reference import ReferenceEngine
from wpconvert.formats.onnx.draft import METHODS as ONNX_METHODS
from wpconvert.formats.onnx.file import read
from wpconvert.formats.onnx.files import Target
from wpconvert.formats.onnx.forms import OnnxForms
from wpconvert.formats.onnx.lowered import lowered
from wpconvert.formats.onnx.mixed import samples_for
from wpconvert.formats.onnx.source import OnnxSource
from wpconvert.formats.tflite.file import parse
from wpconvert.graph.types import Sample
from wpconvert.job.convert import convert_to
from wpconvert.job.verify import verdict
from wpconvert.model.rules import AUTO, Rules
from wpconvert.model.settings import Settings
from wpconvert.target import boards, run_on
from wpconvert.transforms.pool_settings import POOL

MODEL = ZOO / "digits_onnx.onnx"


@pytest.fixture(scope="module")
def images() -> list[Sample]:
    with np.load(ZOO / "digits_onnx_test.npz") as archive:
        return [[image[np.newaxis]] for image in archive["image"][:20]]


@pytest.mark.parametrize("method", [method for method in ONNX_METHODS if method != "none"])
def test_rewritten_it_computes_the_same_and_lowers_to_the_same(
    method: str, images: list[Sample], tmp_path: Path
) -> None:
    target = Target.next_to(tmp_path / "rewritten.onnx")
    done = convert_to(OnnxSource(read(MODEL)), Settings(method, Rules(rules=[])), target.model)
    verification = verdict(OnnxForms(read(MODEL), read(target.model)), Inputs(images, None))
    assert verification.passed
    if not verification.lossy:
        assert all(output.equal for output in verification.outputs)
        assert lowered(read(target.model), None).data == lowered(read(MODEL), None).data
    assert done.changed == (target.model.stat().st_size < MODEL.stat().st_size)


@pytest.mark.parametrize("method", [*STANDALONE, AUTO, POOL])
@pytest.mark.parametrize("board", ["corstone300", "mps2-m4"])
@pytest.mark.usefixtures("device")
def test_lowered_it_gives_the_bits_of_the_reference_on_the_boards(
    board: str, method: str, images: list[Sample]
) -> None:
    data = lowered(read(MODEL), None).data
    model = parse(forced(data, method) if method in STANDALONE else converted(data, method).data)
    assert any(model.is_custom(operator) for operator in model.root.subgraphs[0].operators)
    samples = samples_for(parse(data), images[:3])
    expected = ReferenceEngine().run(model if method == POOL else parse(data), samples, lambda: None)
    for [found], [wanted] in zip(run_on(boards()[board], model, samples).outputs, expected, strict=True):
        assert (found == wanted).all()
