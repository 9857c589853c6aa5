"""Bytes worked out by hand from the formats' definitions, and dCSR against a literal implementation of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.codecs.literal_dcsr import encode_sections
from tests.codecs.matrices import SPECIAL, Case, cases, planes_row, random_case
from wpconvert.codecs import decode, encode, parse
from wpconvert.codecs.packed import Mapping
from wpconvert.errors import ModelError


def section_sizes(name: str, case: Case) -> list[int]:
    blob = parse(encode(name, case.weights, case.row_dims, case.block_log2))
    return [section.nbytes for section in blob.sections]


def row_with(cols: int, columns: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    weights = np.zeros((1, cols), np.int8)
    weights[0, columns] = 1 + np.arange(len(columns)) % 100
    return weights


def test_dense_blob_is_its_header_and_one_byte_a_weight() -> None:
    # Header 40 + one length of 4 → 48; 5 · 7 = 35 weights → 48.
    assert encode("dense", np.ones((5, 7), np.int8), 1).nbytes == 96


def test_rle_stores_a_filler_for_every_15_columns_of_a_gap() -> None:
    # Distances 3, 17, 1, 39: one filler in the second, two in the fourth; 4 + 3 elements, 3.5 bytes of steps.
    weights = row_with(64, [3, 20, 21, 60])
    assert section_sizes("rle", Case(weights)) == [2, 1, 7, 4]
    # Header 40 + 4 · 4 → 64, four sections of 16.
    assert encode("rle", weights, 1).nbytes == 128
    blob = parse(encode("rle", weights, 1))
    assert bytes(blob.sections[2]) == bytes([1, 0, 2, 3, 0, 0, 4])
    assert bytes(blob.sections[3]) == bytes([0x3F, 0x21, 0xFF, 0x90])


@pytest.mark.parametrize(("distance", "elements"), [(14, 1), (15, 2), (16, 2), (29, 2), (30, 3), (45, 4)])
def test_rle_elements_of_a_first_column(distance: int, elements: int) -> None:
    assert section_sizes("rle", Case(row_with(64, [distance])))[2] == elements


def test_bitmap_stores_whole_bytes_of_bits_a_row_and_the_values() -> None:
    weights = np.concatenate([row_with(11, [0, 8, 10]), row_with(11, [3])])
    # Index 2, two bytes of bits a row, four values; header 40 + 3 · 4 → 64, three sections of 16.
    assert section_sizes("bitmap", Case(weights)) == [2, 4, 4]
    assert encode("bitmap", weights, 1).nbytes == 112
    blob = parse(encode("bitmap", weights, 1))
    assert bytes(blob.sections[1]) == bytes([0b1, 0b101, 0b1000, 0])
    assert bytes(blob.sections[2]) == bytes([1, 2, 3, 1])


@given(case=cases())
@settings(max_examples=100, deadline=None)
def test_bitmap_grows_by_a_bit_a_weight_and_four_bytes_a_block_at_most(case: Case) -> None:
    rows, cols = case.matrix.shape
    blocks = -(-rows // (1 << case.block_log2))
    least = np.count_nonzero(case.matrix) + rows * -(-cols // 8)
    assert encode("bitmap", case.weights, case.row_dims, case.block_log2).nbytes <= least + 4 * blocks + 64 + 3 * 15


@pytest.mark.parametrize("bits", range(1, 8))
def test_packed_codes_are_the_bits_of_a_row_lowest_first(bits: int) -> None:
    codes = np.random.default_rng(bits).integers(0, 1 << bits, (5, 13))
    codes[0, :2] = 0, (1 << bits) - 1
    blob = parse(encode("packed", (codes - (1 << bits - 1)).astype(np.int8), 1))
    assert blob.flags == bits
    expected = b""
    for row in codes.tolist():
        expected += sum(code << bits * column for column, code in enumerate(row)).to_bytes(-(-13 * bits // 8), "little")
    assert [bytes(section) for section in blob.sections] == [b"", expected]


def mapping_of(weights: NDArray[np.int8], row_dims: int = 1) -> tuple[Mapping, int]:
    """The mapping and the bits a weight that the encoder takes."""
    raw = encode("packed", weights, row_dims)
    np.testing.assert_array_equal(decode(raw), weights)
    flags = parse(raw).flags
    return Mapping(flags >> 3), flags & 7


def test_packed_takes_the_smallest_mapping() -> None:
    generator = np.random.default_rng(1)
    codes = generator.integers(0, 16, (60, 300))
    tables = np.stack([generator.permutation(256)[:16] for _ in range(300)]).astype(np.uint8).view(np.int8)
    assert mapping_of((codes - 8).astype(np.int8)) == (Mapping.SIGNED, 4)
    assert mapping_of((codes + 100).astype(np.int8)) == (Mapping.OFFSET, 4)
    assert mapping_of(tables[0][codes]) == (Mapping.TABLE, 4)
    assert mapping_of(np.take_along_axis(tables[:60], codes, axis=1)) == (Mapping.ROW_TABLES, 4)
    by_tap = np.take_along_axis(tables, codes.T, axis=1).T.reshape(1, 10, 6, 300)
    assert mapping_of(by_tap, 3) == (Mapping.COLUMN_TABLES, 4)


def test_packed_counts_the_table() -> None:
    # Five bits as integers, one through a table of 16 bytes: with one row of 8 and one of 200 columns.
    few = np.array([-15, 15], np.int8)[np.arange(208) % 2]
    assert mapping_of(few[None, :8]) == (Mapping.SIGNED, 5)
    assert mapping_of(few[None, 8:]) == (Mapping.TABLE, 1)


def test_packed_refuses_values_that_no_seven_bits_hold() -> None:
    with pytest.raises(ModelError, match=r"its values \(-128 to 127\) do not fit 7-bit codes"):
        encode("packed", np.tile(np.arange(-128, 128), (2, 2)).astype(np.int8), 1)


@given(case=cases())
@settings(max_examples=100, deadline=None)
def test_packed_needs_seven_eighths_of_a_byte_a_weight_at_most(case: Case) -> None:
    rows, cols = case.matrix.shape
    weights = case.weights >> 1
    assert encode("packed", weights, case.row_dims).nbytes <= 48 + -(-(rows * -(-7 * cols // 8)) // 16) * 16


def test_dcsr_of_evenly_spaced_columns_needs_no_extension_planes() -> None:
    # Every third of 60 columns and every fourth of 60: 20 and 15 elements, 2 + 1 groups, deltas all 0.
    weights = np.zeros((2, 60), np.int8)
    weights[0, ::3] = 5
    weights[1, ::4] = 6
    # Index 3 · 2, counts 2 · 1, values 35, minima 3, nibbles 16 · 2, planes 2, no masks.
    assert section_sizes("dcsr", Case(weights)) == [6, 2, 35, 3, 32, 2, 0]
    # Header 40 + 7 · 4 → 80, then 16 + 16 + 48 + 16 + 32 + 16 + 0.
    assert encode("dcsr", weights, 1).nbytes == 224


def test_dcsr_group_with_deltas_up_to_225_has_all_four_planes() -> None:
    # 16 elements in the last 16 of 256 columns: slope 16, base 240 − 225, deltas 225 − 15 · lane.
    assert section_sizes("dcsr", Case(planes_row())) == [6, 1, 16, 1, 16, 1, 8]
    blob = parse(encode("dcsr", planes_row(), 1))
    deltas = [225 - 15 * lane for lane in range(16)]
    assert bytes(blob.sections[3]) == bytes([15])
    assert bytes(blob.sections[4]) == bytes((delta & 15) << 4 for delta in deltas)
    assert bytes(blob.sections[5]) == b"\xf0"
    masks = [sum((delta >> bit & 1) << lane for lane, delta in enumerate(deltas)) for bit in range(4, 8)]
    assert blob.sections[6].view("<u2").tolist() == masks


def test_dcsr_row_index_has_an_entry_per_block_and_counts_are_relative_to_the_mean() -> None:
    weights = np.zeros((6, 32), np.int8)
    for row, count in enumerate([4, 4, 20, 0, 1, 7]):
        weights[row, :count] = 1
    blob = parse(encode("dcsr", weights, 1, 1))
    # 36 elements in 6 rows: mean 6.
    assert blob.sections[1].view("i1").tolist() == [-2, -2, 14, -6, -5, 1]
    index = blob.sections[0].view("<u2").reshape(3, 3)
    assert index[:, :2].tolist() == [[0, 0], [8, 2], [28, 4]]


def test_dcsr_reaches_a_far_weight_with_a_zero_in_every_tenth_column_at_most() -> None:
    case = SPECIAL["single weight in column 99,999"]
    values = section_sizes("dcsr", case)[2]
    # A group of 16 elements spans at most 255 columns.
    assert 99_999 // 17 <= values <= 99_999 // 10


@given(rows=st.integers(1, 12), cols=st.integers(1, 220), density=st.floats(0.05, 1), seed=st.integers(0, 2**16))
@settings(max_examples=150, deadline=None)
def test_dcsr_sections_equal_the_literal_encoding(rows: int, cols: int, density: float, seed: int) -> None:
    matrix = random_case((rows, cols), 1, density, seed).weights
    expected = encode_sections(matrix.tolist())
    assume(expected is not None)
    blob = parse(encode("dcsr", matrix, 1))
    assert [bytes(section) for section in blob.sections[2:]] == expected
