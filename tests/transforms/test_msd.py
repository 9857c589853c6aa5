"""Sums of signed powers of two: the nearest ones, scales that pay, and models that carry them."""

from __future__ import annotations

from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import wpconvert
from tests.accelerator.test_published import GOLDEN
from wpconvert.transforms.msd import levels, recoded, rounded

ZOO = Path(__file__).parents[2] / "models" / "zoo"
QUANTISER = GOLDEN / "msd_quantiser.npz"
DIGITS = (1, 2, 3, 4)
DENSE, PRUNED = ZOO / "digits_ds_cnn_dense.tflite", ZOO / "digits_ds_cnn.tflite"


def sums_of(digits: int) -> set[int]:
    """All sums of at most so many signed powers of two."""
    powers = [0, *((1 << bit) * sign for bit in range(8) for sign in (1, -1))]
    return {sum(chosen) for chosen in combinations_with_replacement(powers, digits)}


@pytest.mark.parametrize("digits", DIGITS)
def test_no_sum_of_as_many_digits_is_nearer(digits: int) -> None:
    allowed = sums_of(digits)
    for number, made in enumerate(recoded(digits)):
        assert int(made) in allowed
        assert abs(number - made) == min(abs(number - other) for other in allowed)
    assert set(levels(digits)) <= allowed


def test_four_digits_are_exact() -> None:
    assert np.array_equal(recoded(4), np.arange(128))


@pytest.mark.parametrize("digits", DIGITS)
def test_numbers_are_rounded_as_published(digits: int) -> None:
    if not QUANTISER.exists():
        pytest.skip(f"{QUANTISER} is not there: published numbers are not part of the repository")
    with np.load(QUANTISER) as published:
        assert np.array_equal(recoded(digits), published[f"recode_eb{digits}"])


ROWS = hnp.arrays(np.int8, st.tuples(st.integers(1, 4), st.integers(1, 6)), elements=st.integers(-128, 127))


@given(ROWS, st.sampled_from(DIGITS))
def test_rows_are_sums_of_the_digits_and_no_farther_away_than_with_their_own_scale(
    rows: np.ndarray, digits: int
) -> None:
    values, factors = rounded(rows, digits)
    assert values.shape == rows.shape and values.dtype == np.int8
    assert {int(value) for value in values.ravel()} <= sums_of(digits)
    for row, made, factor in zip(rows.astype(float), values, factors, strict=True):
        own = np.array([np.sign(x) * (128 if abs(x) == 128 else recoded(digits)[int(abs(x))]) for x in row])
        if (own <= 127).all():
            assert np.square(row - factor * made).sum() <= np.square(row - own).sum() + 1e-9
        assert np.array_equal(made == 0, row == 0) or factor != 1


@given(ROWS, st.sampled_from((1, 2, 3)))
def test_no_published_scale_is_nearer(rows: np.ndarray, digits: int) -> None:
    values, factors = rounded(rows, digits)
    sums = np.array(sorted(number for number in sums_of(digits) if abs(number) <= 127))
    for row, made, factor in zip(rows.astype(float), values, factors, strict=True):
        error = np.square(row - factor * made).sum()
        for share in np.arange(95, 150) / 100:
            scale = share * np.abs(row).max() / sums[-1] or 1.0
            nearest = np.abs(row[:, None] - scale * sums).min(axis=1)
            assert error <= np.square(nearest).sum() + 1e-9


def test_shape_of_the_weights_does_not_matter() -> None:
    weights = np.random.default_rng(1).integers(-127, 128, (8, 3, 3, 4)).astype(np.int8)
    values, factors = rounded(weights, 2)
    flat, same = rounded(weights.reshape(8, -1), 2)
    assert np.array_equal(values.reshape(8, -1), flat) and np.array_equal(factors, same)


@pytest.mark.parametrize("digits", [1, 2])
def test_scales_of_their_own_lower_the_noise_of_normal_weights(digits: int) -> None:
    weights = np.clip(np.rint(np.random.default_rng(2).normal(0, 40, (64, 256))), -127, 127).astype(np.int8)
    values, factors = rounded(weights, digits)
    own = np.sign(weights) * np.minimum(recoded(digits)[np.abs(weights.astype(int))], 64 if digits == 1 else 127)
    ratio = np.square(weights - own).sum() / np.square(weights - values * factors[:, None]).sum()
    assert ratio > 1.1


def test_model_of_few_digits_is_smaller_and_says_what_it_lost(tmp_path: Path) -> None:
    result = wpconvert.convert(DENSE, method="msd", effective_bits=1, output=tmp_path / "m.tflite")
    changed = [tensor for tensor in result.report.tensors if tensor.method == "msd"]
    assert len(changed) >= 5
    assert all(tensor.snr_db is not None and 8 < tensor.snr_db < 25 for tensor in changed)
    assert result.report.nbytes_after < result.report.nbytes_before


def test_four_digits_change_no_weight(tmp_path: Path) -> None:
    result = wpconvert.convert(PRUNED, method="msd", effective_bits=4, output=tmp_path / "m.tflite")
    assert all(tensor.snr_db is None for tensor in result.report.tensors)
    assert wpconvert.verify(PRUNED, tmp_path / "m.tflite").passed
