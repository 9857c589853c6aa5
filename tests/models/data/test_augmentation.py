"""How a training sample changes depends on the seed, the epoch and its index only."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from wptrain.data.augmentation import Augmentation
from wptrain.data.draws import Key, philox, uniform
from wptrain.data.sets import digits

INDICES = st.lists(st.integers(0, 2**40), min_size=1, max_size=20)
KEYS = st.builds(Key, st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_known_answers_of_the_published_generator(counter: str, key: str, expected: str) -> None:
    first, second = (int(word, 16) for word in key.split())
    words = tuple(np.array([int(word, 16)], np.uint64) for word in counter.split())
    assert " ".join(f"{int(word[0]):08x}" for word in philox(words, (first, second))) == expected


@given(KEYS, INDICES, st.integers(1, 9), st.randoms(use_true_random=False))
def test_a_sample_has_the_same_numbers_in_any_batch_and_order(
    key: Key, indices: list[int], count: int, order: Random
) -> None:
    whole = uniform(key, np.array(indices), count)
    shuffled = order.sample(range(len(indices)), len(indices))
    assert np.array_equal(uniform(key, np.array(indices)[shuffled], count), whole[shuffled])
    assert np.array_equal(uniform(key, np.array(indices[:1]), count + 5)[:, :count], whole[:1])
    assert ((whole >= 0) & (whole < 1)).all()


def test_seed_epoch_and_index_each_change_the_numbers() -> None:
    keys = [Key(0, 0), Key(1, 0), Key(0, 1), Key(1 << 32, 0), Key(0, 1 << 31)]
    drawn = np.stack([uniform(key, np.array([0, 1, 1 << 32]), 4) for key in keys]).reshape(-1)
    assert len(np.unique(drawn)) == len(drawn)


def test_numbers_are_uniform_and_independent() -> None:
    drawn = uniform(Key(3, 7), np.arange(20_000), 3)
    counts = np.stack([np.bincount((column * 10).astype(int), minlength=10) for column in drawn.T])
    # Of 2,000 expected in a tenth the standard deviation is 42.
    assert np.abs(counts - 2000).max() < 200
    assert np.abs(np.corrcoef(drawn.T) - np.eye(3)).max() < 0.03


def numbered(count: int, height: int, width: int) -> NDArray[np.uint8]:
    """Images whose pixels tell where they were; 0 is left for what comes in."""
    pixels = np.arange(1, height * width + 1, dtype=np.uint8).reshape(1, height, width, 1)
    return np.repeat(pixels, count, axis=0)


def test_an_image_moves_by_every_offset_and_nothing_else_happens() -> None:
    images = numbered(400, 5, 4)
    changed = Augmentation(shift=1).apply(images, np.arange(400), Key(0, 0))
    expected = {
        np.pad(images[0], ((1, 1), (1, 1), (0, 0)))[row : row + 5, column : column + 4].tobytes()
        for row in range(3)
        for column in range(3)
    }
    assert {image.tobytes() for image in changed} == expected


def test_mirroring_takes_half_of_the_images_and_leaves_the_offsets_alone() -> None:
    images, indices, key = numbered(1000, 5, 4), np.arange(1000), Key(5, 2)
    moved = Augmentation(shift=2).apply(images, indices, key)
    both = Augmentation(shift=2, mirror=True).apply(images, indices, key)
    plain = (both == moved).all(axis=(1, 2, 3))
    assert np.array_equal(both[~plain], moved[~plain][:, :, ::-1])
    assert 440 < plain.sum() < 560


def test_no_augmentation_changes_nothing() -> None:
    images = numbered(10, 3, 3)
    assert np.array_equal(Augmentation().apply(images, np.arange(10), Key(0, 0)), images)


def test_a_batch_of_many_is_the_batches_of_its_parts() -> None:
    """As for two processes that share an epoch."""
    module = digits.load()
    order = np.random.default_rng(1).permutation(100)
    whole = module.batch("train", order, Key(1, 2))
    for start in (0, 1):
        part = module.batch("train", order[start::2], Key(1, 2))
        assert np.array_equal(part.samples, whole.samples[start::2])
        assert np.array_equal(part.labels, whole.labels[start::2])
    assert whole.samples.dtype == np.float32
    assert not np.array_equal(whole.samples, module.batch("train", order, Key(1, 3)).samples)
    assert not np.array_equal(whole.samples, module.batch("train", order).samples)


def test_calibration_is_made_of_unchanged_training_images() -> None:
    module = digits.load()
    assert np.array_equal(module.calibration(5), module.batch("train", np.arange(5)).samples)
    assert len(module.calibration(10**6)) == len(module.train)
    assert module.calibration(1).max() == 1
