"""Fitting a pool to layers: better than its clusters, the same every time, exact where it can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wpconvert.transforms.pool import (
    GROUP,
    assign,
    channel_scales,
    cluster,
    cut,
    fits,
    indices_of,
    join,
    lanes,
    quantise,
)
from wpconvert.transforms.pool_fit import Part, fit, nearest


def layer(seed: int, shape: tuple[int, ...] = (16, 3, 3, 16)) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    weights = np.clip(np.rint(rng.normal(0, 30, shape)), -127, 127).astype(np.int8)
    return weights, rng.uniform(0.01, 0.1, shape[0])


def error(weights: NDArray[np.int8], scales: NDArray[np.float64], real: NDArray[np.floating]) -> float:
    """Squared, in real numbers; real: what stands for the weights, in steps of theirs."""
    difference = (weights - real).reshape(len(weights), -1) * scales[:, None]
    return float(np.square(difference).sum())


def test_fitting_is_better_than_clusters_alone() -> None:
    weights, scales = layer(1)
    vectors, _ = fit([Part.from_weights(weights, scales)], 16, 8, seed=0)
    pooled, factors = nearest(weights, vectors)
    found = error(weights, scales, pooled * factors[:, None, None, None])
    pool, _ = quantise(cluster(cut(weights), 16, 0), 8)
    clustered = join(pool[assign(cut(weights), pool)], weights.shape)
    before = error(weights, scales, clustered * channel_scales(weights, clustered)[:, None, None, None])
    assert found < before


@pytest.mark.parametrize("lut_bits", [4, 8, 16])
def test_vectors_fit_their_look_up_entries(lut_bits: int) -> None:
    weights, scales = layer(2)
    vectors, shift = fit([Part.from_weights(weights, scales)], 32, lut_bits, seed=0)
    assert len(vectors) <= 32
    assert fits(vectors, lut_bits, shift).all()


def test_the_same_pool_every_time() -> None:
    parts = [Part.from_weights(*layer(seed)) for seed in (3, 4)]
    assert np.array_equal(fit(parts, 24, 8, seed=5)[0], fit(parts, 24, 8, seed=5)[0])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), depth=st.integers(1, 20), rows=st.integers(1, 6))
def test_what_is_nearest_consists_of_pool_vectors_and_has_positive_scales(seed: int, depth: int, rows: int) -> None:
    weights, _ = layer(seed, (rows, 2, 2, depth))
    pool = np.random.default_rng(seed).integers(-60, 61, (12, GROUP)).astype(np.int8)
    pooled, factors = nearest(weights, pool)
    assert pooled.shape == weights.shape
    assert indices_of(cut(pooled), pool, lanes(weights.shape)) is not None
    assert (factors > 0).all()


def test_weights_of_pool_vectors_are_nearest_to_themselves() -> None:
    rng = np.random.default_rng(6)
    pool = rng.integers(-60, 61, (8, GROUP)).astype(np.int8)
    weights = join(pool[rng.integers(0, 8, 4 * 9 * 2)], (4, 3, 3, 16))
    pooled, factors = nearest(weights, pool)
    assert np.array_equal(pooled, weights)
    assert np.allclose(factors, 1)


def test_layers_count_alike_whatever_their_scales() -> None:
    weights, scales = layer(7)
    small, large = Part.from_weights(weights, scales), Part.from_weights(weights, 1000 * scales)
    assert np.allclose(small.importance, large.importance)
