"""Weight tensors for the codec tests: a hypothesis strategy, and hand-picked cases at the limits of the formats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from wpconvert.codecs import Pool, Side, codec_of, encode, parse
from wpconvert.graph.custom.levels import vectors_of

Weights = NDArray[np.int8]


@dataclass(frozen=True)
class Case:
    """A tensor and how it is cut into rows and row blocks. pool: what codec pool makes it of."""

    weights: Weights
    row_dims: int = 1
    block_log2: int = 4
    pool: Pool | None = None

    @property
    def matrix(self) -> Weights:
        """The weights as int8[rows, cols]."""
        rows = int(np.prod(self.weights.shape[: self.row_dims]))
        return self.weights.reshape(rows, -1)

    def encode(self, codec: str) -> NDArray[np.uint8]:
        """The blob."""
        return encode(codec, self.weights, self.row_dims, self.block_log2, self.pool)


def storable(case: Case, codec: str) -> Case:
    """The case as the codec can hold it.

    For `packed` with few distinct values, in one of its mappings and widths; for `pool` made of up to 256 vectors that
    are in it, with a row for each entry of the first dimension.
    """
    if codec == "pool":
        return _pooled(case)
    if codec != "packed":
        return case
    matrix = case.matrix.astype(np.int64)
    kind, bits = divmod((matrix.size + int(matrix.sum())) % 35, 7)
    codes = matrix & (2 << bits) - 1
    channel = np.arange(matrix.shape[0])[:, None] if case.row_dims == 1 else np.arange(matrix.shape[1])
    integers = (codes - (1 << bits), codes + 128 - (2 << bits), codes + channel)
    values = (*integers, 37 * codes, 37 * codes + 11 * channel)[kind]
    return replace(case, weights=values.astype(np.uint8).view(np.int8).reshape(case.weights.shape))


def _pooled(case: Case) -> Case:
    shape = case.weights.shape if case.weights.ndim == 4 else case.matrix.shape
    cut = vectors_of(case.weights.reshape(shape))
    vectors = cut.reshape(-1, 8)
    total = case.matrix.size + int(case.matrix.sum(dtype=np.int64))
    pool = Pool(vectors[: 1 + total % 256], lut_bits=16)
    index = (np.arange(len(vectors)) * 7919 >> 3) % pool.size
    lanes = pool.vectors[index].reshape(*shape[:-1], -1)
    return replace(case, weights=np.ascontiguousarray(lanes[..., : shape[-1]]), row_dims=1, pool=pool)


def _uniform(shape: tuple[int, int], density: float, generator: np.random.Generator) -> NDArray[np.bool_]:
    return generator.random(shape) < density


def _clustered(shape: tuple[int, int], density: float, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Runs of non-zeros of up to 40 columns, with zeros between them."""
    runs = generator.random((shape[0], -(-shape[1] // 40))) < density
    return np.repeat(runs, 40, axis=1)[:, : shape[1]] & (generator.random(shape) < 0.9)


def _at_the_end(shape: tuple[int, int], density: float, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Non-zeros only in the last columns of a row: large first minima, large deltas."""
    return (np.arange(shape[1]) >= (1 - density) * shape[1]) & (generator.random((shape[0], 1)) < 0.8)


def _unequal_rows(shape: tuple[int, int], density: float, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Every row with a density of its own, among them empty and full rows."""
    densities = np.clip(generator.uniform(-0.3, 2 * density + 0.1, (shape[0], 1)), 0, 1)
    return generator.random(shape) < densities


_PATTERNS: list[Callable[[tuple[int, int], float, np.random.Generator], NDArray[np.bool_]]] = [
    _uniform,
    _clustered,
    _at_the_end,
    _unequal_rows,
]
_VALUES = [(-128, 127), (1, -1), tuple(v for v in range(-128, 128) if v)]


def random_case(shape: tuple[int, ...], row_dims: int, density: float, seed: int, block_log2: int = 4) -> Case:
    """A tensor of that shape; `seed` chooses pattern and values too."""
    generator = np.random.default_rng(seed)
    rows = int(np.prod(shape[:row_dims]))
    cols = int(np.prod(shape[row_dims:]))
    stored = _PATTERNS[generator.integers(len(_PATTERNS))]((rows, cols), density, generator)
    values = generator.choice(_VALUES[generator.integers(len(_VALUES))], (rows, cols)).astype(np.int8)
    return Case((values * stored).reshape(shape), row_dims, block_log2)


_SHAPES = st.one_of(
    st.tuples(st.integers(1, 2000)),
    st.tuples(st.integers(1, 40), st.integers(1, 70)),
    st.tuples(st.integers(1, 4), st.integers(1, 3000)),
    st.tuples(st.integers(1, 12), st.integers(1, 6), st.integers(1, 30)),
    st.tuples(st.integers(1, 8), st.integers(1, 4), st.integers(1, 4), st.integers(1, 20)),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Tensors of 1 to 4 dimensions with any number of row dimensions, density, pattern and block size."""
    shape = draw(_SHAPES)
    row_dims = draw(st.integers(1, len(shape)))
    density = draw(st.sampled_from([0.0, 1.0]) | st.floats(0, 1))
    return random_case(shape, row_dims, density, draw(st.integers(0, 2**16)), draw(st.integers(0, 8)))


def _zeros(*shape: int) -> Weights:
    return np.zeros(shape, np.int8)


def _last_column() -> Weights:
    weights = _zeros(1, 100_000)
    weights[0, -1] = -128
    return weights


def _one_full_row(rows: int, cols: int) -> Weights:
    weights = _zeros(rows, cols)
    weights[rows // 2] = 1 + np.arange(cols) % 127
    return weights


def _empty_rows() -> Weights:
    weights = random_case((9, 50), 1, 0.4, 3).weights.copy()
    weights[[0, 1, 4, 8]] = 0
    return weights


def planes_row() -> Weights:
    """int8[1, 256], one dCSR group whose deltas are 225, 210, … 0: each of the four bit planes is needed."""
    weights = _zeros(1, 256)
    weights[0, 240:] = np.arange(1, 17)
    return weights


SPECIAL: dict[str, Case] = {
    "all zero": Case(_zeros(5, 33)),
    "one weight": Case(np.array([[-128]], np.int8)),
    "one weight, zero": Case(_zeros(1)),
    "one column": Case(random_case((300, 1), 1, 0.5, 1).weights),
    "one row": Case(random_case((1, 1000), 1, 0.2, 2).weights),
    "all dimensions are rows": Case(random_case((4, 5, 6), 3, 0.5, 4).weights, row_dims=3),
    "empty rows": Case(_empty_rows(), block_log2=0),
    "full": Case(np.full((6, 35), 127, np.int8)),
    "row longer than 65,535 columns": Case(random_case((2, 70_000), 1, 0.1, 6).weights),
    "single weight in column 99,999": Case(_last_column()),
    "row counts that need i16": Case(_one_full_row(3, 400), block_log2=0),
    "row counts that need i32, row index that needs u32": Case(_one_full_row(3, 100_000), block_log2=0),
    "every extension plane": Case(planes_row()),
    "block larger than the matrix": Case(random_case((5, 40), 1, 0.5, 7).weights, block_log2=15),
}


def decode_rows(raw: NDArray[np.uint8], first: int, last: int, side: Side | None = None) -> NDArray[np.int8]:
    """Rows [first, last) of a blob, decoded alone: int8[last − first, cols]."""
    blob = parse(raw)
    out = np.zeros((last - first, blob.cols), np.int8)
    if first < last:
        codec_of(blob).decoder(replace(blob, side=side)).rows(first, last, out)
    return out
