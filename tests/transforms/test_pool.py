"""Pools of weights: cutting, clustering, quantising, assigning, scaling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wpconvert.transforms.pool import (
    GROUP,
    LUT_BITS,
    MAX_SIZE,
    assign,
    channel_scales,
    cluster,
    cut,
    exact,
    fits,
    indices_of,
    join,
    lanes,
    quantise,
    sum_limits,
)

SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=3).flatmap(
    lambda outer: st.integers(1, 35).map(lambda depth: (*outer, depth))
)
SEEDS = st.integers(0, 2**16)


def random_int8(seed: int, shape: tuple[int, ...]) -> NDArray[np.int8]:
    return np.random.default_rng(seed).integers(-128, 128, shape, dtype=np.int8)


def gaussian(seed: int, count: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(count, GROUP))


def entries(pool: NDArray[np.int8], shift: int) -> NDArray[np.int64]:
    """The look-up table as FORMAT.md defines it, int64[256, K]."""
    bits = np.arange(256)[:, None] >> np.arange(GROUP) & 1
    return np.asarray(bits @ pool.astype(np.int64).T + ((1 << shift) >> 1) >> shift)


@given(SHAPES, SEEDS)
def test_joining_what_was_cut_gives_the_weights(shape: tuple[int, ...], seed: int) -> None:
    weights = random_int8(seed, shape)
    vectors = cut(weights)
    assert vectors.dtype == np.int8 and vectors.shape[1] == GROUP
    assert np.array_equal(join(vectors, shape), weights)
    beyond = np.arange(GROUP) >= lanes(shape)[:, None]
    assert beyond.shape == vectors.shape and not vectors[beyond].any()


def test_a_vector_holds_consecutive_channels_of_one_tap() -> None:
    weights = np.arange(2 * 3 * 10).reshape(2, 3, 10)
    vectors = cut(weights)
    assert vectors[2 * (1 * 3 + 2)].tolist() == weights[1, 2, :8].tolist()
    assert vectors[2 * (1 * 3 + 2) + 1].tolist() == [*weights[1, 2, 8:], 0, 0, 0, 0, 0, 0]
    assert lanes((2, 3, 10)).tolist() == [8, 2] * 6


# The first call imports scikit-learn.
@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 40), st.integers(0, 20), SEEDS)
def test_a_pool_has_at_most_its_size_and_no_vector_twice(count: int, size: int, zeros: int, seed: int) -> None:
    vectors = gaussian(seed, count)
    vectors[: min(zeros, count)] = 0
    pool = cluster(vectors, size, seed)
    assert 1 <= len(pool) <= size
    assert np.isfinite(pool).all()
    assert len(np.unique(pool, axis=0)) == len(pool)
    assert np.array_equal(pool, cluster(vectors, size, seed))


def test_few_directions_are_found_again_whatever_their_lengths() -> None:
    directions = gaussian(3, 5)
    lengths = np.random.default_rng(4).uniform(0.1, 3, (40, 1))
    pool = cluster(directions[np.arange(40) % 5] * lengths, 16, 0)
    assert len(pool) == 5
    found = pool[assign(directions, pool)]
    cosines = (found * directions).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(directions, axis=1)
    assert np.allclose(cosines, 1)


def test_a_pool_vector_is_the_mean_of_its_members_as_they_are() -> None:
    up, down = np.eye(GROUP)[0], -np.eye(GROUP)[0]
    pool = cluster(np.stack([up, 3 * up, 5 * down]), 2, 0)
    assert sorted(pool[:, 0].tolist()) == [-5, 2]


def test_vectors_of_zeros_get_a_pool_vector_of_zeros() -> None:
    vectors = gaussian(1, 50)
    vectors[::7] = 0
    pool = cluster(vectors, 8, 0)
    assert len(pool) == 8
    assert not pool[assign(vectors, pool)[::7]].any()
    assert cluster(np.zeros((4, GROUP)), 8, 0).tolist() == [[0.0] * GROUP]


@settings(max_examples=50)
@given(st.integers(1, 30), st.integers(1, 20), st.booleans(), SEEDS)
def test_the_assigned_vector_has_the_highest_cosine(count: int, size: int, tails: bool, seed: int) -> None:
    vectors, pool = gaussian(seed, count), gaussian(seed + 1, size)
    within = np.random.default_rng(seed).integers(1, 9, count) if tails else np.full(count, GROUP)
    vectors[np.arange(GROUP) >= within[:, None]] = 0
    found = assign(vectors, pool, within)
    for vector, width, index in zip(vectors, within, found, strict=True):
        part = pool[:, :width]
        cosines = part @ vector[:width] / np.linalg.norm(part, axis=1) / np.linalg.norm(vector)
        assert cosines[index] >= cosines.max() - 1e-12


@given(st.integers(1, 12), st.integers(1, 40), SEEDS)
def test_no_other_positive_scale_of_a_channel_is_nearer(rows: int, cols: int, seed: int) -> None:
    weights, pooled = random_int8(seed, (rows, cols)), random_int8(seed + 1, (rows, cols))
    scales = channel_scales(weights, pooled)
    assert (scales > 0).all() and np.isfinite(scales).all()

    def errors(factors: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(((weights - factors[:, None] * pooled) ** 2).sum(axis=1))

    for change in (0.99, 1.01):
        nearer = errors(scales * change) < errors(scales) - 1e-6
        # A least positive scale stands in where the best one is none.
        floor = np.sqrt((weights.astype(float) ** 2).sum(1) + 1e-9) / np.sqrt((pooled.astype(float) ** 2).sum(1) + 1e-9)
        assert (~nearer | (scales <= floor * 2**-10 * 1.0001) | ~weights.any(axis=1)).all()


def test_a_channel_of_zeros_keeps_a_positive_scale() -> None:
    weights = np.array([[0, 0], [3, 4], [0, 0]], np.int8)
    scales = channel_scales(weights, np.array([[0, 0], [3, 4], [1, 0]], np.int8))
    assert scales[:2].tolist() == [1, 1]
    assert 0 < scales[2] < 0.01


@settings(max_examples=60)
@given(st.sampled_from(LUT_BITS), st.integers(1, 40), st.floats(0.1, 5), SEEDS)
def test_entries_of_a_quantised_pool_fit_their_bits(lut_bits: int, size: int, spread: float, seed: int) -> None:
    pool = gaussian(seed, size) * np.exp(np.random.default_rng(seed).normal(size=(size, 1)) * spread)
    pool[0] = np.abs(pool[0])
    values, shift = quantise(pool, lut_bits)
    table = entries(values, shift)
    assert table.min() >= -(1 << lut_bits - 1) and table.max() < 1 << lut_bits - 1
    assert fits(values, lut_bits, shift).all()
    assert (shift == 0) == (lut_bits != 4)
    assert values.min() >= -127


@given(st.lists(st.integers(-128, 127), min_size=8, max_size=8), st.sampled_from([(16, 0), (8, 0), (4, 4), (4, 0)]))
def test_a_vector_fits_exactly_when_all_its_entries_do(vector: list[int], kind: tuple[int, int]) -> None:
    pool = np.array([vector], np.int8)
    table = entries(pool, kind[1])
    whole = table.min() >= -(1 << kind[0] - 1) and table.max() < 1 << kind[0] - 1
    assert bool(fits(pool, *kind)[0]) == whole


@pytest.mark.parametrize(("lut_bits", "limits"), [(16, (-32768, 32767)), (8, (-128, 127)), (4, (-8, 7))])
def test_limits_without_a_shift_are_those_of_the_type(lut_bits: int, limits: tuple[int, int]) -> None:
    assert sum_limits(lut_bits) == limits


@pytest.mark.parametrize(("lut_bits", "least_db"), [(16, 40), (8, 27), (4, 27)])
def test_a_quantised_pool_has_the_directions_of_the_pool(lut_bits: int, least_db: float) -> None:
    pool = gaussian(7, 64)
    values, _ = quantise(pool, lut_bits)
    step = (pool * values).sum() / (values.astype(float) ** 2).sum()
    assert 10 * np.log10((pool**2).sum() / ((pool - step * values) ** 2).sum()) > least_db


def test_one_long_vector_does_not_coarsen_the_others() -> None:
    pool = gaussian(8, 64)
    pool[5] *= 1000
    values, _ = quantise(pool, 8)
    others = np.delete(np.arange(64), 5)
    assert np.abs(values[others]).max() <= 127
    cosine = (values[5] * pool[5]).sum() / np.linalg.norm(values[5]) / np.linalg.norm(pool[5])
    assert cosine > 0.99


@settings(max_examples=50)
@given(SHAPES, st.integers(1, 20), SEEDS)
def test_an_exact_pool_holds_every_vector(shape: tuple[int, ...], size: int, seed: int) -> None:
    pool = random_int8(seed, (size, GROUP))
    chosen = np.random.default_rng(seed).integers(0, size, len(lanes(shape)))
    weights = join(pool[chosen], shape)
    vectors = cut(weights)
    found = exact(vectors, lanes(shape))
    assert found is not None and len(found) <= size
    indices = indices_of(vectors, found, lanes(shape))
    assert indices is not None
    assert np.array_equal(join(found[indices], shape), weights)


def test_more_vectors_than_a_pool_holds_are_no_exact_pool() -> None:
    vectors = np.zeros((MAX_SIZE + 1, GROUP), np.int8)
    vectors[:, 0] = np.arange(MAX_SIZE + 1) % 256 - 128
    vectors[-1, 1] = 1
    assert exact(vectors) is None
    whole = exact(vectors[:-1])
    assert whole is not None and len(whole) == MAX_SIZE
    assert indices_of(vectors, whole) is None
