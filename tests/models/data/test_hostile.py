"""Damaged files end as a DataError of one line or are read: never as another exception."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from wptrain import data
from wptrain.data.draws import Key
from wptrain.data.readers.wav import read_wav
from wptrain.errors import DataError

from .makers import idx, png, wav, write_tree

NOISE = np.random.default_rng(0)


def picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(NOISE.integers(0, 256, (20, 24, 3), np.uint8)).save(buffer, kind)
    return buffer.getvalue()


GOOD = {
    "wav": wav(NOISE.integers(-9000, 9000, 200).astype(np.int16)),
    "jpg": picture("JPEG"),
    "png": picture("PNG"),
    "bmp": picture("BMP"),
}
DAMAGES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6)


def damaged(content: bytes, damages: list[tuple[float, int]], cut: float) -> bytes:
    """Bytes overwritten, more often near the beginning, where headers are; and the end cut off."""
    changed = bytearray(content)
    for place, value in damages:
        changed[int(place**3 * (len(changed) - 1))] = value
    return bytes(changed[: int(cut * len(changed))])


def survives(read: Callable[[], object]) -> None:
    try:
        read()
    except DataError as error:
        assert "\n" not in str(error)


@example([(0.34375, 1)], 1.0)
@given(DAMAGES, st.sampled_from([1.0, 1.0, 0.9, 0.2, 0.0]))
def test_recordings(tmp_path_factory: pytest.TempPathFactory, damages: list[tuple[float, int]], cut: float) -> None:
    path = tmp_path_factory.mktemp("wav") / "a.wav"
    path.write_bytes(damaged(GOOD["wav"], damages, cut))
    survives(lambda: read_wav(path, 16000))


@given(st.sampled_from(["jpg", "png", "bmp"]), DAMAGES, st.sampled_from([1.0, 1.0, 0.9, 0.2, 0.0]))
def test_images(
    tmp_path_factory: pytest.TempPathFactory, kind: str, damages: list[tuple[float, int]], cut: float
) -> None:
    names = [f"{part}/a/{index}.png" for part in ("train", "val", "test") for index in range(2)]
    files = dict.fromkeys(names, png(np.zeros((9, 9, 3), np.uint8)))
    folder = write_tree(tmp_path_factory.mktemp("images"), files)
    (folder / "train/a/1.png").write_bytes(damaged(GOOD[kind], damages, cut))
    module = data.load(f"folders:{folder}", {"side": 8, "resize": 8})
    survives(lambda: module.batch("train", np.arange(2), Key(0, 0)))
    survives(lambda: data.load(f"images:{folder}"))


@given(DAMAGES, st.sampled_from([1.0, 1.0, 0.9, 0.2, 0.0]), st.sampled_from(["images-idx3", "labels-idx1"]))
def test_idx_files(
    tmp_path_factory: pytest.TempPathFactory, damages: list[tuple[float, int]], cut: float, kind: str
) -> None:
    files = {
        f"{part}-{name}-ubyte": idx(array)
        for part in ("train", "t10k")
        for name, array in (
            ("images-idx3", np.zeros((100, 28, 28), np.uint8)),
            ("labels-idx1", np.arange(100, dtype=np.uint8) % 10),
        )
    }
    name = f"train-{kind}-ubyte"
    folder = write_tree(tmp_path_factory.mktemp("idx"), files | {name: damaged(files[name], damages, cut)})
    survives(lambda: data.load(f"mnist:{folder}"))
