"""Changes of layout: right in every combination, and none where weights or names can change instead."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.onnx.lower.builder import Builder
from tests.onnx.lower.harness import operators, real_outputs, run_onnx, steps_apart
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.graph.structure import Tensor
from wpconvert.graph.types import INT8
from wpconvert.lowering import lower
from wpconvert.lowering.layout import Storage, column_order, order_of, restricted


def feed(*shape: int) -> dict[str, NDArray[Any]]:
    count = math.prod(shape)
    return {"x": ((np.arange(count) * 37 % 251 - 125) * 0.02).astype(np.float32).reshape(shape)}


def weights(*shape: int) -> NDArray[np.int8]:
    return np.random.default_rng(5).integers(-127, 128, shape, dtype=np.int8)


def splits(count: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of up to five dimensions with that many elements."""

    @st.composite
    def shapes(draw: st.DrawFn) -> tuple[int, ...]:
        rest, shape = count, []
        for _ in range(draw(st.integers(0, 4))):
            shape.append(draw(st.sampled_from([d for d in range(1, rest + 1) if rest % d == 0])))
            rest //= shape[-1]
        return (*shape, rest)

    return shapes()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_chains_of_reshapes_and_transposes_keep_every_value(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from([(1, 2, 3, 4), (2, 3, 2, 2), (1, 4, 1, 6), (24,), (4, 6)]))
    b = Builder()
    x = b.input("x", shape, 0.02, 0)
    y, rank = x, len(shape)
    for _ in range(data.draw(st.integers(1, 4))):
        if data.draw(st.booleans()):
            y = b.op("Transpose", y, perm=data.draw(st.permutations(range(rank))))
        else:
            target = data.draw(splits(24))
            y, rank = b.op("Reshape", y, b.indices(target)), len(target)
    # An operator of its own, lest the output be the input.
    b.output(b.rounded(b.op("Relu", y), 0.02, 0))
    model, feeds = b.build(), feed(*shape)
    [expected] = run_onnx(model, feeds).values()
    [found] = real_outputs(lower(model, "model"), feeds)
    assert np.allclose(found, expected, atol=1e-6)


def test_shuffled_channels_are_moved_once() -> None:
    b = Builder()
    y = b.op("Relu", b.input("x", (1, 6, 4, 5), 0.02, 0))
    y = b.op("Reshape", b.rounded(y, 0.02, 0), b.indices([1, 2, 3, 4, 5]))
    y = b.op("Reshape", b.op("Transpose", y, perm=[0, 2, 1, 3, 4]), b.indices([1, 6, 4, 5]))
    b.output(b.rounded(b.op("Conv", y, b.weights(weights(2, 6, 1, 1))), 0.02, 0))
    model, feeds = b.build(), feed(1, 6, 4, 5)
    assert operators(lower(model, "model")) == ["RELU", "RESHAPE", "TRANSPOSE", "RESHAPE", "CONV_2D"]
    assert max(steps_apart(model, feeds).values()) <= 1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_order_in_memory_of_a_reshaped_array_is_found(data: st.DataObject) -> None:
    base = data.draw(st.sampled_from([(2, 3, 4), (1, 2, 3, 4), (4, 6), (2, 2, 6)]))
    perm = tuple(data.draw(st.permutations(range(len(base)))))
    shape = data.draw(splits(24))
    values = np.arange(24)
    memory = values.reshape(base).transpose(perm).reshape(-1)
    storage = Storage(Tensor(0, "", INT8, tuple(base[axis] for axis in perm)), base, perm)
    order = order_of(storage, shape)
    orders = [p for p in _permutations(len(shape)) if (values.reshape(shape).transpose(p).reshape(-1) == memory).all()]
    if order is not None:
        assert order in [restricted(p, shape) for p in orders]
    columns = column_order(storage, 1, 24)
    assert columns is not None
    assert (columns == memory).all()


def _permutations(rank: int) -> list[tuple[int, ...]]:
    return [index for index in np.ndindex(*[rank] * rank) if sorted(index) == list(range(rank))]


def test_a_convolutional_network_moves_no_data() -> None:
    b = Builder()
    x = b.input("x", ("batch", 3, 8, 8))
    y = b.rounded(b.op("Conv", x, b.weights(weights(4, 3, 3, 3)), pads=[1, 1, 1, 1]), 0.05)
    z = b.rounded(b.op("Conv", y, b.weights(weights(4, 4, 1, 1))), 0.05)
    y = b.rounded(b.op("Add", y, z), 0.06)
    y = b.rounded(b.op("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2]), 0.06)
    y = b.rounded(b.op("Gemm", b.op("Flatten", y), b.weights(weights(64, 5), 0.01, 1)), 0.1)
    b.output(y)
    model = b.build()
    assert operators(lower(model, "model")) == [
        "CONV_2D",
        "CONV_2D",
        "ADD",
        "MAX_POOL_2D",
        "RESHAPE",
        "FULLY_CONNECTED",
    ]
    assert max(steps_apart(model, feed(1, 3, 8, 8)).values()) <= 1


def test_transposes_around_convolutions_of_a_channels_last_model_cancel() -> None:
    b = Builder()
    x = b.input("x", (1, 8, 8, 3))
    y = b.op("Conv", b.op("Transpose", x, perm=[0, 3, 1, 2]), b.weights(weights(4, 3, 3, 3)))
    b.output(b.op("Transpose", b.rounded(y, 0.05), perm=[0, 2, 3, 1]))
    model = b.build()
    lowered = lower(model, "model")
    assert operators(lowered) == ["CONV_2D"]
    assert lowered.inputs[0].perm == (0, 1, 2, 3)
    [expected] = run_onnx(model, feed(1, 8, 8, 3)).values()
    [found] = real_outputs(lowered, feed(1, 8, 8, 3))
    assert np.abs(found - expected).max() <= 0.051


def test_images_go_in_and_out_as_nhwc() -> None:
    b = Builder()
    x = b.input("x", (1, 3, 8, 6))
    b.output(b.rounded(b.op("Conv", x, b.weights(weights(4, 3, 3, 3))), 0.05))
    lowered = lower(b.build(), "model")
    assert lowered.inputs[0].perm == lowered.outputs[0].perm == (0, 2, 3, 1)
    assert lowered.outputs[0].shape == (1, 4, 6, 4)


def test_a_pad_before_a_convolution_becomes_its_padding() -> None:
    b = Builder()
    x = b.input("x", (1, 3, 8, 8))
    y = b.rounded(b.op("Pad", x, b.indices([0, 0, 0, 0, 0, 0, 1, 1])), 0.02, 3)
    b.output(b.rounded(b.op("Conv", y, b.weights(weights(4, 3, 3, 3)), strides=[2, 2]), 0.05))
    model = b.build()
    assert operators(lower(model, "model")) == ["CONV_2D"]
    assert max(steps_apart(model, feed(1, 3, 8, 8)).values()) <= 1


def test_a_pad_that_is_gone_names_no_tensor_of_the_file() -> None:
    b = Builder()
    x = b.input("x", (1, 3, 8, 8), 0.02, 3)
    y = b.rounded(b.op("Pad", x, b.indices([0, 0, 0, 0, 0, 0, 1, 1])), 0.02, 3)
    b.output(b.rounded(b.op("Conv", y, b.weights(weights(4, 3, 3, 3)), strides=[2, 2]), 0.05))
    lowered = lower(b.build(), "model")
    assert operators(lowered) == ["CONV_2D"]
    [source] = [mapping for mapping in lowered.reals.values() if mapping.shape[1] == 3]
    assert (source.name, source.shape) == ("x", (1, 3, 8, 8))


def test_nothing_in_the_file_is_unread() -> None:
    b = Builder()
    x = b.input("x", (1, 4, 1, 6), 0.02, 0)
    # A view of the result is made on the way to the order of the output.
    b.output(b.rounded(b.op("Relu", b.op("Transpose", x, perm=[3, 2, 0, 1])), 0.02, 0))
    lowered = lower(b.build(), "model")
    graph = read_graph(parse(lowered.data))
    read = {*graph.main.outputs, *(tensor for one in graph.main.operators for tensor in one.inputs_given())}
    assert set(graph.main.tensors) == read


def test_padding_that_tflite_has_no_name_for_is_an_operator() -> None:
    b = Builder()
    x = b.input("x", (1, 3, 8, 8))
    y = b.op("Conv", x, b.weights(weights(4, 3, 3, 3)), strides=[2, 2], pads=[1, 1, 1, 1])
    b.output(b.rounded(y, 0.05))
    model = b.build()
    assert operators(lower(model, "model")) == ["PAD", "CONV_2D"]
    assert max(steps_apart(model, feed(1, 3, 8, 8)).values()) <= 1


def test_shapes_that_the_model_computes_are_constants() -> None:
    b = Builder()
    x = b.input("x", ("batch", 3, 4, 4))
    batch = b.op("Gather", b.op("Shape", x), b.indices([0]), axis=0)
    y = b.op("Reshape", x, b.op("Concat", batch, b.indices([-1]), axis=0))
    b.output(b.rounded(b.op("Gemm", y, b.weights(weights(48, 5), 0.01, 1)), 0.1))
    model = b.build()
    assert operators(lower(model, "model")) == ["RESHAPE", "FULLY_CONNECTED"]
    assert max(steps_apart(model, feed(1, 3, 4, 4)).values()) <= 1


def test_weights_behind_a_transpose_keep_their_channel_scales() -> None:
    b = Builder()
    x = b.input("x", (1, 6))
    matrix = b.op("Transpose", b.weights(weights(4, 6), np.linspace(0.01, 0.02, 4), 0), perm=[1, 0])
    b.output(b.rounded(b.op("MatMul", x, matrix), 0.05))
    assert max(steps_apart(b.build(), feed(1, 6)).values()) <= 1
