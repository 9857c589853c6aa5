"""Files made from a dataset: samples to measure with, and an archive that `images:PATH` reads."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from wpconvert.errors import UsageError
from wptrain import data
from wptrain.data import copies
from wptrain.data.module import whole
from wptrain.data.sets import digits

from .makers import in_memory, png, sizes, write_tree


def test_samples_are_drawn_by_class_and_seed() -> None:
    module = digits.load()
    with np.load(io.BytesIO(copies.samples_file(module, "test", 20, 3))) as file:
        samples, labels = file["samples"], file["labels"]
    assert np.bincount(labels).tolist() == [20] * 10
    everything = whole(module, "test")
    chosen = copies.choose(everything.labels, 20, 3)
    assert np.array_equal(samples, everything.samples[chosen])
    assert np.array_equal(labels, everything.labels[chosen])
    assert copies.samples_file(module, "test", 20, 3) == copies.samples_file(module, "test", 20, 3)
    assert not np.array_equal(copies.choose(everything.labels, 20, 4), chosen)


def test_all_samples_are_taken_where_no_number_is_given() -> None:
    module = digits.load()
    with np.load(io.BytesIO(copies.samples_file(module, "validation", None, 0))) as file:
        assert np.array_equal(file["samples"], whole(module, "validation").samples)


def test_more_samples_than_a_class_has_are_refused() -> None:
    with pytest.raises(UsageError, match=r"--per-class 40: class \d has 3\d samples"):
        copies.samples_file(digits.load(), "test", 40, 0)


@pytest.mark.parametrize("suffix", [".tar", ".xz"])
def test_an_archive_is_read_by_images(tmp_path: Path, suffix: str) -> None:
    module = digits.load()
    path = tmp_path / f"digits.tar{suffix}"
    path.write_bytes(copies.archive(module, suffix, 95, None, 0))
    assert copies.archive(module, suffix, 95, None, 0) == path.read_bytes()
    read = in_memory(f"images:{path}")
    assert read.classes == module.classes
    assert read.sample_shape == (8, 8, 1)
    assert sum(sizes(read)[:2]) == sum(sizes(module)[:2])
    assert sizes(read)[2] == sizes(module)[2]
    original = whole(module, "test")
    order = np.argsort(original.labels, kind="stable")
    found = whole(read, "test")
    assert np.array_equal(found.labels, original.labels[order])
    assert np.abs(found.samples - original.samples[order]).mean() < 0.02


def test_an_archive_of_large_colour_images_is_small_and_limited(tmp_path: Path) -> None:
    files = {
        f"{part}/{label}/{index}.png": png(np.full((40 + index, 50, 3), value, np.uint8))
        for part in ("train", "val")
        for label, value in (("a", 50), ("c", 200))
        for index in range(20)
    }
    module = data.load(f"folders:{write_tree(tmp_path / 'tree', files)}", {"side": 8, "resize": 8})
    path = tmp_path / "set.tar"
    path.write_bytes(copies.archive(module, ".tar", 75, 12, 1))
    read = in_memory(f"images:{path}")
    assert read.sample_shape == (8, 8, 3)
    assert [*np.bincount(np.concatenate([read.train.labels, read.validation.labels])), len(read.test)] == [12, 12, 24]
    assert (
        np.abs(read.test.images.astype(int) - np.where(read.test.labels == 0, 50, 200)[:, None, None, None]).max() < 4
    )


def test_a_class_with_a_slash_is_a_folder_of_its_own(tmp_path: Path) -> None:
    assert copies._folder("T-shirt/top") == "T-shirt-top"
    with pytest.raises(UsageError, match=r"expected a name that ends in \.tar or \.tar\.xz"):
        copies.archive_suffix(tmp_path / "set.zip")
