"""The best tile is the best one: against the formulas, written down once more, for every tile there is."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import ceil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wpconvert.accelerator.architecture import BUILT_IN, Architecture
from wpconvert.accelerator.search import Tiled, dsp_alone, published_tiles, schedule_layers
from wpconvert.errors import UnsupportedError
from wpconvert.model.convolution import Convolution

few = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
SMALL = Architecture("small", 4, 100, 4, 3, 2, 2, 1)


def cycles_of(layer: Convolution, device: Architecture, digits: int, tile: tuple[int, int, int, int, int]) -> float:
    """Cycles of a layer in such tiles (filters, of them in look-up tables, channels, height, width)."""
    filters, lut, channels, height, width = tile
    dsp, outputs = filters - lut, height * width
    area = layer.kernel[0] * layer.kernel[1]
    taps = channels * area
    planes = filters if layer.depthwise else channels
    lut_r, lut_c, lut_in, lut_w, lut_out = device.lut
    dsp_r, dsp_c, dsp_in, dsp_w, dsp_out = device.dsp
    fits = (
        ceil(outputs * planes * area / lut_c) < lut_in
        and ceil(taps * lut * digits / lut_r) < lut_w
        and ceil(lut * outputs / lut_c) < lut_out
        and ceil(outputs * planes * area / (2 * dsp_c)) < dsp_in
        and ceil(taps * dsp / dsp_r) < dsp_w
        and ceil(dsp * outputs / (2 * dsp_c)) < dsp_out
    )
    if not fits:
        return float("inf")
    compute = max(
        taps * digits * ceil(outputs / lut_r) * ceil(lut / lut_c),
        taps * ceil(outputs / (2 * dsp_r)) * ceil(dsp / dsp_c),
    )
    window = ((height - 1) * layer.stride[0] + layer.kernel[0]) * ((width - 1) * layer.stride[1] + layer.kernel[1])
    load = ceil(max(ceil(lut * digits * taps / 2) + dsp * taps, planes * window) / device.bandwidth)
    store = ceil(filters * outputs / device.bandwidth)
    tiles = ceil(layer.filters / filters) * ceil(layer.channels / channels)
    tiles *= ceil(layer.output[0] / height) * ceil(layer.output[1] / width)
    return tiles * max(compute, load, store) + load + store


def best_of_all(layer: Convolution, device: Architecture, digits: int) -> float:
    sizes = [range(1, size + 1) for size in (layer.filters, layer.channels, *layer.output)]
    return min(
        cycles_of(layer, device, digits, (filters, lut, channels, height, width))
        for filters, channels, height, width in product(*sizes)
        for lut in range(filters + 1)
    )


def only(layer: Convolution, device: Architecture = SMALL, digits: int = 2) -> Tiled:
    (tiled,) = schedule_layers([layer], device, [digits])
    return tiled


@st.composite
def layers(draw: st.DrawFn) -> Convolution:
    def size(most: int) -> int:
        return draw(st.integers(1, most))

    filters, depthwise = size(9), draw(st.booleans())
    channels, groups = (1, filters) if depthwise and filters > 1 else (size(6), 1)
    return Convolution("x", (size(6), size(6)), (size(3), size(3)), (size(2), size(2)), channels, filters, groups)


@few
@given(layers(), st.integers(1, 4))
def test_no_tile_beats_the_one_that_is_chosen(layer: Convolution, digits: int) -> None:
    assert only(layer, digits=digits).cycles == best_of_all(layer, SMALL, digits)


@few
@given(layers(), st.integers(1, 4))
def test_what_a_tile_says_of_itself_gives_its_cycles(layer: Convolution, digits: int) -> None:
    row = only(layer, digits=digits)
    tile = (row.filters, row.lut_filters, row.channels, row.height, row.width)
    assert cycles_of(layer, SMALL, digits, tile) == row.cycles
    tiles = row.tiles[0] * row.tiles[1] * row.tiles[2] * row.tiles[3]
    assert tiles * max(row.compute, row.load, row.store) + row.load + row.store == row.cycles
    assert all(words.used < words.depth for words in row.buffers)


def test_dsp_blocks_alone_are_never_faster_and_have_no_filters_in_look_up_tables() -> None:
    layer = Convolution("x", (28, 28), (3, 3), (1, 1), 64, 128)
    (alone,) = schedule_layers([layer], BUILT_IN["ultra96"], [2], dsp_alone)
    assert alone.lut_filters == 0
    assert alone.cycles > only(layer, BUILT_IN["ultra96"]).cycles


def test_fewer_digits_are_never_slower() -> None:
    layer = Convolution("x", (28, 28), (3, 3), (1, 1), 64, 128)
    found = [only(layer, BUILT_IN["ultra96"], digits).cycles for digits in (1, 2, 3, 4)]
    assert found == sorted(found) and found[0] < found[-1]


def test_groups_take_the_time_of_one_each() -> None:
    one = Convolution("x", (14, 14), (3, 3), (1, 1), 16, 32)
    grouped = replace(one, filters=128, groups=4)
    assert only(grouped, BUILT_IN["zcu102"]).cycles == 4 * only(one, BUILT_IN["zcu102"]).cycles


def test_layers_that_the_published_grid_cannot_hold_are_scheduled() -> None:
    few = Convolution("few", (14, 14), (3, 3), (1, 1), 12, 8)
    with pytest.raises(UnsupportedError, match=r"layer few: no tile of it fits the buffers of ultra96"):
        schedule_layers([few], BUILT_IN["ultra96"], [2], published_tiles)
    assert only(few, BUILT_IN["ultra96"]).cycles > 0


@pytest.mark.parametrize(
    ("layer", "cycles"),
    [
        (Convolution("many pixels", (1024, 1024), (3, 3), (1, 1), 16384, 16384), 1_529_843_028_240),
        (Convolution("many filters", (1, 2048), (1, 1), (1, 1), 4096, 32000), 166_531_071),
    ],
)
def test_large_layers_take_no_time_for_tiles_that_cannot_be_best(layer: Convolution, cycles: int) -> None:
    assert only(layer, BUILT_IN["ultra96"]).cycles == cycles


@pytest.mark.parametrize(
    ("rows", "columns", "digits", "most"),
    [
        # Weights of 2,048 words in the DSP blocks, 4,096 in the look-up tables, of which one has to stay free.
        (1, 64, 4, 2047),
        (1, 64, 1, 4095),
        # Inputs of 1,024 words for two pixels at a time.
        (64, 1, 1, 2046),
    ],
)
def test_buffers_are_filled_to_the_last_word_but_one(rows: int, columns: int, digits: int, most: int) -> None:
    device = Architecture("edge", 4, 100, rows, columns, rows, columns, 1)
    assert only(Convolution("fits", (1, 1), (1, most), (1, 1), 1, 1), device, digits).tiles == (1, 1, 1, 1)
    with pytest.raises(UnsupportedError, match="no tile of it fits the buffers of edge"):
        only(Convolution("larger", (1, 1), (1, most + 1), (1, 1), 1, 1), device, digits)


def test_layer_that_is_too_large_to_count_is_refused() -> None:
    size = 1 << 20
    huge = Convolution("huge", (size, size), (9, 9), (1, 1), size, size)
    with pytest.raises(UnsupportedError, match=r"layer huge: .* multiplications, too many to count its cycles"):
        only(huge)
