"""Datasets are found by name; options are checked before anything is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from wpconvert.errors import UsageError
from wptrain import data

from .makers import refused


@pytest.mark.parametrize("choice", ["nothing", "digits:here", "cifar10", "cifar10:", "", ":x"])
def test_unknown_dataset_names_the_known_ones(choice: str) -> None:
    found = refused(choice, UsageError)
    assert "digits, cifar10:PATH, fashion-mnist:PATH, folders:PATH, images:PATH, mnist:PATH" in found


def test_options_change_a_dataset_and_its_identity() -> None:
    plain, moved = data.load("digits"), data.load("digits", {"shift": "0", "mirror": "true"})
    assert plain.identity() != moved.identity()
    assert data.load("digits", {"shift": 1, "mirror": False}).identity() == plain.identity()


def test_padded_images_are_the_same_inside() -> None:
    plain, padded = data.load("digits"), data.load("digits", {"pad": 3})
    assert padded.sample_shape == (14, 14, 1)
    assert plain.identity() != padded.identity()
    samples = padded.batch("train", np.arange(9)).samples
    assert np.array_equal(samples[:, 3:-3, 3:-3], plain.batch("train", np.arange(9)).samples)
    assert samples.sum() == samples[:, 3:-3, 3:-3].sum()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colour": "red"}, "dataset digits: unknown option colour; expected one of mirror, pad, shift"),
        ({"shift": "far"}, "dataset digits: option shift 'far': input should be a valid integer"),
        ({"shift": -1}, "dataset digits: option shift -1: input should be greater than or equal to 0"),
    ],
)
def test_wrong_options_are_one_line(options: dict[str, object], message: str) -> None:
    assert message in refused("digits", UsageError, options)


def test_options_are_checked_before_the_path(tmp_path: Path) -> None:
    for name in data.AT_PATH:
        assert "unknown option colour" in refused(f"{name}:{tmp_path / 'absent'}", UsageError, {"colour": "red"})
