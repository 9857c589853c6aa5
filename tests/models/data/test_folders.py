"""Image folders are read as training goes: any size of image, the same samples in any batch, one line for bad files."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from wpconvert.errors import FileError, UsageError, WpconvertError
from wptrain import data
from wptrain.data.draws import Key
from wptrain.data.module import DataModule
from wptrain.errors import DataError

from .makers import png, refused, sizes, write_tree

SMALL: dict[str, object] = {"side": 16, "resize": 20}
SIZES = ((40, 30), (25, 60), (16, 16), (10, 50))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "wptrain"


def jpeg(width: int, height: int, value: int, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (width, height), value if mode == "L" else (value,) * len(mode)).save(buffer, "JPEG")
    return buffer.getvalue()


def gradient(width: int, height: int) -> bytes:
    """Red grows to the right, green downwards."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    return png(pixels)


def tree(*parts: str, count: int = 20) -> dict[str, bytes]:
    """Images of one colour, which tells the class, and of many sizes."""
    files = {}
    for part in parts:
        for label, value in (("cat", 60), ("dog", 180)):
            for index in range(count if part == "train" else 4):
                files[f"{part}/{label}/{index:03}.JPEG"] = jpeg(*SIZES[index % len(SIZES)], value)
    return files


def opened(folder: Path, **options: object) -> DataModule:
    return data.load(f"folders:{folder}", SMALL | options)


def test_imagenet_layout_measures_on_val_and_holds_out_from_train(tmp_path: Path) -> None:
    module = opened(write_tree(tmp_path, tree("train", "val")))
    assert module.classes == ("cat", "dog")
    assert module.sample_shape == (16, 16, 3)
    assert sizes(module) == [36, 4, 8]
    assert np.bincount(module.labels("validation")).tolist() == [2, 2]
    first, last = module.batch("test", np.array([0, 7])).samples
    assert first.mean() < 0.3
    assert last.mean() > 0.6


@pytest.mark.parametrize("third", ["val", "validation"])
def test_three_folders_are_three_splits(tmp_path: Path, third: str) -> None:
    assert sizes(opened(write_tree(tmp_path, tree("train", "test", third)))) == [40, 8, 8]


def test_images_of_all_sizes_and_modes_become_samples_of_one(tmp_path: Path) -> None:
    extra = {"train/cat/grey.jpg": jpeg(30, 20, 60, "L"), "train/cat/ink.jpg": jpeg(30, 20, 60, "CMYK")}
    files = tree("train", "test") | extra | {"train/cat/alpha.png": png(np.full((9, 9, 4), 60, np.uint8))}
    module = opened(write_tree(tmp_path, files))
    for key in (None, Key(0, 0)):
        samples, labels = module.batch("train", np.arange(len(module.labels("train"))), key)
        assert samples.shape == (len(labels), 16, 16, 3)
        plain = samples.reshape(len(labels), -1)
        # JPEG keeps one colour but for rounding; the CMYK image has another one.
        assert (plain.std(axis=1) < 0.02).all()
        assert np.abs(np.median(plain[labels == 0]) * 255 - 60) <= 2
        assert np.abs(np.median(plain[labels == 1]) * 255 - 180) <= 2
    assert opened(tmp_path, grey=True).batch("test", np.arange(2)).samples.shape == (2, 16, 16, 1)


def test_measured_images_are_scaled_and_cut_in_the_middle(tmp_path: Path) -> None:
    files = tree("train", "test") | {"test/cat/000.JPEG": gradient(80, 40)}
    sample = opened(write_tree(tmp_path, files)).batch("test", np.array([0])).samples[0]
    expected = (
        Image.open(io.BytesIO(files["test/cat/000.JPEG"]))
        .resize((40, 20), Image.Resampling.BILINEAR)
        .crop((12, 2, 28, 18))
    )
    assert np.abs(sample * 255 - np.asarray(expected)).max() < 6
    assert abs(float(sample[..., 0].mean()) - 0.5) < 0.02


def test_the_middle_grows_with_the_side(tmp_path: Path) -> None:
    write_tree(tmp_path, {name: gradient(80, 40) for name in tree("train", "test")})

    def measured(**options: object) -> NDArray[np.float32]:
        return data.load(f"folders:{tmp_path}", options).batch("test", np.arange(1)).samples

    for side in (14, 28):
        assert np.array_equal(measured(side=side), measured(side=side, resize=side * 8 // 7))
        assert not np.array_equal(measured(side=side), measured(side=side, resize=side))


def test_trained_images_are_parts_that_differ_by_epoch_and_not_by_batch(tmp_path: Path) -> None:
    names = tree("train", "test")
    module = opened(write_tree(tmp_path, {name: gradient(60, 40) for name in names}), mirror=True)
    order = np.random.default_rng(0).permutation(36)
    whole = module.batch("train", order, Key(4, 1)).samples
    assert np.array_equal(module.batch("train", order[7:9], Key(4, 1)).samples, whole[7:9])
    assert not np.array_equal(module.batch("train", order, Key(4, 2)).samples, whole)
    red = whole[:, 8, :, 0]
    mirrored = red[:, 0] > red[:, -1]
    assert 8 < mirrored.sum() < 28
    # Parts of 8 % of the image and more: the red of a part grows by its width.
    width = np.abs(red[:, -1] - red[:, 0])
    assert width.min() < 0.5 < width.max() <= 1
    unmirrored = opened(tmp_path).batch("train", order, Key(4, 1)).samples[:, 8, :, 0]
    assert (unmirrored[:, 0] < unmirrored[:, -1]).all()


def test_identity_is_of_content_options_and_classes(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "a", tree("train", "val"))
    known = opened(folder).identity()
    moved = folder.rename(tmp_path / "b")
    assert opened(moved).identity() == known
    assert opened(moved, side=17).identity() != known
    (moved / "train/cat/000.JPEG").write_bytes(jpeg(40, 30, 61))
    assert opened(moved).identity() != known


def test_a_known_identity_is_read_from_the_cache_until_a_file_changes(tmp_path: Path, cache: Path) -> None:
    folder = write_tree(tmp_path / "a", tree("train", "val", count=10))
    first = opened(folder).identity()
    assert not cache.exists(), "files that have just been written are not trusted"
    time.sleep(2.1)
    assert opened(folder).identity() == first
    kept = sorted(cache.iterdir())
    assert len(kept) == 3
    for file in kept:
        file.write_text("0" * 64)
    assert opened(folder).identity() != first, "the cache was not read"
    for file in kept:
        file.write_text("damaged")
    assert opened(folder).identity() == first
    changed = folder / "train/dog/001.JPEG"
    status = changed.stat()
    content = bytearray(changed.read_bytes())
    content[-3] ^= 1
    changed.write_bytes(content)
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert opened(folder).identity() != first, "same size, same time of change, other content"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no image", "train/cat/000.JPEG: not a BMP, JPEG, PNG image"),
        (b"", "train/cat/000.JPEG: not a BMP, JPEG, PNG image"),
        (jpeg(40, 30, 1)[:200], "train/cat/000.JPEG: "),
        (gradient(300, 200)[:-300], "train/cat/000.JPEG: cannot be decoded"),
    ],
)
def test_a_bad_image_is_one_line_when_it_is_read(tmp_path: Path, content: bytes, message: str) -> None:
    module = opened(write_tree(tmp_path, tree("train", "val", "test") | {"train/cat/000.JPEG": content}))
    with pytest.raises(DataError) as caught:
        module.batch("train", np.arange(40), Key(0, 0))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(module.batch("train", np.arange(1, 40), Key(0, 0)).labels) == 39


def test_a_file_that_vanishes_is_one_line(tmp_path: Path) -> None:
    module = opened(write_tree(tmp_path, tree("train", "val", "test")))
    (tmp_path / "train/cat/003.JPEG").unlink()
    with pytest.raises(FileError, match=r"train/cat/003\.JPEG: cannot be read: No such file"):
        module.batch("train", np.arange(40))


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({}, FileError, "no such folder"),
        ({"other/file": b""}, DataError, "no classes found below train"),
        (tree("train"), DataError, "neither val nor test found"),
        (tree("train", "val") | {"val/ant/0.png": b""}, DataError, "classes that are missing in train: ant"),
        (tree("train", "val") | {"train/ant/readme.txt": b""}, DataError, "train/ant: no images"),
        (tree("train", "val", count=2), DataError, "too few to hold out"),
        (tree("train") | {"val/cat/readme": b""}, DataError, "val: no images found"),
    ],
)
def test_wrong_layout_is_one_line(
    tmp_path: Path, files: dict[str, bytes], error: type[WpconvertError], message: str
) -> None:
    assert message in refused(f"folders:{write_tree(tmp_path / 'set', files)}", error)


def test_wrong_options_are_refused(tmp_path: Path) -> None:
    assert "option side 4: input should be greater than or equal to 8" in refused(
        f"folders:{tmp_path}", UsageError, {"side": "4"}
    )
