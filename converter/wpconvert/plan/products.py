"""What multiplying the rows of a convolution with its pixels takes, as numbers that the cost model weighs.

They count what the inner loops of each architecture do: kernels/src/gemm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from wpconvert.model.layer import PLAIN, Layer, Storage
from wpconvert.plan.decoding import DECODE, DOT, GROUP, LIST, Features, decoding, groups_of
from wpconvert.plan.paths import DENSE, GROUPED, IN_PLACE, Path

Call = tuple[int, int]
"""Pixels that are multiplied in one call, and how many such calls there are for each block of rows."""


@dataclass(frozen=True)
class Product:
    """A convolution on a core. groups: of channels; rows: of each; blocks: of all of them."""

    layer: Layer
    weights: Storage
    path: Path
    groups: int
    rows: int

    @property
    def general(self) -> int:
        """Rows whose outputs are rescaled in the general way, like those of tiles that are not whole."""
        return min(self.layer.general, self.weights.rows)

    @property
    def blocks(self) -> int:
        """Of rows, in all groups of channels."""
        return self.path.blocks * self.groups

    @property
    def calls(self) -> Sequence[Call]:
        """How pixels are cut into calls."""
        layer, path = self.layer, self.path
        lines = layer.batch * layer.output_size[0]
        if path.pointwise and layer.stride == (1, 1) and layer.input_size[:2] == layer.output_size[:2]:
            return ((layer.pixels, 1),)
        if path.pointwise or path.strip:
            return ((layer.output_size[1], lines),)
        whole, rest = divmod(layer.pixels, path.windows)
        return ((path.windows, whole), (rest, 1)) if rest else ((path.windows, whole),)

    def tiles(self, size: int) -> tuple[int, Mapping[int, int]]:
        """The number of whole tiles of so many pixels, and how often each number of pixels remains after them."""
        rests: dict[int, int] = {}
        whole = 0
        for pixels, times in self.calls:
            whole += pixels // size * times
            if pixels % size:
                rests[pixels % size] = rests.get(pixels % size, 0) + times
        return whole, rests


def product_of(layer: Layer, weights: Storage, path: Path) -> Product:
    """The product of a convolution with these weights."""
    channels = max(1, weights.cols // layer.taps)
    groups = max(1, layer.input_size[2] // channels)
    return Product(layer, weights, path, groups, groups_of(weights.rows, groups))


def multiplication(product: Product, core: str) -> tuple[Features, Features]:
    """Of all rows and pixels, and of what decodes them."""
    path, weights = product.path, product.weights
    if path.vector:
        return _vectors(product)
    count = sum(times for _, times in product.calls)
    found: Features = {"blocks": product.blocks, "calls": product.blocks * count, "rows": weights.rows}
    dense, lists = _OF_CORE[core]
    if path.form == DENSE:
        if weights.method in IN_PLACE:
            return {**found, **in_place(weights), **dense(product)}, {}
        return found | dense(product), decoding(weights, DECODE)
    if path.form == GROUPED:
        return found | _groups(product), decoding(weights, GROUP)
    return found | lists(product), decoding(weights, LIST)


def in_place(weights: Storage, times: int = 1) -> Features:
    """What plain rows take more than others: zero points are taken out of them when a model runs."""
    if weights.method != PLAIN:
        return {}
    vectors = weights.rows * groups_of(weights.cols, 16)
    return {"plain rows": weights.rows * times, "plain vectors": vectors * times}


def vector_products(rows: int, cols: int, vectors: int) -> Features:
    """Rows in place times single vectors, four rows at a time."""
    fours = groups_of(rows, 4) * vectors
    return {
        "outputs": rows * vectors,
        "vectors": fours,
        "vector chunks": fours * groups_of(cols, 16),
        "vector sixteens": fours * (cols // 16),
        "vector quads": fours * (cols % 16 // 4),
        "vector tails": fours * (cols % 4),
    }


def _vectors(product: Product) -> tuple[Features, Features]:
    weights, pixels = product.weights, product.layer.pixels
    found = {"pixels": product.groups * pixels}
    if product.path.in_place:
        one = vector_products(product.rows, weights.cols, pixels)
        more = {name: value * product.groups for name, value in one.items()}
        return {**found, **more, **in_place(weights, pixels)}, {}
    return {**found, "outputs": weights.rows * pixels}, decoding(weights, DOT, pixels)


def _dense_helium(p: Product) -> Features:
    """Four packed rows times two pixels, or one."""
    cols, quads = p.weights.cols, p.groups * groups_of(p.rows, 4)
    pairs, rests = p.tiles(2)
    odds = rests.get(1, 0)
    chunks = cols // 16
    return {
        "quads": quads,
        "quad chunks": quads * groups_of(cols, 16),
        "quads of a strip": quads * p.path.strip,
        "quad chunks of a strip": quads * groups_of(cols, 16) * p.path.strip,
        "quad tails": quads * (cols % 16 > 0),
        "quad calls": quads * sum(times for _, times in p.calls),
        "pairs": quads * pairs,
        "pair chunks": quads * pairs * chunks,
        "pair loops": quads * pairs * groups_of(chunks, 4),
        "pair tails": quads * pairs * (cols % 16 > 0),
        "odds": quads * odds,
        "odd chunks": quads * odds * groups_of(cols, 16),
    }


def _dense_dsp(p: Product) -> Features:
    """One row times eight or four pixels that were widened before; two or one of those left by themselves."""
    cols, rows, tile = p.weights.cols, p.weights.rows, p.path.tile_pixels
    quads = groups_of(cols, 4)
    whole, rests = p.tiles(tile)
    eights, fours = (whole, 0) if tile == 8 else (0, whole)
    slow = singles = slow_pixels = slow_eights = 0
    for rest, times in rests.items():
        if rest > 4:
            slow_eights += times
        elif rest == 4:
            fours += times
        elif rest == 3:
            slow += times
        if rest in (1, 2):
            singles += rest * times
        elif rest != 4:
            slow_pixels += rest * times
    tiles = eights + fours + slow + slow_eights
    return {
        "rows": rows,
        "pixels by blocks": p.blocks * p.layer.pixels,
        "quads by blocks": p.blocks * p.layer.pixels * (cols // 4),
        "tails by blocks": p.blocks * p.layer.pixels * (cols % 4 > 0),
        "eights": (rows - p.general) * eights,
        "eight quads": rows * (eights + slow_eights) * quads,
        "slow eights": rows * slow_eights + p.general * eights,
        "fours": (rows - p.general) * fours,
        "four quads": rows * (fours + slow) * quads,
        "slow fours": rows * slow + p.general * fours,
        "slow outputs": rows * slow_pixels + p.general * (8 * eights + 4 * fours),
        "singles": rows * singles,
        "single quads": rows * singles * quads,
        "row tails": rows * tiles * (cols % 4 > 0),
    }


def _dense_thumb2(p: Product) -> Features:
    """Two rows times four pixels that were widened before."""
    cols, rows = p.weights.cols, p.weights.rows
    pairs, single = p.groups * (p.rows // 2), p.groups * (p.rows % 2)
    # Of a pair that is rescaled fast, both rows are.
    general = pairs * (1 - (1 - p.general / rows) ** 2)
    fours, rests = p.tiles(4)
    slow = rests.get(3, 0)
    singles = sum(rest * times for rest, times in rests.items() if rest < 3)
    return {
        "rows": rows,
        "pixels by blocks": p.blocks * p.layer.pixels,
        "columns by blocks": p.blocks * p.layer.pixels * cols,
        "fours": (pairs - general) * fours,
        "four columns": pairs * (fours + slow) * cols,
        "slow fours": pairs * slow + general * fours,
        "slow outputs": rows * 3 * slow + general * 8 * fours,
        "singles": rows * singles + single * (4 * fours + 3 * slow),
        "single columns": (rows * singles + single * (4 * fours + 3 * slow)) * cols,
    }


def _lists_plain(p: Product) -> Features:
    """Elements times eight pixels that were widened before; two or one by themselves."""
    cols, rows = p.weights.cols, p.weights.rows
    entries = p.weights.listed + rows / 2
    whole, rests = p.tiles(8)
    slow = sum(times for rest, times in rests.items() if rest > 2)
    slow_pixels = sum(rest * times for rest, times in rests.items() if rest > 2)
    some = sum(rest * times for rest, times in rests.items() if rest < 3)
    pairs = 4 * whole + sum(groups_of(rest, 2) * times for rest, times in rests.items())
    return {
        "pixels by blocks": p.blocks * p.layer.pixels,
        "columns by blocks": p.blocks * p.layer.pixels * cols,
        "pairs by blocks": p.blocks * pairs,
        "pair quads by blocks": p.blocks * pairs * (cols // 4),
        "pair tails by blocks": p.blocks * pairs * (cols % 4),
        "eights": (rows - p.general) * whole,
        "eight entries": entries * (whole + slow),
        "slow eights": rows * slow + p.general * whole,
        "slow outputs": rows * slow_pixels + p.general * 8 * whole,
        "some": rows * some,
        "some entries": entries * some,
        "listed again": p.blocks * p.weights.listed / rows,
    }


def _lists_helium(p: Product) -> Features:
    """Pairs of elements times one to three vectors of eight pixels that were transposed before."""
    cols, rows, tile = p.weights.cols, p.weights.rows, p.path.tile_pixels
    pairs = p.weights.listed / 2 + rows / 4
    whole, rests = p.tiles(tile)
    counts = {1: 0, 2: 0, 3: 0}
    counts[tile // 8] += whole
    fours = whole * (tile // 4)
    for rest, times in rests.items():
        counts[groups_of(rest, 8)] += times
        fours += groups_of(rest, 4) * times
    return {
        "entries": p.weights.listed,
        "entries of a strip": p.weights.listed * p.path.strip,
        "transposed": p.blocks * fours,
        "transposed chunks": p.blocks * fours * groups_of(cols, 16),
        "tiles": p.blocks * sum(counts.values()),
        **{f"rows, {n} vectors": rows * count for n, count in counts.items()},
        **{f"pairs, {n} vectors": pairs * count for n, count in counts.items()},
        "listed again": p.blocks * p.weights.listed / rows,
    }


def _groups(p: Product) -> Features:
    """Groups of 16 elements times four pixels, or one."""
    rows = p.weights.rows
    groups = p.weights.work.get("groups", p.weights.work.get("stored", 0) / 16 + rows / 2)
    fours, rests = p.tiles(4)
    pixels = sum(rest * times for rest, times in rests.items())
    return {
        "groups": groups,
        "row calls": rows * sum(times for _, times in p.calls),
        "fours": rows * fours,
        "four groups": groups * fours,
        "rests": rows * sum(rests.values()),
        "rest pixels": rows * pixels,
        "rest groups": groups * pixels,
    }


_Part = Callable[[Product], Features]
_OF_CORE: Mapping[str, tuple[_Part, _Part]] = {
    "Cortex-M55": (_dense_helium, _lists_helium),
    "Cortex-M4": (_dense_dsp, _lists_plain),
    "Cortex-M3": (_dense_thumb2, _lists_plain),
}
