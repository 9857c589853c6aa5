"""Layers and their features: what the cost model sees of a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.models import ModelBuilder
from tests.tflite.harness import branches_builder, conv_model, forced, sparse
from wpconvert.codecs import STANDALONE
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.model.layer import PLAIN, Layer, Storage
from wpconvert.plan.costs import load_costs, predict
from wpconvert.plan.features import describe
from wpconvert.plan.layers import layers_at, layers_of

CORE = "Cortex-M4"
PAIRS = st.tuples(st.integers(1, 4), st.integers(1, 4))
SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(1))


@settings(max_examples=200, deadline=None)
@given(SIZES, SIZES, PAIRS, PAIRS, PAIRS, st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_taps_inside_are_those_that_counting_finds(
    image: tuple[int, int, int],
    output: tuple[int, int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: tuple[int, int],
) -> None:
    layer = Layer("CONV_2D", 1, image, output, kernel, stride, dilation, padding)

    def counts(axis: int) -> list[int]:
        starts = [at * stride[axis] - padding[axis] for at in range(output[axis])]
        taps = range(kernel[axis])
        return [sum(0 <= start + tap * dilation[axis] < image[axis] for tap in taps) for start in starts]

    assert layer.inside == (sum(counts(0)), sum(counts(1)))
    assert layer.whole == counts(0).count(kernel[0]) * counts(1).count(kernel[1])


def test_convolution_is_described_by_its_shape_and_its_weights_as_they_are_stored() -> None:
    (plain,) = layers_of(read_graph(parse(conv_model())))
    assert plain.weights is not None
    assert (plain.operator, plain.input_size, plain.output_size) == ("CONV_2D", (4, 4, 16), (4, 4, 32))
    assert (plain.kernel, plain.padding, plain.pixels, plain.outputs) == ((3, 3), (1, 1), 16, 512)
    assert (plain.weights.method, plain.weights.rows, plain.weights.cols) == (PLAIN, 32, 144)
    assert plain.code == ("CONV_2D",)
    (stored,) = layers_of(read_graph(parse(forced(conv_model(), "rle"))))
    assert stored.weights is not None
    assert stored.weights.nonzeros == plain.weights.nonzeros < 32 * 144 / 10
    assert stored.code == ("WP_CONV_2D", "rle")
    assert (stored.operator, stored.kernel, stored.pixels) == (plain.operator, plain.kernel, plain.pixels)


def test_families_keep_apart_what_is_computed_differently() -> None:
    b = ModelBuilder()
    x = b.input((1, 8, 8, 16), 0.5)
    y = b.conv2d(x, sparse(1, (16, 1, 1, 16)), weight_scales=0.01)
    y = b.depthwise(y, sparse(2, (1, 3, 3, 16)), weight_scales=0.01, stride=(2, 2))
    y = b.depthwise(y, sparse(2, (1, 5, 3, 16)), weight_scales=0.01)
    y = b.conv2d(y, sparse(4, (16, 3, 3, 16)), weight_scales=0.01, dilation=(2, 2))
    y = b.op("ADD", [y, b.constant(np.ones(16, np.int8), 0.1)], [b.like(y)])
    b.output(b.fully_connected(b.reshape(y, (1, 256)), sparse(3, (4, 256)), weight_scales=0.01))
    assert [describe(layer, CORE)[0] for layer in layers_of(read_graph(b.build()))] == [
        "CONV_2D dense pointwise",
        "DEPTHWISE_CONV_2D 3x3 stride 2",
        "DEPTHWISE_CONV_2D any",
        "CONV_2D dense taps",
        "ADD broadcast",
        "RESHAPE",
        "FULLY_CONNECTED in place",
    ]


def test_what_kernels_do_with_sparse_rows_decides_the_family() -> None:
    shapes = [
        Layer("CONV_2D", 1, (8, 8, 16), (8, 8, 32), (3, 3), padding=(1, 1), weights=Storage("rle", 32, 144, stored))
        for stored in (200, 4000)
    ]
    found = [describe(layer, core)[0] for core in (CORE, "Cortex-M55") for layer in shapes]
    assert found == ["CONV_2D lists windows", "CONV_2D dense windows", "CONV_2D lists strips", "CONV_2D dense strips"]


@pytest.mark.parametrize("core", [CORE, "Cortex-M3", "Cortex-M55"])
@pytest.mark.parametrize("method", STANDALONE)
def test_features_are_numbers_of_zero_or_more(core: str, method: str) -> None:
    for layer in layers_of(read_graph(parse(forced(conv_model(), method)))):
        family, features = describe(layer, core)
        assert features[f"{family}: once"] == features["table: once"] == 1
        assert all(np.isfinite(value) and value >= 0 for value in features.values())


def test_operators_of_all_subgraphs_are_layers_and_each_counts_once() -> None:
    model = branches_builder().build()
    assert [layer.operator for layer in layers_of(read_graph(model))] == ["IF", "CONV_2D", "CONV_2D"]
    places = layers_at(read_graph(model))
    assert [place for place, layer in places.items() if layer.weights is not None] == [(1, 0), (2, 0)]
    costs = load_costs("Cortex-M4")
    found = predict(layers_of(read_graph(model)), costs)
    each = costs.cost(places[1, 0])
    assert each is not None
    assert found.unknown == ("IF",)
    assert found.total.cycles == pytest.approx(2 * each.cycles + 3 * costs.interpreter().cycles)


def test_decoding_is_counted_alike_whatever_layer_it_is_for() -> None:
    storage = Storage("rle", 9, 64, 100, {"stored": 110})
    layers = (
        Layer("CONV_2D", 1, (8, 8, 64), (8, 8, 9), weights=Storage("rle", 9, 64, 500, {"stored": 500})),
        Layer("DEPTHWISE_CONV_2D", 1, (8, 8, 64), (8, 8, 64), (3, 3), padding=(1, 1), weights=storage),
    )
    assert all("decode rle: stored" in describe(layer, CORE)[1] for layer in layers)


def test_work_of_a_blob_is_counted_by_its_codec() -> None:
    (layer,) = layers_of(read_graph(parse(forced(conv_model(), "dcsr"))))
    assert layer.weights is not None
    assert layer.weights.work["stored"] == layer.weights.nonzeros
    assert layer.weights.work["groups"] >= layer.weights.nonzeros / 16
    assert layer.weights.listed == layer.weights.nonzeros


@pytest.mark.parametrize("method", ["none", "rle"])
def test_channels_that_kernels_cannot_rescale_fast_are_counted(method: str) -> None:
    scales = np.full(32, 0.01, np.float32)
    scales[:5] = 1e-9
    scales[5] = 100

    def layer(activation: str = "NONE") -> Layer:
        b = ModelBuilder()
        x = b.input((1, 8, 8, 16), 0.5)
        y = b.conv2d(x, sparse(1, (32, 1, 1, 16)), scale=0.5, weight_scales=scales, activation=activation)
        b.output(y)
        data = b.to_bytes()
        (found,) = layers_of(read_graph(parse(data if method == "none" else forced(data, method))))
        return found

    slow, clamped = layer(), layer("RELU")
    assert (slow.general, clamped.general) == (6, 32)
    costs = load_costs("Cortex-M4")
    found = [costs.cost(replace(slow, general=count)) for count in (0, 6, 32)]
    cycles = [cost.cycles for cost in found if cost is not None]
    assert len(cycles) == 3 and cycles == sorted(cycles) and cycles[0] < 0.98 * cycles[2]
