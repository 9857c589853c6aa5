"""Constants of ADD and MUL become blobs where whole slices of the activation meet them, and come back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.native.harness import assert_equals_reference
from tests.support.models import ModelBuilder
from tests.tflite.harness import (
    METHODS,
    assert_same_outputs,
    canonical,
    converted,
    forced,
    inputs_for,
    litert,
    losses,
    names,
    obstacles,
    reference,
    restored,
    sparse,
)
from wpconvert import _native
from wpconvert.errors import ModelError
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.schema import ActivationFunctionType, QuantizationParametersT, options
from wpconvert.graph.custom.elementwise import MAX_COLS, matrix_of
from wpconvert.graph.custom.operators import OperatorOptions

Shape = tuple[int, ...]


def model(
    name: str,
    constant: NDArray[np.int8],
    shape: Shape,
    *,
    activation: int = 0,
    swapped: bool = False,
    scales: tuple[float, float, float] = (0.05, 0.02, 0.06),
    zero_points: tuple[int, int, int] = (3, -5, 7),
) -> bytes:
    """One operator with an activation of that shape, whose scales and zero points are of input, constant, output."""
    b = ModelBuilder()
    x = b.input(shape, scales[0], zero_points[0])
    c = b.constant(constant, scales[1], zero_points[1], name="constant")
    y = b.tensor(np.broadcast_shapes(shape, constant.shape), "int8", scales[2], zero_points[2])
    fields = {"fusedActivationFunction": activation}
    b.output(b.op(name, [c, x] if swapped else [x, c], [y], options(f"{name.capitalize()}Options", **fields)))
    return b.to_bytes()


@pytest.mark.parametrize("name", ["ADD", "MUL"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("constant", "shape"),
    [((1536,), (1, 1536)), ((4, 5, 16), (2, 4, 5, 16)), ((1, 1, 1, 300), (1, 3, 2, 300)), ((1, 1031), (3, 1031))],
)
@pytest.mark.parametrize("strip", [False, True], ids=["", "strip"])
def test_every_engine_computes_what_the_builtin_does_and_it_comes_back(
    name: str, method: str, constant: Shape, shape: Shape, strip: bool
) -> None:
    # Codes of codec packed have 7 bits at most.
    values = sparse(4, constant, 0.7) // (4 if method == "packed" else 1)
    data = model(name, values, shape, activation=ActivationFunctionType.RELU6)
    new = forced(data, method, strip=strip)
    assert names(new) == [f"WP_{name}"]
    inputs = inputs_for(data)
    assert_same_outputs(reference(new, inputs), reference(data, inputs))
    assert_equals_reference(new, [inputs])
    if strip:
        assert_same_outputs(litert(restored(new), inputs), litert(data, inputs))
        back = parse(restored(new)).root.subgraphs[0]
        assert tuple(back.tensors[back.operators[0].inputs[1]].shape) == constant
    else:
        assert restored(new) == canonical(data)
        assert losses(new) == []


@given(
    name=st.sampled_from(["ADD", "MUL"]),
    inner=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    repeats=st.integers(1, 4),
    activation=st.integers(0, 3),
    zero_points=st.tuples(*[st.integers(-128, 127)] * 3),
    scales=st.tuples(*[st.sampled_from([0.01, 0.05, 0.5])] * 3),
    zeros=st.sampled_from([0.0, 0.6, 1.0]),
    method=st.sampled_from(METHODS),
    seed=st.integers(0, 99),
)
def test_any_constant_gives_the_bits_of_the_builtin(
    *,
    name: str,
    inner: list[int],
    repeats: int,
    activation: int,
    zero_points: tuple[int, int, int],
    scales: tuple[float, float, float],
    zeros: float,
    method: str,
    seed: int,
) -> None:
    # Large enough to be listed.
    constant = sparse(seed, (*inner, 256), zeros)
    data = model(
        name, constant, (repeats, *constant.shape)[-4:], activation=activation, zero_points=zero_points, scales=scales
    )
    new = forced(data, method)
    inputs = inputs_for(data, seed)
    assert_same_outputs(reference(new, inputs), reference(data, inputs))
    assert_equals_reference(new, [inputs])


def test_a_constant_that_shrinks_is_rewritten_and_a_dense_one_is_not() -> None:
    sparse_result = converted(model("MUL", sparse(1, (4096,), 0.95), (1, 4096)), "rle")
    assert names(sparse_result.data) == ["WP_MUL"]
    dense = converted(model("MUL", sparse(1, (4096,), 0.0), (1, 4096)), "rle")
    assert names(dense.data) == ["MUL"]
    assert "would not shrink" in str(dense.report.tensors[0].reason)


@pytest.mark.parametrize(
    ("constant", "shape", "swapped", "reason"),
    [
        ((1, 16, 16, 1), (1, 16, 16, 3), False, "does not match the last dimensions"),
        ((2, 256), (1, 256), False, "is broadcast to the output"),
        ((256,), (2, 256), True, "used as input 0 of MUL, not as weights"),
        ((1, 1, 1, 1, 256), (1, 1, 1, 1, 256), False, "more than 4 dimensions"),
    ],
)
def test_other_forms_are_left_with_the_reason(constant: Shape, shape: Shape, swapped: bool, reason: str) -> None:
    (found,) = obstacles(model("MUL", sparse(1, constant), shape, swapped=swapped)).values()
    assert reason in str(found)


def test_activations_and_small_constants_are_not_listed() -> None:
    b = ModelBuilder()
    x = b.input((1, 16), 0.5)
    total = b.op("ADD", [x, b.input((1, 16), 0.5)], [b.like(x)], options("AddOptions"))
    b.output(b.op("MUL", [total, b.constant(sparse(1, (16,)), 0.5)], [b.like(x)], options("MulOptions")))
    assert obstacles(b.to_bytes()) == {}


@pytest.mark.parametrize(("count", "cols"), [(16560, 920), (1536, 768), (1031, 1), (7, 7), (1024, 1024)])
def test_rows_are_the_longest_that_divide_the_constant(count: int, cols: int) -> None:
    assert matrix_of(np.zeros(count, np.int8)).shape == (count // cols, cols)
    assert cols <= MAX_COLS


def without_scale(graph: Any) -> None:
    graph.tensors[graph.operators[0].inputs[1]].quantization = QuantizationParametersT()


def shape_of_another_size(graph: Any) -> None:
    graph.operators[0].customOptions = OperatorOptions("rle", (4, 65)).pack()


def no_shape(graph: Any) -> None:
    graph.operators[0].customOptions = OperatorOptions("rle").pack()


def huge_shape(graph: Any) -> None:
    graph.operators[0].customOptions = OperatorOptions("rle", ((1 << 31) - 1,) * 4).pack()


def another_codec(graph: Any) -> None:
    graph.operators[0].customOptions = OperatorOptions("dcsr", (256,)).pack()


def one_input(graph: Any) -> None:
    graph.operators[0].inputs = graph.operators[0].inputs[:1]


def odd_output(graph: Any) -> None:
    for tensor in (graph.inputs[0], graph.outputs[0]):
        graph.tensors[tensor].shape = np.array([1, 255], np.int32)


@pytest.mark.parametrize(
    "change", [without_scale, shape_of_another_size, no_shape, huge_shape, another_codec, one_input, odd_output]
)
def test_what_contradicts_the_blob_is_refused_by_every_engine(change: Any) -> None:
    damaged = parse(forced(model("MUL", sparse(1, (256,)), (1, 256)), "rle"))
    change(damaged.root.subgraphs[0])
    data = serialise(damaged)
    with pytest.raises(ModelError):
        reference(data, [np.zeros(parse(data).root.subgraphs[0].tensors[0].shape, np.int8)])
    with pytest.raises(_native.Error, match=r"operator 0 \(WP_MUL\): "):
        _native.Interpreter(data)
