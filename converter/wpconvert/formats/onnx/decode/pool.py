"""Pool: eight input channels at a time, weights are an index into a list of vectors (docs/FORMAT.md, "DecodePool").

Float weights may be vectors times a scale of their output channel ("DecodeScaledPool").
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from wpconvert.codecs.codes import bits_for, pack
from wpconvert.errors import ModelError
from wpconvert.formats.onnx.decode import bodies
from wpconvert.formats.onnx.decode.decoder import Array, Decoder, Encoded, Settings, bits_of
from wpconvert.formats.onnx.decode.packed import CODES, unpacked
from wpconvert.transforms.pool import (
    GROUP,
    MAX_SIZE,
    assign,
    channel_scales,
    closest,
    cluster,
    cluster_integers,
    cut,
    exact,
    indices_of,
    join,
    lanes,
)
from wpconvert.transforms.pool_settings import DEFAULT_SIZE

# Vectors that k-means looks at.
_SAMPLE = 1 << 15
# A scale is looked for among its neighbours, so many to either side.
_NEIGHBOURS = 2
_SEED = 0

_VECTORS = f"""{bodies.CONSTANTS}
    third = Constant<value = int64[1] {{2}}>()
    fourth = Constant<value = int64[1] {{3}}>()
    end = Constant<value = int64[1] {{4}}>()
    eight_wide = Constant<value = int64[2] {{-1, 8}}>()
    outer = Slice(layout, first, second)
    depth = Slice(layout, second, third)
    middle = Slice(layout, third, fourth)
    spots = Slice(layout, fourth, end)
    more = Constant<value = int64[1] {{7}}>()
    lanes_of = Constant<value = int64[1] {{8}}>()
    deeper = Add(depth, more)
    groups_of = Div(deeper, lanes_of)
    places = Mul(outer, middle)
    taps = Mul(places, spots)
    indices = Mul(taps, groups_of)
    {CODES.replace("total", "indices")}
    every = Reshape(index, flat)
    used = Slice(every, first, indices)
    table = Reshape(vectors, eight_wide)
    gathered = Gather(table, used)
    lines_shape = Concat<axis = 0>(outer, middle, spots, flat)
    lines = Reshape(gathered, lines_shape)
    cut_lines = Slice(lines, first, depth, fourth)
    turned = Transpose<perm = [0, 3, 1, 2]>(cut_lines)
"""
"""`turned`, of the shape `layout`: what the vectors make."""

_SCALES = """
    scales_shape = Concat<axis = 0>(outer, second, middle, second)
    scales_of = Reshape(scales, scales_shape)
"""


@dataclass(frozen=True)
class Layout:
    """A weight as [outer, depth, middle, rest]; depth: input channels, outer · middle: output channels."""

    outer: int
    depth: int
    middle: int
    rest: int

    @classmethod
    def from_shape(cls, shape: tuple[int, ...], channel_axis: int) -> Layout:
        """Of a weight whose output channels are axis 0 or 1 and whose input channels are the other one."""
        if len(shape) < 2:
            return cls(1, math.prod(shape), 1, 1)
        if channel_axis == 0:
            return cls(shape[0], shape[1], 1, math.prod(shape[2:]))
        return cls(1, shape[0], shape[1], math.prod(shape[2:]))

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """All of it."""
        return self.outer, self.depth, self.middle, self.rest

    @property
    def lines(self) -> tuple[int, int, int, int]:
        """The shape with the depth last."""
        return self.outer, self.middle, self.rest, self.depth

    @property
    def indices(self) -> int:
        """Vectors that the weight is made of."""
        return self.outer * self.middle * self.rest * -(-self.depth // GROUP)

    def lines_of(self, values: Array) -> Array:
        """The weight in the shape `lines`."""
        return np.ascontiguousarray(values.reshape(self.sizes).transpose(0, 2, 3, 1))

    def weight_of(self, lines: Array) -> Array:
        """The inverse, in the shape `sizes`."""
        return np.ascontiguousarray(lines.transpose(0, 3, 1, 2))


def vectors_of(values: Array, channel_axis: int) -> NDArray[np.float64]:
    """The vectors of float weights, float64[n, 8], of output channels divided by their norms: what to cluster."""
    layout = Layout.from_shape(values.shape, channel_axis)
    lines = layout.lines_of(values).astype(np.float64)
    rows = lines.reshape(layout.outer * layout.middle, -1)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return cut((rows / np.where(norms > 0, norms, 1)).reshape(lines.shape))


class Pool(Decoder):
    """`DecodePool`."""

    op_type = "DecodePool"
    input_names: ClassVar[tuple[str, ...]] = ("codes", "vectors", "layout", "shape")
    values_name = "vectors"

    def fitted(self, values: Array, settings: Settings) -> Encoded:
        """Without a size, an exact pool if there is one, or one of the usual size."""
        try:
            return self.encode(values, settings)
        except ModelError:
            if _size(settings) is not None:
                raise
            return self.encode(values, replace(settings, options={"pool_size": DEFAULT_SIZE}))

    def details(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Vectors of the pool, and bits of an index."""
        size = sizes["vectors"] // GROUP
        return {"pool_size": size, "index_bits": bits_for(size)}

    def _encode(self, values: Array, settings: Settings) -> Encoded:
        """As it is if so many vectors, or those of the given pool, make it, else the nearest: floats with scales."""
        layout = Layout.from_shape(values.shape, settings.channel_axis)
        found, within = cut(layout.lines_of(values)), lanes(layout.lines)
        size = _size(settings)
        largest = size or MAX_SIZE
        if settings.shared is not None:
            pool: Array | None = settings.shared.astype(values.dtype)
        else:
            bits = exact(bits_of(found), within)
            pool = None if bits is None or len(bits) > largest else bits.view(values.dtype)
        index = None if pool is None else indices_of(bits_of(found), bits_of(pool), within)
        if pool is not None and index is not None:
            return self._pooled(values.shape, index, pool, layout)
        if settings.shared is None and size is None:
            raise ModelError(f"it does not consist of {MAX_SIZE} vectors of {GROUP} elements")
        if values.dtype.kind == "f":
            return (SCALED if values.dtype == np.float32 else SCALED_FLOAT16).encode(values, settings)
        if pool is None:
            pool = cluster_integers(_sampled(found), largest, _SEED)
        return replace(self._pooled(values.shape, closest(found, pool, within), pool, layout), lossy=True)

    def _pooled(self, shape: tuple[int, ...], index: NDArray[np.int64], pool: Array, layout: Layout) -> Encoded:
        return self._encoded(shape, _packed(index, len(pool)), pool.reshape(-1), np.array(layout.sizes, np.int64))

    def _decode(self, inputs: Sequence[Array], shape: tuple[int, ...]) -> Array:
        codes, vectors, sizes = inputs
        layout = self._layout(sizes, shape)
        return layout.weight_of(self._lines(codes, vectors, layout)).reshape(shape)

    def _body(self, opset: int) -> str:  # noqa: ARG002
        return f"{_VECTORS} weight = Reshape(turned, shape)"

    def _layout(self, sizes: Array, shape: tuple[int, ...]) -> Layout:
        self._check_input("layout", sizes, ("int64",), 4)
        layout = Layout(*(int(size) for size in sizes))
        if min(layout.sizes) < 1 or math.prod(layout.sizes) != math.prod(shape):
            raise ModelError(f"{self.op_type}: layout {list(layout.sizes)} does not match shape {list(shape)}")
        return layout

    def _lines(self, codes: Array, vectors: Array, layout: Layout) -> Array:
        """What the vectors make, in the layout's `lines`."""
        self._check_values(vectors)
        size, left = divmod(len(vectors), GROUP)
        if left or not 1 <= size <= MAX_SIZE:
            raise ModelError(
                f"{self.op_type}: {len(vectors)} elements of vectors, expected 8 for each of 1 to {MAX_SIZE}"
            )
        self._check_input("codes", codes, ("uint8",))
        index = unpacked(self.op_type, codes, layout.indices, size)
        return join(vectors.reshape(size, GROUP)[index], layout.lines)


class ScaledPool(Pool):
    """`DecodeScaledPool`."""

    op_type = "DecodeScaledPool"
    input_names = ("codes", "vectors", "scales", "layout", "shape")
    stored_dtypes = frozenset({"float32"})
    dtypes = stored_dtypes

    def _encode(self, values: Array, settings: Settings) -> Encoded:
        """Exactly if it is made of the given pool and scales, else the nearest to it."""
        if not np.isfinite(values).all():
            raise ModelError("not all of its weights are finite")
        layout = Layout.from_shape(values.shape, settings.channel_axis)
        lines = layout.lines_of(values)
        channels = layout.outer * layout.middle
        found = vectors_of(values, settings.channel_axis)
        pool = settings.shared
        if pool is None:
            pool = cluster(_sampled(found), _size(settings) or MAX_SIZE, _SEED)
        pool = pool.astype(values.dtype)
        index = assign(found, pool, lanes(lines.shape))
        pooled = join(pool[index], layout.lines).reshape(channels, -1)
        scales = _scales(lines.reshape(channels, -1), pooled)
        inputs = _packed(index, len(pool)), pool.reshape(-1), scales, np.array(layout.sizes, np.int64)
        lossy = not np.array_equal(bits_of(self._decode(inputs, values.shape)), bits_of(values))
        return replace(self._encoded(values.shape, *inputs), lossy=lossy)

    def _decode(self, inputs: Sequence[Array], shape: tuple[int, ...]) -> Array:
        codes, vectors, scales, sizes = inputs
        layout = self._layout(sizes, shape)
        self._check_input("scales", scales, (vectors.dtype.name,), layout.outer * layout.middle)
        lines = self._lines(codes, vectors, layout)
        with np.errstate(all="ignore"):
            scaled = lines * scales.reshape(layout.outer, layout.middle, 1, 1)
        return layout.weight_of(scaled).reshape(shape)

    def _body(self, opset: int) -> str:  # noqa: ARG002
        return f"""{_VECTORS} {_SCALES}
    scaled = Mul(turned, scales_of)
    weight = Reshape(scaled, shape)"""


class ScaledPoolFloat16(ScaledPool):
    """`DecodeScaledPoolFloat16`: products are exact in float32, and rounded when they become float16.

    ONNX Runtime leaves out the rounding of a product of float16 where it has no kernel for one.
    """

    op_type = "DecodeScaledPoolFloat16"
    stored_dtypes = frozenset({"float16"})
    dtypes = stored_dtypes

    def _body(self, opset: int) -> str:  # noqa: ARG002
        return f"""{_VECTORS} {_SCALES}
    wide = Cast<to = 1>(turned)
    wide_scales = Cast<to = 1>(scales_of)
    scaled = Mul(wide, wide_scales)
    rounded = Cast<to = 10>(scaled)
    weight = Reshape(rounded, shape)"""


SCALED = ScaledPool()
SCALED_FLOAT16 = ScaledPoolFloat16()


def _size(settings: Settings) -> int | None:
    """How many vectors weights are clustered to where they are not made of 256; None leaves them."""
    size = settings.options.get("pool_size")
    return None if size is None else int(size)


def _sampled(vectors: Array) -> Array:
    """As many of the vectors as k-means looks at, in their order."""
    return vectors[np.sort(np.random.default_rng(_SEED).permutation(len(vectors))[:_SAMPLE])]


def _packed(index: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
    padded = np.append(index, np.zeros(-len(index) % 8, np.int64)).astype(np.uint8)
    return pack(padded.reshape(-1, 8), bits_for(size)).reshape(-1)


def _scales(rows: Array, pooled: Array) -> Array:
    """The scale of each row, in the rows' type: the one that gives the row exactly if one does, else the nearest."""
    with np.errstate(all="ignore"):
        best = np.asarray(channel_scales(rows, pooled).astype(rows.dtype))
    longest = np.argmax(np.abs(pooled), axis=1)
    number = np.arange(len(rows))
    with np.errstate(all="ignore"):
        guess = np.nan_to_num(rows[number, longest] / pooled[number, longest])
        for step in range(-_NEIGHBOURS, _NEIGHBOURS + 1):
            scale = guess
            for _ in range(abs(step)):
                scale = np.nextafter(scale, np.array(np.sign(step) * np.inf, rows.dtype))
            fits = (bits_of(pooled * scale[:, None]) == bits_of(rows)).all(axis=1)
            best = np.where(fits, scale, best)
    return best
