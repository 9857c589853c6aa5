"""How a core computes a layer with weights, as its kernels plan it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from wpconvert.codecs import STANDALONE
from wpconvert.model.layer import PLAIN, Layer, Storage
from wpconvert.native import extension

IN_PLACE = (PLAIN, "dense")
"""Methods whose weights are computed with where they stand."""

PLANNED = ("CONV_2D", "DEPTHWISE_CONV_2D")
"""Operators that kernels plan for, with weights that are plain or stored by a codec without side data."""

_TABLE_NBYTES = 9
"""Of a channel's line in the unpacked table of a rewritten operator, which takes spare memory first."""

DENSE, LISTED, GROUPED = range(3)
"""Forms of rows: all elements, lists of the stored ones, those in groups of 16."""


@dataclass(frozen=True)
class Path:
    """What wpconvert._native.layer_plan says; see there."""

    is_3x3: int
    vector: int
    in_place: int
    pointwise: int
    strip: int
    form: int
    blocks: int
    tile_pixels: int
    windows: int
    nbytes: int


def path_of(layer: Layer, weights: Storage, core: str) -> Path:
    """How the core computes one of PLANNED. UnsupportedError where the native engine is not built."""
    depthwise = layer.operator == "DEPTHWISE_CONV_2D"
    channels = 1 if depthwise else max(1, weights.cols // layer.taps)
    sizes = (*layer.input_size, *layer.output_size, *layer.kernel, channels)
    shape = (layer.batch, *sizes, *layer.stride, *layer.dilation, *layer.padding)
    codec = "" if weights.method in IN_PLACE else weights.method
    spare = layer.spare if weights.method == PLAIN else max(0, layer.spare - _TABLE_NBYTES * layer.output_size[2])
    stored = weights.work.get("planned", weights.work.get("stored", weights.nonzeros))
    return Path(**_planner()(core, depthwise, shape, spare, codec, stored, weights.work.get("table bytes", 0)))


@cache
def codecs_with_kernels() -> frozenset[str]:
    """The codecs that kernels plan for: they decode them, and nothing is stored beside their blobs."""
    return frozenset(STANDALONE).intersection(extension().codecs())


@cache
def _planner() -> Callable[..., dict[str, int]]:
    planner: Callable[..., dict[str, int]] = extension().layer_plan
    return planner
