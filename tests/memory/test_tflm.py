"""What operators of TFLM with CMSIS-NN ask for as scratch: sizes that upstream asks for on each core."""

from __future__ import annotations

import pytest

from tests.support.models import ModelBuilder
from tests.tflite.harness import forced, sparse
from wpconvert.formats.tflite.file import parse
from wpconvert.formats.tflite.graph_reader import read_graph
from wpconvert.formats.tflite.schema import options
from wpconvert.memory.tflm import Scratch, scratch_of

CORES = ("Cortex-M55", "Cortex-M4", "Cortex-M3")


def _scratch(data: bytes) -> dict[str, Scratch]:
    return scratch_of(read_graph(parse(data)), data)


def _sizes(b: ModelBuilder, y: int) -> list[list[int]]:
    b.output(y)
    scratch = _scratch(b.to_bytes())
    return [[buffer.nbytes for buffer in scratch[core].tflm] for core in CORES]


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "sizes"),
    [
        ((9, 9, 8), (1, 1), (1, 1), [[], [], []]),
        ((9, 9, 8), (1, 1), (2, 2), [[], [], []]),
        ((9, 9, 8), (3, 3), (1, 1), [[320], [288], [288]]),
        ((9, 9, 3), (3, 3), (2, 2), [[128], [112], [112]]),
        ((1, 20, 8), (1, 5), (1, 1), [[64], [160], [160]]),
    ],
)
def test_convolutions(
    shape: tuple[int, int, int], kernel: tuple[int, int], stride: tuple[int, int], sizes: list[list[int]]
) -> None:
    b = ModelBuilder()
    x = b.input((1, *shape), 0.5, -3)
    weights = sparse(1, (6, *kernel, shape[2]), 0.5)
    assert _sizes(b, b.conv2d(x, weights, None, weight_scales=0.01, stride=stride)) == sizes


@pytest.mark.parametrize(
    ("channels", "kernel", "padding", "sizes"),
    [
        (8, (3, 3), "SAME", [[4464], [], []]),
        (8, (5, 5), "SAME", [[12400], [400], []]),
        (8, (3, 2), "VALID", [[2976], [96], []]),
    ],
)
def test_depthwise_convolutions(channels: int, kernel: tuple[int, int], padding: str, sizes: list[list[int]]) -> None:
    b = ModelBuilder()
    x = b.input((1, 9, 9, channels), 0.5, -3)
    weights = sparse(1, (1, *kernel, channels), 0.5)
    assert _sizes(b, b.depthwise(x, weights, None, weight_scales=0.01, padding=padding)) == sizes


def test_pools_and_means() -> None:
    b = ModelBuilder()
    x = b.input((1, 8, 8, 12), 0.5, -3)
    pool = options("Pool2DOptions", filterHeight=2, filterWidth=2, strideH=2, strideW=2)
    x = b.op("AVERAGE_POOL_2D", [x], [b.like(x, (1, 4, 4, 12))], pool)
    y = b.op("MEAN", [x, b.constant([1, 2])], [b.like(x, (1, 12))], options("ReducerOptions"))
    mean = [48, 16, 16]
    assert _sizes(b, y) == [mean, [48, *mean], mean]


def test_operators_of_ours_know_of_no_spare_memory() -> None:
    """The bundled runtime lends them what other layers need anyway."""
    b = ModelBuilder()
    x = b.input((1, 64, 64, 16), 0.1, 3)
    pool = options("Pool2DOptions", filterHeight=8, filterWidth=8, strideH=8, strideW=8)
    x = b.op("MAX_POOL_2D", [x], [b.like(x, (1, 8, 8, 16))], pool)
    b.output(b.conv2d(x, sparse(3, (64, 1, 1, 16), 0.1), None, weight_scales=0.01))
    scratch = _scratch(forced(b.to_bytes(), "rle")).values()
    sizes = [(found.tflm[0].nbytes, max(buffer.nbytes for buffer in found.bundled)) for found in scratch]
    assert all(tflm <= bundled for tflm, bundled in sizes) and any(tflm < bundled for tflm, bundled in sizes)
