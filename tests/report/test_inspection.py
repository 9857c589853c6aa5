"""What inspect tells: any file, rewritten before or not, with the numbers counted right."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.support.models import ModelBuilder
from tests.tflite.harness import conv_builder, conv_model, converted, sparse
from wpconvert.codecs import STANDALONE, encode
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.inspect import inspect_model
from wpconvert.report.export import to_json
from wpconvert.report.inspection import Inspection, entropy_bits


def inspected(data: bytes) -> Inspection:
    return inspect_model("m.tflite", data, parse(data))


def test_entropy_of_known_distributions() -> None:
    assert entropy_bits(np.zeros(9, np.int8)) == 0.0
    assert entropy_bits(np.array([0, 1], np.int8)) == 1.0
    assert entropy_bits(np.arange(-128, 128).astype(np.int8)) == 8.0


def test_weights_have_sparsity_entropy_bound_and_the_bytes_of_every_method() -> None:
    result = inspected(conv_model())
    (weight,) = result.weights
    values = sparse(1, (32, 3, 3, 16), 0.95)
    assert weight.sparsity == pytest.approx(np.mean(values == 0))
    assert weight.entropy == pytest.approx(entropy_bits(values))
    assert weight.bound == int(np.ceil(entropy_bits(values) * values.size / 8))
    assert weight.methods == {name: encode(name, values, 1).nbytes for name in STANDALONE}
    assert (weight.stored_as, weight.obstacle, weight.nbytes) == (None, None, values.size)
    assert (result.operators, result.provenance, result.nbytes) == ({"CONV_2D": 1}, None, len(conv_model()))


@pytest.mark.parametrize("strip", [False, True], ids=["", "strip"])
def test_rewritten_weights_are_decoded_and_their_story_told(strip: bool) -> None:
    result = inspected(converted(conv_model(), "rle", strip=strip).data)
    (weight,) = result.weights
    before = inspected(conv_model()).weights[0]
    assert (weight.stored_as, weight.shape, weight.dtype) == ("rle", (32, 3, 3, 16), "INT8")
    assert (weight.sparsity, weight.entropy) == (before.sparsity, before.entropy)
    assert weight.nbytes == before.methods["rle"] == weight.methods["rle"]
    assert result.provenance is not None and result.provenance.stripped is strip


def test_interface_subgraphs_metadata_and_description_are_told() -> None:
    b, y = conv_builder()
    b.output(b.op("MY_OP", [y], [b.like(y, name="out")], custom_options=b""))
    b.metadata("foreign", b"1")
    model = b.build()
    model.root.subgraphs.append(model.root.subgraphs[0])
    result = inspected(serialise(model))
    assert [(t.name, t.shape, t.dtype) for t in result.inputs] == [("input_0", (1, 4, 4, 16), "INT8")]
    assert [t.name for t in result.outputs] == ["out"]
    assert (result.subgraphs, result.operators) == (2, {"CONV_2D": 2, "MY_OP": 2})
    assert (result.metadata, result.description) == (("foreign",), "test model")
    json.loads(to_json(result))


def test_smallest_model_is_inspected() -> None:
    b = ModelBuilder()
    result = inspected(b.to_bytes())
    assert (result.inputs, result.outputs, result.weights, result.operators) == ((), (), (), {})


def test_unknown_operator_of_our_family_is_listed_as_rewritten() -> None:
    b = ModelBuilder()
    x = b.input((1, 4), 0.5)
    blob = b.constant(np.zeros(300, np.uint8), name="blob")
    b.output(b.op("WP_LATER", [x, blob], [b.like(x)], custom_options=b""))
    (weight,) = inspected(b.to_bytes()).weights
    assert (weight.obstacle, weight.stored_as) == ("already rewritten", None)
