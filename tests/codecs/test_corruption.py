"""A damaged blob ends in ModelError or in int8 weights of the shape its header gives: nothing else, and in bounds."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.codecs.matrices import Case, decode_rows, planes_row, random_case, storable
from tests.codecs.mutations import INTERESTING, header_fields, mutated, rebuild, with_field
from wpconvert.codecs import CODECS, decode, encode, parse
from wpconvert.errors import ModelError

Bytes = NDArray[np.uint8]

every_codec = pytest.mark.parametrize("name", CODECS)
sparse_codec = pytest.mark.parametrize("name", ["rle", "dcsr"])
FREE_NBYTES = 1 << 26
"""What a reader may allocate for a blob of any length."""


def sample_case() -> Case:
    """Empty rows, an odd number of groups and several row blocks."""
    weights = random_case((7, 40), 1, 0.6, 21).weights.copy()
    weights[2] = 0
    weights[5, 5:] = 9
    return Case(weights, block_log2=1)


POOL = storable(sample_case(), "pool").pool
"""Of the sample of codec pool; codecs without a pool do not look at it."""


def sample(name: str) -> Bytes:
    """A small blob."""
    return storable(sample_case(), name).encode(name)


def survives(raw: Bytes) -> bool:
    """Whether the blob decodes; its shape and type must fit the header, its rows decoded alone must equal the whole."""
    try:
        weights = decode(raw, POOL)
    except ModelError:
        return False
    blob = parse(raw)
    assert weights.dtype == np.int8
    assert weights.shape == blob.layout.shape
    np.testing.assert_array_equal(
        decode_rows(raw, blob.rows // 2, blob.rows, POOL), weights.reshape(blob.rows, -1)[blob.rows // 2 :]
    )
    return True


def refused(raw: Bytes, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        decode(raw, POOL)


@every_codec
def test_every_prefix_is_refused(name: str) -> None:
    raw = sample(name)
    for length in range(len(raw)):
        refused(raw[:length], "weight blob")
        if length >= 20:
            with_length = with_field(raw[:length], 16, 4, length)
            assert not survives(with_length), length


@every_codec
@pytest.mark.parametrize("extra", [1, 15, 16, 64])
def test_bytes_behind_the_blob_are_refused(name: str, extra: int) -> None:
    raw = np.append(sample(name), np.zeros(extra, np.uint8))
    refused(raw, "header says")
    assert not survives(with_field(raw, 16, 4, len(raw)))


@every_codec
def test_every_header_field_with_every_telling_value_is_refused_or_consistent(name: str) -> None:
    raw = sample(name)
    for offset, width in header_fields(raw):
        old = int.from_bytes(raw[offset : offset + width].tobytes(), "little")
        for value in {old + 1, old - 1, *INTERESTING}:
            if 0 <= value < 1 << 8 * width:
                survives(with_field(raw, offset, width, value))


# Offset, width, value: fields that never make sense with another value in this sample.
@every_codec
@pytest.mark.parametrize(
    ("offset", "width", "value"),
    [
        pytest.param(0, 4, 0x424B5058, id="magic"),
        pytest.param(4, 1, 2, id="version"),
        pytest.param(5, 1, 200, id="codec"),
        pytest.param(6, 1, 0, id="element type"),
        pytest.param(7, 1, 0, id="no row dimensions"),
        pytest.param(7, 1, 3, id="more row dimensions than dimensions"),
        pytest.param(8, 4, 8, id="rows"),
        pytest.param(12, 4, 0, id="cols"),
        pytest.param(16, 4, 0, id="nbytes"),
        pytest.param(20, 1, 0, id="no dimensions"),
        pytest.param(20, 1, 5, id="five dimensions"),
        pytest.param(21, 1, 16, id="block size"),
        pytest.param(22, 1, 9, id="section count"),
        pytest.param(23, 1, 0x80, id="flags"),
        pytest.param(36, 4, 1, id="fourth of two dimensions"),
        pytest.param(40, 4, 0xFFFFFFFF, id="section length"),
    ],
)
def test_header_field_out_of_range_is_refused(name: str, offset: int, width: int, value: int) -> None:
    refused(with_field(sample(name), offset, width, value), "weight blob")


@every_codec
def test_every_single_damaged_byte_is_refused_or_consistent(name: str) -> None:
    raw = sample(name)
    for position in range(len(raw)):
        for flip in (0x01, 0x10, 0x80, 0xFF):
            survives(with_field(raw, position, 1, int(raw[position]) ^ flip))


@every_codec
def test_random_damage_is_refused_or_consistent(name: str) -> None:
    generator = np.random.default_rng(22)
    raw = sample(name)
    outcomes = [survives(mutated(raw, generator)) for _ in range(1500)]
    assert 100 < sum(outcomes) < 1400


@every_codec
@pytest.mark.parametrize("change", [-16, -1, 1, 16])
def test_section_of_another_length_is_refused(name: str, change: int) -> None:
    blob = parse(sample(name))
    for index, section in enumerate(blob.sections):
        if len(section) < -change:
            continue
        sections = list(blob.sections)
        sections[index] = section[:change] if change < 0 else np.append(section, np.zeros(change, np.uint8))
        refused(rebuild(blob, sections), "weight blob")


@every_codec
def test_missing_or_additional_section_is_refused(name: str) -> None:
    blob = parse(sample(name))
    refused(rebuild(blob, blob.sections[:-1]), "sections")
    refused(rebuild(blob, [*blob.sections, np.zeros(0, np.uint8)]), "sections")


def with_section(raw: Bytes, index: int, position: int, value: int) -> Bytes:
    """The blob with one byte of a section replaced."""
    blob = parse(raw)
    sections = [section.copy() for section in blob.sections]
    sections[index][position] = value & 255
    return rebuild(blob, sections)


@sparse_codec
def test_row_counts_that_are_negative_or_do_not_add_up_are_refused(name: str) -> None:
    raw = sample(name)
    blob = parse(raw)
    counts = blob.sections[1].view("i1")
    mean = len(blob.sections[2]) // blob.rows
    refused(with_section(raw, 1, 0, int(counts[0]) + 1), "row counts")
    negative = blob.sections[1].copy().view("i1")
    # The sum stays: row 2 is empty, one less than none.
    negative[2] = -mean - 1
    negative[0] += 1
    refused(rebuild(blob, [blob.sections[0], negative.view(np.uint8), *blob.sections[2:]]), "row counts")


@sparse_codec
def test_row_count_width_3_is_refused(name: str) -> None:
    blob = parse(sample(name))
    refused(rebuild(blob, flags=blob.flags | 3), "row count")


@sparse_codec
def test_row_index_that_contradicts_the_counts_is_refused(name: str) -> None:
    raw = sample(name)
    index = parse(raw).sections[0]
    for position in range(len(index)):
        refused(with_section(raw, 0, position, int(index[position]) ^ 1), "row index")


@sparse_codec
def test_wider_fields_than_needed_decode_the_same(name: str) -> None:
    raw = sample(name)
    blob = parse(raw)
    index = blob.sections[0].view("<u2").astype("<u4").view(np.uint8)
    for code, dtype in ((1, "<i2"), (2, "<i4")):
        counts = blob.sections[1].view("i1").astype(dtype).view(np.uint8)
        wide = rebuild(blob, [index, counts, *blob.sections[2:]], flags=4 | code)
        np.testing.assert_array_equal(decode(wide), decode(raw))


def rle_blob(cols: int, columns: list[int]) -> Bytes:
    weights = np.zeros((1, cols), np.int8)
    weights[0, columns] = 1
    return encode("rle", weights, 1)


def test_rle_column_beyond_the_row_is_refused() -> None:
    # Steps 3, 4 of a row of 10 columns.
    raw = rle_blob(10, [3, 7])
    np.testing.assert_array_equal(decode(with_section(raw, 3, 0, 0x36)), [[0, 0, 0, 1, 0, 0, 0, 0, 0, 1]])
    refused(with_section(raw, 3, 0, 0x37), "RLE columns")


def test_rle_step_of_zero_inside_a_row_is_refused() -> None:
    refused(with_section(rle_blob(10, [3, 7]), 3, 0, 0x30), "RLE columns")


def test_rle_filler_with_a_value_is_refused() -> None:
    raw = rle_blob(40, [20, 25])
    assert bytes(parse(raw).sections[2]) == bytes([0, 1, 1])
    refused(with_section(raw, 2, 0, 1), "RLE columns")


def test_rle_filler_beyond_the_row_is_refused() -> None:
    raw = with_section(rle_blob(15, [3, 7]), 2, 1, 0)
    refused(with_section(raw, 3, 0, 0x3F), "RLE columns")


def test_rle_row_that_ends_with_a_filler_decodes() -> None:
    raw = with_section(rle_blob(30, [3, 7]), 2, 1, 0)
    decoded = decode(with_section(raw, 3, 0, 0x3F))
    assert np.flatnonzero(decoded).tolist() == [3]


def test_dcsr_minimum_that_moves_columns_out_of_the_row_is_refused() -> None:
    raw = encode("dcsr", planes_row(), 1)
    refused(with_section(raw, 3, 0, 16), "dCSR columns")
    assert np.flatnonzero(decode(with_section(raw, 3, 0, 14))).tolist() == list(range(239, 255))


def test_dcsr_column_below_zero_is_refused() -> None:
    raw = encode("dcsr", np.eye(1, 16, dtype=np.int8), 1)
    refused(with_section(raw, 3, 0, -1), "dCSR columns")


def test_dcsr_columns_out_of_order_are_refused() -> None:
    raw = encode("dcsr", np.ones((1, 16), np.int8), 1)
    refused(with_section(raw, 4, 3, 0x10), "dCSR columns")


def test_dcsr_lane_further_than_255_from_its_base_is_refused() -> None:
    # Columns 0 and 255 of 300: slope 150, deltas 0 and 105, so that the second lane is as far as it may be.
    weights = np.zeros((1, 300), np.int8)
    weights[0, [0, 255]] = 1
    raw = encode("dcsr", weights, 1)
    blob = parse(raw)
    assert blob.sections[2].tolist() == [1, 1]
    low = int(blob.sections[4][1])
    np.testing.assert_array_equal(decode(with_section(raw, 4, 1, low - 0x10)).nonzero()[1], [0, 254])
    refused(with_section(raw, 4, 1, low + 0x10), "255")


def test_dcsr_planes_without_their_masks_are_refused() -> None:
    raw = encode("dcsr", planes_row(), 1)
    refused(with_section(raw, 5, 0, 0x70), "section 6")
    refused(with_section(encode("dcsr", np.ones((1, 16), np.int8), 1), 5, 0, 0x10), "section 6")


def test_dcsr_mask_that_moves_a_lane_is_refused() -> None:
    raw = encode("dcsr", planes_row(), 1)
    refused(with_section(raw, 6, 7, int(parse(raw).sections[6][7]) ^ 0x01), "dCSR|255")


def test_dcsr_padding_lanes_and_the_missing_odd_group_are_ignored() -> None:
    weights = np.ones((1, 5), np.int8)
    blob = parse(encode("dcsr", weights, 1))
    sections = [section.copy() for section in blob.sections]
    sections[4][5:] = 0xFF
    sections[4][:5] |= 0x0F
    sections[5][0] |= 0x0F
    np.testing.assert_array_equal(decode(rebuild(blob, sections)), weights)


def bitmap_row() -> Bytes:
    """Columns 1, 8 and 10 of 11."""
    return encode("bitmap", np.bincount([1, 8, 10]).astype(np.int8)[None], 1)


def test_bitmap_bit_behind_the_last_column_is_refused() -> None:
    raw = bitmap_row()
    assert bytes(parse(raw).sections[1]) == bytes([0x02, 0x05])
    np.testing.assert_array_equal(decode(with_section(raw, 1, 1, 0x06)).nonzero()[1], [1, 9, 10])
    for bit in range(3, 8):
        refused(with_section(raw, 1, 1, 0x01 | 1 << bit), "beyond its 11 columns")


def test_bitmap_with_more_or_fewer_bits_than_values_is_refused() -> None:
    for byte in (0x00, 0x03):
        refused(with_section(bitmap_row(), 1, 0, byte), "3 values")


def test_bitmap_row_index_that_contradicts_the_bits_is_refused() -> None:
    raw = sample("bitmap")
    index = parse(raw).sections[0]
    for position in range(len(index)):
        refused(with_section(raw, 0, position, int(index[position]) ^ 1), "row index")


@pytest.mark.parametrize("flag", [0, 1, 3, 7])
def test_bitmap_has_no_flag_but_the_width_of_the_row_index(flag: int) -> None:
    blob = parse(sample("bitmap"))
    refused(rebuild(blob, flags=blob.flags | 1 << flag), "flags")


@pytest.mark.parametrize("flags", [0, 8, 4 | 5 << 3, 4 | 7 << 3, 4 | 1 << 6, 4 | 1 << 7])
def test_packed_without_bits_or_with_an_unknown_mapping_or_flag_is_refused(flags: int) -> None:
    blob = parse(encode("packed", np.arange(-8, 8, dtype=np.int8).reshape(2, 8), 1))
    assert blob.flags == 4
    refused(rebuild(blob, flags=flags), "flags|mapping")


def test_packed_codes_that_reach_beyond_127_are_refused() -> None:
    blob = parse(encode("packed", np.arange(100, 116, dtype=np.int8).reshape(2, 8), 1))
    assert (blob.flags, bytes(blob.sections[0])) == (4 | 1 << 3, b"\x64")
    highest = rebuild(blob, [np.array([112], np.uint8), blob.sections[1]])
    np.testing.assert_array_equal(decode(highest).reshape(-1), np.arange(112, 128))
    refused(rebuild(blob, [np.array([113], np.uint8), blob.sections[1]]), "exceed 127")


@pytest.mark.parametrize(("mapping", "nbytes"), list(enumerate([0, 1, 16, 48, 80])))
def test_packed_table_of_another_length_than_its_mapping_has_is_refused(mapping: int, nbytes: int) -> None:
    blob = parse(encode("packed", np.arange(-8, 7, dtype=np.int8).reshape(3, 5), 1))
    for length in (0, 1, 16, 48, 80, 256):
        raw = rebuild(blob, [np.full(length, 7, np.uint8), blob.sections[1]], flags=4 | mapping << 3)
        if length == nbytes:
            assert decode(raw).shape == (3, 5)
        else:
            refused(raw, "section 0")


def test_packed_bits_behind_the_last_code_of_a_row_are_ignored() -> None:
    weights = np.arange(-4, 2, dtype=np.int8).reshape(2, 3)
    blob = parse(encode("packed", weights, 1))
    assert [len(section) for section in blob.sections] == [0, 4]
    noisy = [blob.sections[0], blob.sections[1] | np.array([0, 0xFE, 0, 0xFE], np.uint8)]
    np.testing.assert_array_equal(decode(rebuild(blob, noisy)), weights)


def short_blob_of(shape: tuple[int, ...], name: str) -> Bytes:
    """A blob of one empty row whose header claims another shape with one row."""
    raw = storable(Case(np.zeros((1, 4), np.int8)), name).encode(name)
    cols = int(np.prod(shape, dtype=np.int64))
    raw = with_field(with_field(raw, 12, 4, cols), 20, 1, 1 + len(shape))
    for position, dim in enumerate(shape):
        raw = with_field(raw, 28 + 4 * position, 4, dim)
    return raw


@every_codec
@pytest.mark.parametrize("shape", [(1 << 31,), (1 << 20, 1 << 11), ((1 << 31) - 1,), (1 << 13, 1 << 13, 2)])
def test_short_blob_that_claims_gigabytes_is_refused_without_allocating(name: str, shape: tuple[int, ...]) -> None:
    raw = short_blob_of(shape, name)
    tracemalloc.start()
    try:
        refused(raw, "weight blob")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@sparse_codec
def test_memory_for_a_short_blob_is_bounded(name: str) -> None:
    raw = short_blob_of((FREE_NBYTES,), name)
    tracemalloc.start()
    try:
        assert decode(raw).nbytes == FREE_NBYTES
        assert tracemalloc.get_traced_memory()[1] < FREE_NBYTES + (1 << 20)
    finally:
        tracemalloc.stop()


def test_unknown_codec_names_the_ones_there_are() -> None:
    refused(with_field(sample("dense"), 5, 1, 9), "unknown codec 9, this version supports 0 .dense.")
