"""Models that others made: those that the onnx package has for its own tests, float and quantised, by every method."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.onnx.harness import check, converted, outputs, save
from tests.onnx.light import NAMES, quantised, with_weights
from wpconvert.formats.onnx.file import read
from wpconvert.formats.onnx.files import Target
from wpconvert.formats.onnx.restore import restore
from wpconvert.lowering.opset import MIN_OPSET, upgraded

METHODS = {
    "float": ("bitmap", "rle", "dcsr", "pool", "auto"),
    "few values": ("packed", "huffman", "auto"),
    "QDQ": ("bitmap", "rle", "dcsr", "huffman", "pool", "auto"),
    "QOperator": ("bitmap", "rle", "dcsr", "huffman", "pool", "auto"),
}
"""For each form of a model those that make it smaller: tables hold no weights of many values."""

LARGE = ("bvlc_alexnet", "zfnet512", "vgg19")
"""Models of hundreds of megabytes; as float models they have external data."""


@pytest.fixture(scope="module")
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of a model in one of the forms."""
    name, form = request.param
    folder = tmp_path_factory.mktemp("light")
    is_float = form in ("float", "few values")
    model = upgraded(with_weights(name, form == "few values"), MIN_OPSET) if is_float else quantised(name, form)
    yield save(model, folder / "model.onnx", external=is_float and name in LARGE)
    shutil.rmtree(folder)


def _case(name: str, form: str, method: str) -> Any:
    """A case of every run where it takes a second or two, else one of the sweep."""
    always = name == "squeezenet" if form != "QOperator" else (name, method) == ("shufflenet", "auto")
    always = always or (name, form, method) == ("inception_v1", "float", "bitmap")
    return pytest.param((name, form), method, id=f"{name}-{form}-{method}", marks=[] if always else pytest.mark.sweep)


@pytest.mark.parametrize(
    ("source", "method"),
    [_case(name, form, method) for name in NAMES for form, methods in METHODS.items() for method in methods],
    indirect=["source"],
)
def test_onnx_runtime_computes_the_same_of_a_rewritten_model(source: Path, method: str) -> None:
    target, done = converted(source, method)
    try:
        assert done.report.rewritten > 3
        if method == "pool":
            dense = Target.next_to(target.model.with_name("dense.onnx"))
            assert "weights were changed" in restore(read(target.model), dense)[0]
            assert outputs(dense.model)[0].tobytes() == outputs(target.model)[0].tobytes()
        else:
            check(source, target)
    finally:
        shutil.rmtree(target.model.parent)


def test_a_method_that_holds_few_values_says_why_it_takes_no_weight(tmp_path: Path) -> None:
    source = save(upgraded(with_weights("squeezenet"), MIN_OPSET), tmp_path / "model.onnx")
    _, done = converted(source, "packed")
    reasons = [tensor.reason for tensor in done.report.tensors if tensor.operators == ("Conv",)]
    assert reasons.count("packed cannot store it: it has more than 256 distinct values") > 20


def test_models_of_an_older_operator_set_stay_and_say_what_to_do(tmp_path: Path) -> None:
    _, done = converted(save(with_weights("squeezenet"), tmp_path / "model.onnx"))
    assert not done.changed
    reasons = {tensor.reason for tensor in done.report.tensors if tensor.operators == ("Conv",)}
    assert reasons == {
        "bitmap needs opset 11 or newer, the model has 9; convert it with onnx.version_converter.convert_version"
    }
