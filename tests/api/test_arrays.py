"""`wpconvert.encode`, `decode` and `sizes`: any int8 array comes back, and what cannot be stored is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import wpconvert
from tests.codecs.matrices import Case, cases, random_case, storable
from wpconvert.codecs import CODECS, STANDALONE
from wpconvert.errors import FileError, ModelError, UsageError

POOLED = storable(random_case((16, 3, 3, 20), 1, 0.5, 5), "pool").weights


@given(case=cases())
def test_any_array_comes_back_from_every_method_that_can_hold_it(case: Case) -> None:
    found = wpconvert.sizes(case.weights, row_dims=case.row_dims)
    assert set(found.methods) | set(found.reasons) == set(CODECS)
    assert set(STANDALONE) - {"packed"} <= set(found.methods)
    for method, nbytes in found.methods.items():
        encoded = wpconvert.encode(case.weights, method, row_dims=case.row_dims)
        assert encoded.nbytes == found[method] == nbytes
        assert encoded.dense_nbytes == found.dense_nbytes == case.weights.nbytes
        assert np.array_equal(wpconvert.decode(encoded), case.weights)
    for method, reason in found.reasons.items():
        with pytest.raises(ModelError) as refused:
            wpconvert.encode(case.weights, method, row_dims=case.row_dims)
        assert str(refused.value) == reason


def test_a_pool_holds_what_is_made_of_few_vectors() -> None:
    encoded = wpconvert.encode(POOLED, "pool")
    assert encoded.side is not None
    assert encoded.nbytes == len(encoded.data) + len(encoded.side)
    assert np.array_equal(wpconvert.decode(encoded.data, side=encoded.side), POOLED)
    with pytest.raises(ModelError, match="needs a weight pool"):
        wpconvert.decode(encoded.data)


def test_blobs_are_taken_in_any_form(tmp_path: Path) -> None:
    weights = random_case((8, 40), 1, 0.3, 6).weights
    path = tmp_path / "weights.bin"
    encoded = wpconvert.encode(weights, "dcsr", output=path)
    assert path.read_bytes() == bytes(encoded) == encoded.data
    data = encoded.data
    for blob in (data, bytearray(data), memoryview(data), np.frombuffer(data, np.uint8), path, str(path)):
        assert np.array_equal(wpconvert.decode(blob), weights)


def test_an_array_in_any_memory_order_is_the_same_array() -> None:
    weights = random_case((12, 5, 4), 1, 0.5, 7).weights
    stored = wpconvert.encode(weights, "rle").data
    assert wpconvert.encode(np.asfortranarray(weights), "rle").data == stored
    assert wpconvert.encode(np.repeat(weights, 2, axis=0)[::2], "rle").data == stored


def test_only_what_output_names_is_written(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", POOLED)
    encoded = wpconvert.encode(tmp_path / "x.npy", "pool")
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]
    assert encoded.written == ()
    encoded = wpconvert.encode(tmp_path / "x.npy", "pool", output=tmp_path / "x.bin")
    assert encoded.written == (str(tmp_path / "x.bin"), str(tmp_path / "x.pool"))
    assert np.array_equal(wpconvert.decode(tmp_path / "x.bin", side=tmp_path / "x.pool"), POOLED)


@pytest.mark.parametrize(
    ("array", "row_dims", "error", "said"),
    [
        (np.zeros((2, 3), np.float32), 1, UsageError, "float32, expected int8"),
        (np.zeros((2, 3), np.uint8), 1, UsageError, "uint8, expected int8"),
        (np.zeros((), np.int8), 1, ModelError, "expected 1 to 4 dimensions"),
        (np.zeros((1, 1, 1, 1, 1), np.int8), 1, ModelError, "expected 1 to 4 dimensions"),
        (np.zeros((3, 0), np.int8), 1, ModelError, "a blob holds 1 to"),
        (np.zeros((2, 3), np.int8), 3, ModelError, "with 3 row dimensions"),
        (np.zeros((2, 3), np.int8), 0, ModelError, "with 0 row dimensions"),
    ],
)
def test_what_is_no_array_of_weights_is_refused(
    array: np.ndarray[tuple[int, ...], np.dtype[np.int8]], row_dims: int, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        wpconvert.sizes(array, row_dims=row_dims)
    with pytest.raises(error, match=said):
        wpconvert.encode(array, "dense", row_dims=row_dims)


def test_wrong_names_and_files_are_refused(tmp_path: Path) -> None:
    weights, path = np.eye(4, dtype=np.int8), tmp_path / "x.npy"
    np.save(path, weights)
    with pytest.raises(UsageError, match="unknown method 'zip', expected one of dense"):
        wpconvert.encode(weights, "zip")
    with pytest.raises(UsageError, match="given twice"):
        wpconvert.encode(path, "dense", output=path)
    with pytest.raises(UsageError, match="given twice"):
        wpconvert.encode(weights, "dense", output=tmp_path / "x.h", to_c=tmp_path / "x.c")
    with pytest.raises(UsageError, match="suffix must be"):
        wpconvert.encode(weights, "dense", to_c=tmp_path / "x.txt")
    with pytest.raises(FileError, match="No such file"):
        wpconvert.sizes(tmp_path / "missing.npy")
    with pytest.raises(FileError, match="No such file"):
        wpconvert.decode(tmp_path / "missing.bin")
    assert [each.name for each in tmp_path.iterdir()] == ["x.npy"]


def test_files_that_are_no_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "whole.npy", np.zeros((40, 40), np.int8))
    whole = (tmp_path / "whole.npy").read_bytes()
    np.savez(tmp_path / "many.npz", np.zeros(3, np.int8))
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    large = whole.replace(b"(40, 40), }" + 14 * b" ", b"(999999999, 999999999), }")
    assert len(large) == len(whole) and large != whole
    files = {
        "text.npy": b"weights",
        "empty.npy": b"",
        "many.npz": (tmp_path / "many.npz").read_bytes(),
        "objects.npy": (tmp_path / "objects.npy").read_bytes(),
        "large.npy": large,
        **{f"cut{length}.npy": whole[:length] for length in (6, 8, 9, 10, 64, 127, 128, 1000)},
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FileError, match=f"{name}: cannot read the array"):
            wpconvert.sizes(tmp_path / name)


@given(case=cases())
def test_damaged_blobs_are_refused_or_decode(case: Case) -> None:
    data = bytearray(wpconvert.encode(case.weights, "huffman", row_dims=case.row_dims).data)
    data[case.weights.nbytes % len(data)] ^= 1 + case.weights.size % 255
    with suppress(wpconvert.WpconvertError):
        assert wpconvert.decode(data).dtype == np.int8


def test_results_can_be_read() -> None:
    weights = np.zeros((4, 2048), np.int8)
    weights[:, ::16] = 3
    encoded, found = wpconvert.encode(weights, "bitmap"), wpconvert.sizes(weights)
    shown = f"bitmap, 4×2048, 8,192 → {encoded.nbytes:,} bytes"
    assert repr(encoded).startswith(f"<Encoded: {shown}")
    assert str(encoded).startswith(shown)
    assert shown in encoded._repr_html_()
    assert json.loads(encoded.to_json())["nbytes"] == encoded.nbytes
    assert "93.8 % zeros" in repr(found)
    assert f"{found[found.smallest]:,}" in str(found)
    assert json.loads(found.to_json())["methods"] == found.methods
    assert found[found.smallest] == min(found.methods.values())
    # −Σ p log2 p of 1/16 and 15/16.
    assert found.entropy == pytest.approx(0.3372901)
    assert found.bound == 346


def test_html_shows_names_and_obeys_none(tmp_path: Path) -> None:
    place = tmp_path / "<b>[red]x.bin"
    shown = wpconvert.encode(np.eye(9, dtype=np.int8), "rle", output=place)._repr_html_()
    assert "&lt;b&gt;[red]x.bin" in shown
    assert "<b>" not in shown


@pytest.mark.parametrize("value", [None, 3, [[1, 2]]], ids=repr)
def test_other_types_are_refused(value: Any) -> None:
    with pytest.raises(UsageError, match=r"expected an int8 array or the path of an \.npy file, found"):
        wpconvert.sizes(value)
    with pytest.raises(UsageError, match="expected the bytes or the path of a blob, found"):
        wpconvert.decode(value)
