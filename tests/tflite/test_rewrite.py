"""Rewritten operators compute the same bits as those they replace, whatever their options; restoring undoes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.support.models import ModelBuilder, out_size
from tests.tflite.harness import (
    assert_same_outputs,
    canonical,
    conv_builder,
    conv_model,
    forced,
    inputs_for,
    litert,
    methods_for,
    names,
    reference,
    restored,
    rewritten_count,
    scales,
    sparse,
    tensor_named,
)
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_operator
from wpconvert.graph.custom.compressed import Compressed, read_compressed
from wpconvert.graph.custom.operators import BUILTIN_NAMES
from wpconvert.graph.custom.rewritable import build_table
from wpconvert.graph.custom.table import RequantTable

many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

SEEDS = st.integers(0, 2**32 - 1)
POINTS = st.sampled_from([-128, -3, 0, 17, 127])
ACTIVATIONS = st.sampled_from(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])
ZEROS = st.sampled_from([0.0, 0.6, 0.95, 1.0])


def weight_scales(draw: Any, channels: int) -> Any:
    """One scale, or one per channel."""
    return scales(draw(SEEDS), channels) if draw(st.booleans()) else 0.0117


@st.composite
def windowed(draw: Any, depthwise: bool) -> bytes:
    """A model of one CONV_2D (also grouped) or DEPTHWISE_CONV_2D."""
    groups = 1 if depthwise else draw(st.sampled_from([1, 1, 2, 3]))
    depth = draw(st.integers(1, 5))
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    size = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    assume(all(out_size(size[i], kernel[i], stride[i], padding, dilation[i]) > 0 for i in (0, 1)))
    b = ModelBuilder()
    x = b.input((draw(st.integers(1, 2)), *size, depth * groups), 0.5, draw(POINTS))
    channels = depth * draw(st.integers(1, 3)) if depthwise else groups * draw(st.integers(1, 20))
    shape = (1, *kernel, channels) if depthwise else (channels, *kernel, depth)
    arguments = {
        "scale": draw(st.sampled_from([0.03, 0.4])),
        "zero_point": draw(POINTS),
        "weight_scales": weight_scales(draw, channels),
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "activation": draw(ACTIVATIONS),
    }
    bias = np.random.default_rng(draw(SEEDS)).integers(-3000, 3000, channels) if draw(st.booleans()) else None
    operator = b.depthwise if depthwise else b.conv2d
    b.output(operator(x, sparse(draw(SEEDS), shape, draw(ZEROS)), bias, **arguments))
    return b.to_bytes()


@st.composite
def fully_connected(draw: Any) -> bytes:
    """A model of one FULLY_CONNECTED."""
    depth, units = draw(st.integers(1, 40)), draw(st.integers(1, 20))
    b = ModelBuilder()
    x = b.input((*draw(st.sampled_from([(1,), (3,), (2, 2)])), depth), 0.5, draw(POINTS))
    y = b.fully_connected(
        x,
        sparse(draw(SEEDS), (units, depth), draw(ZEROS)),
        np.random.default_rng(draw(SEEDS)).integers(-3000, 3000, units) if draw(st.booleans()) else None,
        scale=draw(st.sampled_from([0.03, 0.4])),
        zero_point=draw(POINTS),
        weight_scales=weight_scales(draw, units),
        activation=draw(ACTIVATIONS),
        keep_dims=draw(st.booleans()),
    )
    b.output(y)
    return b.to_bytes()


KINDS = {
    "CONV_2D": windowed(depthwise=False),
    "DEPTHWISE_CONV_2D": windowed(depthwise=True),
    "FULLY_CONNECTED": fully_connected(),
}


def runs_in_litert(data: bytes) -> bool:
    """LiteRT's CONV_2D insists on a bias."""
    return names(data) != ["CONV_2D"] or len(parse(data).root.subgraphs[0].operators[0].inputs) == 3


def tables(data: bytes) -> list[RequantTable]:
    """Tables of the rewritten operators, or those that rewriting the dense ones would give."""
    model = parse(data)
    found = []
    for index, operator in enumerate(model.root.subgraphs[0].operators):
        stored = model.operator_name(operator) in BUILTIN_NAMES
        if stored:
            parts = read_compressed(read_operator(model, 0, index))
            assert isinstance(parts, Compressed)
            found.append(parts.table)
        else:
            found.append(build_table(read_operator(model, 0, index)))
    return found


@pytest.mark.parametrize("kind", list(KINDS))
@many
@given(data=st.data())
def test_rewritten_operator_gives_the_same_bits_and_restoring_gives_the_same_file(
    kind: str, data: st.DataObject
) -> None:
    original = data.draw(KINDS[kind])
    new = forced(original, data.draw(st.sampled_from(methods_for(original))))
    assert names(new) == [f"WP_{kind}"]
    inputs = inputs_for(original, data.draw(SEEDS))
    assert_same_outputs(reference(new, inputs), reference(original, inputs))
    assert restored(new) == canonical(original)
    if runs_in_litert(original):
        assert_same_outputs(litert(restored(new), inputs), litert(original, inputs))


@pytest.mark.parametrize("kind", list(KINDS))
@many
@given(data=st.data())
def test_stripped_operator_gives_the_same_bits_and_restoring_gives_exact_weights_and_multipliers(
    kind: str, data: st.DataObject
) -> None:
    original = data.draw(KINDS[kind])
    new = forced(original, data.draw(st.sampled_from(methods_for(original))), strip=True)
    inputs = inputs_for(original, data.draw(SEEDS))
    assert_same_outputs(reference(new, inputs), reference(original, inputs))
    dense = restored(new)
    assert names(dense) == [kind]
    before, after = (parse(d).root.subgraphs[0].operators[0] for d in (original, dense))
    weights = [
        model.constant(model.root.subgraphs[0].tensors[op.inputs[1]])
        for model, op in ((parse(original), before), (parse(dense), after))
    ]
    assert weights[0] is not None and weights[1] is not None
    assert np.array_equal(weights[0], weights[1])
    assert [t.pack().tobytes() for t in tables(dense)] == [t.pack().tobytes() for t in tables(original)]
    assert_same_outputs(reference(dense, inputs), reference(original, inputs))
    if runs_in_litert(original):
        assert_same_outputs(litert(dense, inputs), litert(original, inputs))


def test_tensors_keep_their_indices_and_the_table_takes_the_place_of_the_bias() -> None:
    original, new = parse(conv_model()), parse(forced(conv_model()))
    before, after = (model.root.subgraphs[0] for model in (original, new))
    assert len(before.tensors) == len(after.tensors)
    assert list(before.operators[0].inputs) == list(after.operators[0].inputs)
    assert list(before.operators[0].outputs) == list(after.operators[0].outputs)
    assert [t.name for t in before.tensors] == [t.name for t in after.tensors]


def test_without_bias_the_table_becomes_a_tensor_behind_all_others() -> None:
    b = ModelBuilder()
    b.output(b.fully_connected(b.input((1, 8), 0.5), sparse(0, (4, 8))))
    new = parse(forced(b.to_bytes())).root.subgraphs[0]
    assert len(new.tensors) == len(b.graph.tensors) + 1
    assert list(new.operators[0].inputs) == [0, 1, len(new.tensors) - 1]


def test_bias_that_two_operators_share_stays_and_each_gets_a_table() -> None:
    b = ModelBuilder()
    x = b.input((1, 16), 0.5, 3)
    bias = b.constant(np.arange(16, dtype=np.int32), 0.5, name="bias")
    y = b.fully_connected(x, sparse(1, (16, 16)), bias, scale=0.5)
    b.output(b.fully_connected(y, sparse(2, (16, 16)), bias, scale=0.3))
    original = b.to_bytes()
    new = forced(original)
    operators = parse(new).root.subgraphs[0].operators
    assert operators[0].inputs[2] != operators[1].inputs[2]
    inputs = inputs_for(original)
    for strip in (False, True):
        new = forced(original, strip=strip)
        assert_same_outputs(reference(new, inputs), reference(original, inputs))
        assert_same_outputs(litert(restored(new), inputs), litert(original, inputs))
    assert restored(forced(original)) == canonical(original)


def test_biases_on_one_buffer_become_separate_tables_and_one_buffer_again() -> None:
    b = ModelBuilder()
    x = b.input((1, 16), 0.5, 3)
    bias = b.constant(np.zeros(16, np.int32), 0.5, name="bias")
    alias = b.tensor((16,), "int32", 0.5, buffer=b.graph.tensors[bias].buffer)
    y = b.fully_connected(x, sparse(1, (16, 16)), bias, scale=0.5)
    b.output(b.fully_connected(y, sparse(2, (16, 16)), alias, scale=0.3))
    original = b.to_bytes()
    new = forced(original)
    inputs = inputs_for(original)
    assert_same_outputs(reference(new, inputs), reference(original, inputs))
    used = {int(tensor.buffer) for tensor in parse(new).root.subgraphs[0].tensors}
    entries = {int(entry.buffer) for entry in parse(new).root.metadata}
    assert used | entries == set(range(len(parse(new).root.buffers))), "a buffer that nobody reads stays in the file"
    assert restored(new) == canonical(original)


def test_bias_on_the_buffer_of_another_operators_bias_that_stays_is_not_overwritten() -> None:
    b = ModelBuilder()
    x = b.input((1, 16), 0.5, 3)
    bias = b.constant(np.arange(16, dtype=np.int32), 0.5, name="bias")
    alias = b.tensor((16,), "int32", 0.5, buffer=b.graph.tensors[bias].buffer)
    y = b.fully_connected(x, sparse(1, (16, 16)), bias, scale=0.5)
    exported = b.constant(sparse(2, (16, 16)), 1.0, name="exported")
    b.output(b.fully_connected(y, exported, alias, scale=0.3), exported)
    original = b.to_bytes()
    new = forced(original)
    assert names(new) == ["WP_FULLY_CONNECTED", "FULLY_CONNECTED"]
    inputs = inputs_for(original)
    assert_same_outputs(reference(new, inputs), reference(original, inputs))
    assert restored(new) == canonical(original)


def test_equal_operators_share_one_operator_code_and_idle_codes_leave() -> None:
    b, y = conv_builder()
    b.output(b.conv2d(y, sparse(3, (8, 1, 1, 32)), scale=0.4))
    new = parse(forced(b.to_bytes()))
    assert [new.operator_name(op) for op in new.root.subgraphs[0].operators] == ["WP_CONV_2D", "WP_CONV_2D"]
    assert len(new.root.operatorCodes) == 1


def test_blob_and_table_are_uint8_vectors_of_their_length_without_quantisation() -> None:
    model = parse(forced(conv_model()))
    graph = model.root.subgraphs[0]
    for slot in (1, 2):
        tensor = graph.tensors[graph.operators[0].inputs[slot]]
        data = model.buffer(tensor)
        assert data is not None
        assert (int(tensor.type), list(tensor.shape)) == (3, [data.nbytes])
        assert tensor.quantization is None or tensor.quantization.scale is None


def test_strip_drops_names_and_ranges_of_everything_and_what_restore_needs() -> None:
    b, y = conv_builder()
    b.output(b.reshape(y, (1, 512)))
    b.graph.tensors[y].quantization.min = np.array([-1], np.float32)
    model = parse(forced(b.to_bytes(), strip=True))
    graph = model.root.subgraphs[0]
    assert not model.root.description and not graph.name
    assert not any(tensor.name for tensor in graph.tensors)
    assert all(t.quantization is None or t.quantization.min is None for t in graph.tensors)
    assert [bytes(entry.name) for entry in model.root.metadata] == [b"wpconvert"]


def test_tensor_named_finds_the_weight_that_became_a_blob() -> None:
    tensor = tensor_named(parse(forced(conv_model())), "conv/weights")
    assert int(tensor.type) == 3
    assert rewritten_count(forced(conv_model())) == 1
