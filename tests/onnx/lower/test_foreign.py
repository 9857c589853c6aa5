"""Networks that nobody here made: those that the onnx package carries for its own tests, lowered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.onnx.light import calibrated, images, quantised
from tests.onnx.lower.harness import file_inputs, steps_apart
from tests.tflite.harness import forced
from wpconvert.engines.inputs import Inputs
from wpconvert.engines.native import NativeEngine
from wpconvert.errors import UnsupportedError
from wpconvert.formats.onnx.mixed import verify_mixed
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.lowering import lower
from wpconvert.reference.interpreter import Interpreter

SMALL = ("squeezenet", "shufflenet")
LARGE = ("densenet121", "inception_v2", "resnet50", "vgg19")


def swept(*names: str) -> list[Any]:
    return [pytest.param(name, marks=pytest.mark.sweep) for name in names]


every_network = pytest.mark.parametrize("name", [*SMALL, *swept(*LARGE)])


@every_network
def test_every_layer_is_within_one_step_of_onnx_runtime(name: str) -> None:
    model = calibrated(name)
    steps = steps_apart(model, {model.graph.input[0].name: images(1, seed=1)})
    assert len(steps) > 20
    assert max(steps.values()) <= 1, steps


@pytest.mark.parametrize("name", ["squeezenet", *swept("densenet121", "inception_v2", "vgg19")])
@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_models_of_the_quantiser_alone_are_as_close(name: str, form: str) -> None:
    model = quantised(name, form)
    [image] = {info.name for info in model.graph.input} - {tensor.name for tensor in model.graph.initializer}
    steps = steps_apart(model, {image: images(1, seed=1)})
    assert len(steps) > 20
    assert max(steps.values()) <= 1, steps


@every_network
@pytest.mark.parametrize("method", [None, "bitmap"], ids=["dense", "bitmap"])
def test_the_engines_give_the_same_bits(name: str, method: str | None) -> None:
    model = calibrated(name)
    lowered = lower(model, name)
    data = lowered.data if method is None else forced(lowered.data, method)
    sample = file_inputs(lowered, {model.graph.input[0].name: images(1, seed=2)})
    [expected] = Interpreter(read_graph(parse(lowered.data))).run(sample)
    [[found]] = NativeEngine().run(parse(data), [sample], lambda: None)
    assert expected.max() > expected.min()
    assert (found == expected).all()


@every_network
def test_verify_passes(name: str, tmp_path: Path) -> None:
    model = calibrated(name)
    onnx.save(model, tmp_path / "model.onnx")
    inputs = Inputs([[images(1, seed)] for seed in range(3, 6)], None, ())
    verification = verify_mixed(tmp_path / "model.onnx", parse(lower(model, name).data), inputs, NativeEngine())
    assert verification.passed, verification


@pytest.mark.parametrize("name", ["shufflenet", *swept("resnet50")])
def test_a_sum_that_the_quantiser_leaves_in_float32_is_named(name: str) -> None:
    with pytest.raises(UnsupportedError, match=rf"^{name}: node '.+' \(Sum\): reads '.+' in float32"):
        lower(quantised(name, "QOperator"), name)


@pytest.mark.parametrize("name", ["inception_v1", *swept("bvlc_alexnet", "zfnet512")])
def test_normalisation_across_channels_is_named(name: str) -> None:
    message = r"node '.+' \(LRN\): operator LRN is not supported; supported: Abs, Add, "
    with pytest.raises(UnsupportedError, match=f"^{name}: {message}"):
        lower(calibrated(name), name)
