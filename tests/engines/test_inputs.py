"""Sample inputs: random ones cover the input's range; those of a file are checked, converted and noted."""

from __future__ import annotations

import contextlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.models import ModelBuilder
from wpconvert.engines.inputs import Inputs, load_samples, ports_of, random_inputs
from wpconvert.errors import FileError, UnsupportedError, UsageError
from wpconvert.formats.tflite.model import TfliteModel
from wpconvert.formats.tflite.schema import options


def model(*inputs: tuple[tuple[int, ...], str], scale: float | None = 0.5) -> TfliteModel:
    b = ModelBuilder()
    for shape, dtype in inputs or [((1, 4), "int8")]:
        b.output(b.input(shape, scale if dtype == "int8" else None, -2 if dtype == "int8" else 0, dtype))
    return b.build()


def save(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def load_inputs(path: Path, of: TfliteModel) -> Inputs:
    return load_samples(path, ports_of(of))


def test_random_inputs_are_the_same_for_the_same_seed_and_cover_the_type() -> None:
    first, again, other = (random_inputs(model(((1, 3000), "int8")), 2, seed).samples for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0][0], first[1][0])
    assert (first[0][0].min(), first[0][0].max()) == (-128, 127)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "int64", "float32", "float16", "bool"])
def test_random_inputs_have_the_inputs_type_and_shape(dtype: str) -> None:
    (value,) = random_inputs(model(((2, 3), dtype)), 1, 0).samples[0]
    assert (value.dtype, value.shape) == (np.dtype(dtype), (2, 3))


def test_random_floats_cover_the_range_of_the_quantisation_behind_them() -> None:
    b = ModelBuilder()
    x = b.input((1, 2000), dtype="float32")
    b.output(b.op("QUANTIZE", [x], [b.tensor((1, 2000), "int8", 0.5, -28)], options("QuantizeOptions")))
    (value,) = random_inputs(b.build(), 1, 0).samples[0]
    assert -50 <= value.min() < -49 and 76 < value.max() <= 77.5


@pytest.mark.parametrize("shape", [(3, 4), (3, 1, 4), (1, 4)])
def test_samples_come_first_and_a_batch_of_one_may_be_left_out(shape: tuple[int, ...], tmp_path: Path) -> None:
    values = np.arange(np.prod(shape), dtype=np.int8).reshape(shape)
    loaded = load_inputs(save(tmp_path / "x.npz", anything=values), model())
    assert len(loaded.samples) == (3 if shape[0] == 3 else 1)
    assert np.array_equal(np.concatenate([s[0] for s in loaded.samples]), values.reshape(-1, 4))
    assert loaded.notes == () and loaded.labels is None


def test_scalar_inputs_take_scalars_and_vectors(tmp_path: Path) -> None:
    scalar = model(((), "int8"))
    assert len(load_inputs(save(tmp_path / "a.npz", x=np.int8(3)), scalar).samples) == 1
    assert len(load_inputs(save(tmp_path / "b.npz", x=np.arange(3, dtype=np.int8)), scalar).samples) == 3


def test_other_types_are_converted_and_noted(tmp_path: Path) -> None:
    loaded = load_inputs(save(tmp_path / "x.npz", x=np.array([[0, 128, 200, 255]], np.uint8)), model())
    assert loaded.samples[0][0].tolist() == [[-128, 0, 72, 127]]
    assert "shifted by 128" in loaded.notes[0]
    loaded = load_inputs(save(tmp_path / "y.npz", x=np.array([[0.0, 0.74, -1.0, 1e9]])), model())
    assert loaded.samples[0][0].tolist() == [[-2, -1, -4, 127]]
    assert "quantised" in loaded.notes[0]


def test_several_inputs_are_found_by_name(tmp_path: Path) -> None:
    two = model(((1, 4), "int8"), ((1, 2), "int8"))
    arrays = {"input_1": np.zeros((3, 2), np.int8), "input_0": np.ones((3, 4), np.int8)}
    loaded = load_inputs(save(tmp_path / "x.npz", **arrays, labels=np.arange(3)), two)
    assert [value.shape for value in loaded.samples[0]] == [(1, 4), (1, 2)]
    assert loaded.labels is not None and loaded.labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros((1, 4), np.int8), "b": np.zeros((1, 4), np.int8)}, "no array for input 'input_0', found a, b"),
        ({}, "no array for input 'input_0', found none"),
        ({"x": np.zeros((2, 5), np.int8)}, r"has shape \[2, 5\], expected samples of shape \[1, 4\]"),
        ({"x": np.int8(1)}, r"has shape \[\]"),
        ({"x": np.zeros((2, 4), np.int32)}, "is int32, expected int8"),
        ({"x": np.zeros((2, 4), np.complex64)}, "is complex64"),
        ({"x": np.array([["a"] * 4])}, "expected int8"),
        ({"x": np.full((1, 4), np.nan)}, "not finite"),
        ({"x": np.zeros((2, 4), np.int8), "labels": np.arange(3)}, "different numbers of samples"),
        ({"x": np.zeros((2, 4), np.int8), "labels": np.array(["a", "b"])}, "labels have type <U1, expected integers"),
        ({"x": np.zeros((2, 4), np.int8), "labels": np.zeros(2)}, "labels have type float64"),
        ({"x": np.zeros((2, 4), np.int8), "labels": np.zeros((2, 1), int)}, "different numbers of samples"),
    ],
)
def test_arrays_that_do_not_fit_are_usage_errors(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        load_inputs(save(tmp_path / "x.npz", **arrays), model())


def test_labels_for_a_model_without_inputs_do_not_fit(tmp_path: Path) -> None:
    b = ModelBuilder()
    b.output(b.constant(np.zeros(3, np.int8)))
    loaded = load_inputs(save(tmp_path / "x.npz", labels=np.arange(2)), b.build())
    assert loaded.samples == []


def test_files_that_are_no_archive_are_file_errors(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.save(tmp_path / "x.npy", np.zeros((1, 4), np.int8))
    objects = save(tmp_path / "o.npz", x=np.array([{}], object))
    for content in (b"", b"text", bytes(100), (tmp_path / "x.npy").read_bytes(), objects.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(FileError, match="cannot read the inputs"):
            load_inputs(path, model())
    with pytest.raises(FileError):
        load_inputs(tmp_path / "missing.npz", model())


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damaged_archives_are_read_or_refused(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("npz") / "x.npz"
    raw = bytearray(save(path, x=np.arange(64, dtype=np.int8).reshape(16, 4)).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(raw))
    with contextlib.suppress(FileError, UsageError):
        load_inputs(path, model())


def test_encrypted_and_oddly_compressed_archives_are_file_errors(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    for flags, method in ((1, 0), (0, 99)):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", b"abc")
        raw = bytearray(path.read_bytes())
        for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            at = raw.index(signature)
            raw[at + offset], raw[at + offset + 2] = flags, method
        path.write_bytes(bytes(raw))
        with pytest.raises(FileError):
            load_inputs(path, model())


def test_inputs_too_large_to_make_and_of_unknown_types_are_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="too large"):
        random_inputs(model(((1 << 16, 1 << 15), "int8")), 1, 0)
    odd = model()
    odd.root.subgraphs[0].tensors[0].type = 5
    with pytest.raises(UnsupportedError, match="has type STRING"):
        random_inputs(odd, 1, 0)
