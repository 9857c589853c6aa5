"""Each pass ensures what it says, changes nothing when it runs again, and no output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.models import ModelBuilder
from tests.support.networks import random_network
from wpconvert.formats.tflite.file import parse, serialise
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.graph_writer import write_graph
from wpconvert.formats.tflite.schema import options
from wpconvert.graph.passes.drop_unread import drop_unread
from wpconvert.graph.passes.merge_pads import merge_pads
from wpconvert.graph.structure import Graph, Operator
from wpconvert.graph.types import Sample
from wpconvert.reference.interpreter import Interpreter

PASSES = (merge_pads, drop_unread)
ZOO = sorted((Path(__file__).parents[2] / "models/zoo").glob("*.tflite"))

Pass = Callable[[Graph], tuple[Graph, bool]]
Pair = tuple[int, int]


def outputs(graph: Graph, seed: int = 0) -> Sample:
    """What the reference interpreter computes from random inputs."""
    random = np.random.default_rng(seed)
    interpreter = Interpreter(graph)
    return interpreter.run([random.integers(-128, 128, tensor.shape, np.int8) for tensor in graph.main.inputs])


def expect_kept(graph: Graph, change: Pass) -> bool:
    """The pass keeps ends and outputs, and has nothing to do when it runs again; whether it changed the graph."""
    before = outputs(graph)
    ends = graph.main.inputs, graph.main.outputs
    result, changed = change(graph)
    assert (result.main.inputs, result.main.outputs) == ends
    assert all(np.array_equal(one, other) for one, other in zip(before, outputs(result), strict=True))
    assert change(result) == (result, False)
    return changed


def expect_all_read(graph: Graph) -> None:
    """What drop_unread ensures of operators with outputs alone."""
    assert [tensor.index for tensor in graph.main.tensors] == list(range(len(graph.main.tensors)))
    assert [operator.index for operator in graph.main.operators] == list(range(len(graph.main.operators)))
    read = {*graph.main.outputs, *(tensor for operator in graph.main.operators for tensor in operator.inputs_given())}
    written = {tensor for operator in graph.main.operators for tensor in operator.outputs}
    assert all(read.intersection(operator.outputs) for operator in graph.main.operators)
    assert set(graph.main.tensors) == read | written | set(graph.main.inputs)


@pytest.mark.parametrize("change", PASSES)
@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_models_of_the_zoo_have_nothing_to_change(path: Path, change: Pass) -> None:
    data = path.read_bytes()
    assert not expect_kept(read_graph(parse(data)), change)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(1, 8), st.data())
def test_unread_operators_and_tensors_go(seed: int, count: int, data: st.DataObject) -> None:
    graph = read_graph(parse(random_network(seed, count)))
    computed = [tensor for tensor in graph.main.computed() if not tensor.is_constant]
    end = data.draw(st.sampled_from(computed))
    graph.main.outputs = (end,)
    changed = expect_kept(graph, drop_unread)
    assert changed == (end is not computed[-1])
    expect_all_read(graph)
    # The file of what is left says the same.
    again = read_graph(parse(serialise(write_graph(graph))))
    assert [operator.kind for operator in again.main.operators] == [one.kind for one in graph.main.operators]
    assert all(np.array_equal(*pair) for pair in zip(outputs(graph), outputs(again), strict=True))


def test_an_operator_without_outputs_stays() -> None:
    b = ModelBuilder()
    x = b.input((1, 4), 0.5)
    b.output(x)
    graph = read_graph(b.build())
    graph.main.operators.append(Operator(0, "ASSIGN_VARIABLE", graph.main.inputs, ()))
    assert drop_unread(graph) == (graph, False)
    assert [operator.kind for operator in graph.main.operators] == ["ASSIGN_VARIABLE"]


def test_an_operator_with_a_state_stays() -> None:
    b = ModelBuilder()
    x, state, y = b.input((1, 4), 0.5), b.tensor((1, 4), scale=0.5), b.tensor((1, 4), scale=0.5)
    b.graph.tensors[state].isVariable = True
    b.op("SVDF", [x, state], [y])
    b.output(x)
    graph = read_graph(b.build())
    assert drop_unread(graph) == (graph, False)
    assert [operator.kind for operator in graph.main.operators] == ["SVDF"]


def padded(b: ModelBuilder, x: int, before: Pair, after: Pair, fill: int | None = None, channels: int = 0) -> int:
    """An image padded with real zeros, or with the integer `fill`; `channels` are added in front."""
    sides = [(0, 0), (before[0], after[0]), (before[1], after[1]), (channels, 0)]
    y = b.like(x, [length + sum(pair) for length, pair in zip(b.shape(x), sides, strict=True)])
    table = b.constant(np.array(sides, np.int32))
    if fill is None:
        return b.op("PAD", [x, table], [y], options("PadOptions"))
    value = b.constant(np.array([fill], np.int8), [float(b.scale(x))], [-3])
    return b.op("PADV2", [x, table, value], [y], options("PadV2Options"))


def reader(b: ModelBuilder, x: int, kind: str, kernel: Pair, stride: Pair, dilation: Pair) -> int:
    """An operator with VALID windows on an image."""
    random = np.random.default_rng(7)
    channels = b.shape(x)[-1]
    if kind == "MAX_POOL_2D":
        _, height, width, _ = b.shape(x)
        size = ((height - kernel[0]) // stride[0] + 1, (width - kernel[1]) // stride[1] + 1)
        steps, window = (
            {"strideH": stride[0], "strideW": stride[1]},
            {"filterHeight": kernel[0], "filterWidth": kernel[1]},
        )
        told = options("Pool2DOptions", padding=1, **steps, **window)
        return b.op(kind, [x], [b.like(x, (1, *size, channels))], told)
    shape = (4, *kernel, channels) if kind == "CONV_2D" else (1, *kernel, channels)
    make = b.conv2d if kind == "CONV_2D" else b.depthwise
    weights = random.integers(-127, 128, shape, np.int8)
    return make(x, weights, scale=2.0, weight_scales=[0.02], stride=stride, padding="VALID", dilation=dilation)


def same_sides(size: int, window: int, stride: int, dilation: int) -> Pair:
    """The padding of SAME, as TFLite's ComputePadding has it."""
    total = max((-(-size // stride) - 1) * stride + (window - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_a_padding_of_same_goes_and_others_stay(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(("CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D")))
    size = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    kernel, stride = data.draw(PAIRS), data.draw(PAIRS)
    dilation = data.draw(PAIRS) if kind != "MAX_POOL_2D" else (1, 1)
    wanted = [same_sides(*told) for told in zip(size, kernel, stride, dilation, strict=True)]
    sides = [
        (low + data.draw(st.sampled_from((0, 0, 0, 1))), high + data.draw(st.sampled_from((0, 0, 0, 1))))
        for low, high in wanted
    ]
    extents = [(window - 1) * gap + 1 for window, gap in zip(kernel, dilation, strict=True)]
    # At least one window has to fit.
    sides = [
        (low, max(high, extent - length - low))
        for (low, high), extent, length in zip(sides, extents, size, strict=True)
    ]
    b = ModelBuilder()
    x = b.input((1, *size, 3), 0.5, -3)
    fill = -128 if kind == "MAX_POOL_2D" else None
    y = padded(b, x, (sides[0][0], sides[1][0]), (sides[0][1], sides[1][1]), fill)
    y = reader(b, y, kind, kernel, stride, dilation)
    b.output(y)
    graph = read_graph(b.build())
    counts = graph.main.outputs[0].shape[1:3]
    fits = all(
        low == first and count == -(-length // step)
        for (low, _), (first, _), count, length, step in zip(sides, wanted, counts, size, stride, strict=True)
    )
    assert expect_kept(graph, merge_pads) == fits
    drop_unread(graph)
    assert [one.kind for one in graph.main.operators] == ([] if fits else ["PADV2" if fill else "PAD"]) + [kind]
    expect_all_read(graph)


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize(
    ("before", "after", "left"),
    [((1, 1), (1, 1), []), ((2, 2), (0, 0), ["PAD"]), ((2, 2), (2, 2), ["PAD"])],
)
def test_paddings_of_a_convolution_become_one(kind: str, before: Pair, after: Pair, left: list[str]) -> None:
    b = ModelBuilder()
    x = b.input((1, 6, 6, 3), 0.5, -3)
    y = padded(b, padded(b, x, (1, 0), (1, 2)), (before[0], before[1] + 1), (after[0], max(after[1] - 1, 0)))
    b.output(reader(b, y, kind, (5, 5), (1, 1), (1, 1)))
    graph = read_graph(b.build())
    assert expect_kept(graph, merge_pads)
    drop_unread(graph)
    assert [one.kind for one in graph.main.operators] == [*left, kind]


def test_a_table_that_others_read_keeps_its_values() -> None:
    b = ModelBuilder()
    x = b.input((1, 6, 6, 3), 0.5, -3)
    table = b.constant(np.array([(0, 0), (1, 0), (1, 0), (0, 0)], np.int32))
    for _ in range(2):
        y = b.like(x, (1, b.shape(x)[1] + 1, b.shape(x)[2] + 1, 3))
        x = b.op("PAD", [x, table], [y], options("PadOptions"))
    b.output(reader(b, x, "CONV_2D", (3, 3), (1, 1), (1, 1)))
    assert not expect_kept(read_graph(b.build()), merge_pads)


def _read_twice(b: ModelBuilder, x: int) -> int:
    y = padded(b, x, (1, 1), (1, 1))
    b.output(y)
    return y


def _of_channels(b: ModelBuilder, x: int) -> int:
    return padded(b, x, (1, 1), (1, 1), channels=1)


def _of_another_value(b: ModelBuilder, x: int) -> int:
    return padded(b, x, (1, 1), (1, 1), fill=5)


def _of_another_zero_point(b: ModelBuilder, x: int) -> int:
    y = padded(b, x, (1, 1), (1, 1))
    b.graph.tensors[y].quantization.zeroPoint = [7]
    return y


@pytest.mark.parametrize("kind", ["CONV_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize("pad", [_read_twice, _of_channels, _of_another_value, _of_another_zero_point])
def test_a_padding_that_is_more_than_that_of_one_operator_stays(
    pad: Callable[[ModelBuilder, int], int], kind: str
) -> None:
    b = ModelBuilder()
    x = b.input((1, 6, 6, 3), 0.5, -3)
    b.output(reader(b, pad(b, x), kind, (3, 3), (1, 1), (1, 1)))
    assert not expect_kept(read_graph(b.build()), merge_pads)
