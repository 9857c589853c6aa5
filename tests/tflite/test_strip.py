"""`--strip`: what no runtime reads leaves the file, and everything still loads and computes the same."""

from __future__ import annotations

import numpy as np
from flatbuffers import flexbuffers

from tests.support.models import ModelBuilder
from tests.tflite.harness import (
    assert_same_outputs,
    conv_model,
    converted,
    forced,
    inputs_for,
    litert,
    reference,
    sparse,
)
from wpconvert import _native
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.schema import BufferT, QuantizationParametersT, TensorType


def per_channel_model() -> bytes:
    """A convolution with a scale and a zero point per channel that no method shrinks."""
    rng = np.random.default_rng(5)
    b = ModelBuilder()
    x = b.input((1, 6, 6, 4), 0.3, 2)
    weights = rng.integers(-127, 128, (24, 3, 3, 4), dtype=np.int8)
    b.output(
        b.conv2d(x, weights, rng.integers(-99, 99, 24), scale=0.7, weight_scales=[0.01 + 0.001 * i for i in range(24)])
    )
    return b.to_bytes()


def test_every_engine_runs_a_stripped_model_that_stays_dense() -> None:
    data = per_channel_model()
    stripped = converted(data, "dcsr", strip=True).data
    assert len(stripped) < len(data)
    inputs = inputs_for(data)
    wanted = reference(data, inputs)
    assert_same_outputs(reference(stripped, inputs), wanted)
    assert_same_outputs(litert(stripped, inputs), wanted)
    assert_same_outputs(_native.Interpreter(stripped).run(inputs), wanted)


def test_tensors_without_data_share_the_empty_buffer_and_idle_ones_go() -> None:
    model = parse(conv_model())
    model.root.buffers.append(BufferT(data=np.arange(9, dtype=np.uint8)))
    root = parse(converted(serialise(model), strip=True).data).root
    graph = root.subgraphs[0]
    for tensor in (*graph.inputs, *graph.outputs):
        assert graph.tensors[tensor].buffer == 0
    used = {tensor.buffer for tensor in graph.tensors} | {entry.buffer for entry in root.metadata}
    assert used == set(range(len(root.buffers)))


def test_empty_quantisation_shape_signatures_and_names_are_dropped() -> None:
    model = parse(conv_model())
    graph = model.root.subgraphs[0]
    graph.tensors[0].shapeSignature = np.array([-1, *graph.tensors[0].shape[1:]], np.int32)
    graph.tensors[graph.operators[0].inputs[2]].quantization = QuantizationParametersT()
    stripped = parse(converted(serialise(model), "none", strip=True).data).root
    for tensor in stripped.subgraphs[0].tensors:
        assert (tensor.name, tensor.shapeSignature) == (None, None)
        assert tensor.type != TensorType.INT32 or tensor.quantization is None
    assert (stripped.description, stripped.signatureDefs) == (None, None)


def test_options_of_stripped_files_do_not_repeat_the_blob_and_stand_once() -> None:
    b = ModelBuilder()
    x = b.input((1, 8, 8, 16), 0.5, 3)
    for seed in range(3):
        x = b.conv2d(x, sparse(seed, (16, 1, 1, 16)), np.arange(16), scale=0.4, activation="RELU", padding="SAME")
    b.output(x)
    stripped = forced(b.to_bytes(), strip=True)
    (options,) = {bytes(op.customOptions) for op in parse(stripped).root.subgraphs[0].operators}
    assert flexbuffers.Loads(options) == {"version": 1, "activation": "RELU", "padding": "SAME"}
    assert stripped.count(options) == 1
    inputs = inputs_for(b.to_bytes())
    assert_same_outputs(reference(stripped, inputs), reference(b.to_bytes(), inputs))
