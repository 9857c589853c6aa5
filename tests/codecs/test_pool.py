"""Pool tensors field by field, blobs of codec pool built by hand, and what makes no sense in either."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.codecs.mutations import rebuild, with_field
from tests.support.pools import Pooled, random_pool
from wpconvert.codecs import Lut, Pool, decode, encode, parse, pool_table
from wpconvert.errors import ModelError

Bytes = NDArray[np.uint8]


def tensor(size: int = 3, lut_bits: int = 8, lut_shift: int = 0, lut: Lut = Lut.FLASH) -> Bytes:
    return random_pool(np.random.default_rng(1), size, lut_bits, lut_shift, lut).pack()


def refused(raw: Bytes, match: str) -> None:
    with pytest.raises(ModelError, match=match):
        pool_table.unpack(raw)


def literal_entry(vector: list[int], pattern: int, lut_shift: int) -> int:
    total = sum(element for j, element in enumerate(vector) if pattern >> j & 1)
    return (total + (1 << lut_shift) // 2) // (1 << lut_shift)


@given(
    size=st.integers(1, 40) | st.just(256),
    bits=st.sampled_from([4, 8, 16]),
    lut=st.sampled_from(Lut),
    seed=st.integers(0, 2**16),
    shift=st.integers(0, 7),
)
@settings(max_examples=80, deadline=None)
def test_what_is_packed_is_unpacked(size: int, bits: int, lut: Lut, seed: int, shift: int) -> None:
    pool = random_pool(np.random.default_rng(seed), size, bits, shift if bits == 4 and lut else 0, lut)
    raw = pool.pack()
    assert raw.nbytes % 16 == 0
    again = pool_table.unpack(raw)
    np.testing.assert_array_equal(again.vectors, pool.vectors)
    assert (again.lut_bits, again.lut_shift, again.lut) == (pool.lut_bits, pool.lut_shift, pool.lut)


@pytest.mark.parametrize(("bits", "shift"), [(4, 0), (4, 3), (4, 7), (8, 0), (16, 0)])
def test_the_stored_table_is_the_one_worked_out_by_hand(bits: int, shift: int) -> None:
    pool = random_pool(np.random.default_rng(bits), 5, bits, shift, Lut.FLASH)
    stored = pool.pack()[64:].tobytes()
    number = int.from_bytes(stored, "little")
    fields = [number >> bits * at & (1 << bits) - 1 for at in range(256 * 8)]
    half = 1 << bits - 1
    expected = [
        half + (literal_entry(pool.vectors[s].tolist(), pattern, shift) if s < 5 else 0)
        for pattern in range(256)
        for s in range(8)
    ]
    assert fields == expected
    assert len(stored) == 256 * bits


def test_the_header_is_what_the_document_says() -> None:
    pool = Pool(np.arange(-12, 12).astype(np.int8).reshape(3, 8), lut_bits=4, lut_shift=5, lut=Lut.RAM)
    raw = pool.pack().tobytes()
    assert raw == b"WPKP\x01\x04\x05\x01\x03\x00" + bytes(6) + bytes(v % 256 for v in range(-12, 12)) + bytes(8)


@pytest.mark.parametrize("lut", Lut)
@pytest.mark.parametrize(
    ("offset", "width", "value", "match"),
    [
        pytest.param(0, 4, 0x424B5057, "magic", id="magic of a blob"),
        pytest.param(4, 1, 0, "version", id="version 0"),
        pytest.param(4, 1, 2, "version", id="version 2"),
        *(pytest.param(5, 1, bits, "bits", id=f"entries of {bits} bits") for bits in (0, 1, 7, 9, 32)),
        pytest.param(6, 1, 1, "divided", id="shift with 8 bits"),
        pytest.param(7, 1, 3, "kind 3", id="kind of table"),
        pytest.param(8, 2, 0, "0 vectors", id="no vectors"),
        pytest.param(8, 2, 257, "257 vectors", id="257 vectors"),
        pytest.param(8, 2, 0xFFFF, "65535 vectors", id="most vectors"),
        *(pytest.param(at, 1, 1, "reserved", id=f"reserved byte {at}") for at in range(10, 16)),
    ],
)
def test_header_field_out_of_range_is_refused(lut: Lut, offset: int, width: int, value: int, match: str) -> None:
    refused(with_field(tensor(lut=lut), offset, width, value), match)


def test_shift_of_more_than_seven_is_refused() -> None:
    raw = tensor(lut_bits=4, lut_shift=7, lut=Lut.RAM)
    refused(with_field(raw, 6, 1, 8), "at most 2.7")


def test_rounded_entries_without_a_table_are_refused() -> None:
    refused(with_field(tensor(lut_bits=4, lut_shift=3, lut=Lut.RAM), 7, 1, 0), "rounded entries need a look-up table")


@pytest.mark.parametrize("lut", Lut)
def test_tensor_of_another_length_is_refused(lut: Lut) -> None:
    raw = tensor(lut=lut)
    for length in {0, 1, 15, 16, 39, 40, 48, 47, len(raw) - 16, len(raw) - 1} - {len(raw)}:
        refused(raw[:length], "weight pool")
    for extra in (1, 15, 16, 2048):
        refused(np.append(raw, np.zeros(extra, np.uint8)), "bytes")


def test_another_number_of_vectors_than_there_are_bytes_for_is_refused() -> None:
    # Three vectors end in the middle of 16 bytes, which therefore hold four as well.
    raw = tensor(3, lut=Lut.RAM)
    assert pool_table.unpack(with_field(raw, 8, 2, 4)).size == 4
    for size in (1, 2, 5, 256):
        refused(with_field(raw, 8, 2, size), "bytes")


@pytest.mark.parametrize("lut", Lut)
@pytest.mark.parametrize(("bits", "shift", "extreme"), [(4, 0, 7), (4, 0, -8), (8, 0, 127), (8, 0, -128)])
def test_sums_that_do_not_fit_an_entry_are_refused_wherever_the_table_is(
    bits: int, shift: int, extreme: int, lut: Lut
) -> None:
    assert_last_sum(bits, shift, extreme, lut)


# (479 + 32) / 64 is just below 8, (−544 + 32) / 64 is −8.
@pytest.mark.parametrize("lut", [Lut.RAM, Lut.FLASH])
@pytest.mark.parametrize("extreme", [479, -544])
def test_rounded_sums_that_do_not_fit_an_entry_are_refused(extreme: int, lut: Lut) -> None:
    assert_last_sum(4, 6, extreme, lut)


def assert_last_sum(bits: int, shift: int, extreme: int, lut: Lut) -> None:
    """A vector of that sum makes a pool, the next one does not."""
    sign = 1 if extreme > 0 else -1
    vectors = np.zeros((2, 8), np.int8)
    vectors[1] = [sign * (abs(extreme) // 8 + (j < abs(extreme) % 8)) for j in range(8)]
    assert vectors[1].sum() == extreme
    fits = Pool(vectors, bits, shift, lut)
    np.testing.assert_array_equal(pool_table.unpack(fits.pack()).vectors, vectors)
    beyond = vectors.copy()
    beyond[1, 7] += sign
    with pytest.raises(ModelError, match=rf"vector 1 .* do not fit {bits} bits"):
        Pool(beyond, bits, shift, lut)
    refused(with_field(fits.pack(), 16 + 15, 1, int(beyond[1, 7]) & 255), "vector 1")


def test_entries_of_16_bits_hold_any_vector() -> None:
    vectors = np.array([[-128] * 8, [127] * 8], np.int8)
    assert pool_table.unpack(Pool(vectors, 16, lut=Lut.FLASH).pack()).entries()[255].tolist() == [-1024, 1016]


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_every_byte_of_a_stored_table_is_checked(bits: int) -> None:
    raw = tensor(5, bits)
    for position in range(64, len(raw)):
        damaged = raw.copy()
        damaged[position] ^= 1 << position % 8
        refused(damaged, "stored look-up table")


def test_bytes_between_vectors_and_table_are_ignored() -> None:
    raw = tensor(3)
    raw[40:48] = 0xFF
    np.testing.assert_array_equal(pool_table.unpack(raw).pack()[:40], raw[:40])


def test_vectors_of_another_length_make_no_pool() -> None:
    for shape in ((0, 8), (257, 8), (3, 7), (24,)):
        with pytest.raises(ModelError, match="expected 1 to 256 of 8"):
            Pool(np.zeros(shape, np.int8), 8)


FIVE = Pool(np.arange(40).astype(np.int8).reshape(5, 8), 16)


def test_indices_are_the_bits_of_a_row_lowest_first_groups_of_a_tap_side_by_side() -> None:
    index = np.array([[[0, 1], [2, 3], [4, 0]], [[4, 4], [0, 0], [1, 2]]], np.uint8)
    weights = Pooled(FIVE, index, (2, 1, 3, 10)).weights
    blob = parse(encode("pool", weights, 1, side=FIVE))
    rows = [sum(int(i) << 3 * at for at, i in enumerate(row.reshape(-1))) for row in index]
    assert (blob.flags, bytes(blob.sections[0])) == (3, b"".join(row.to_bytes(3, "little") for row in rows))
    assert weights[0, 0, 1].tolist() == [*range(16, 24), 24, 25]


@pytest.mark.parametrize(("size", "bits"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (128, 7), (129, 8), (256, 8)])
def test_an_index_has_as_many_bits_as_the_pool_needs(size: int, bits: int) -> None:
    pool = random_pool(np.random.default_rng(size), size)
    assert parse(encode("pool", pool.vectors, 1, side=pool)).flags == bits


def test_the_first_of_equal_vectors_is_taken() -> None:
    pool = replace(FIVE, vectors=np.repeat(FIVE.vectors, 2, axis=0))
    blob = parse(encode("pool", FIVE.vectors, 1, side=pool))
    assert blob.sections[0].tolist() == [0, 2, 4, 6, 8]


def test_a_group_that_is_not_full_is_found_by_the_channels_it_has() -> None:
    weights = FIVE.vectors[[3, 1], :5]
    raw = encode("pool", weights, 1, side=FIVE)
    np.testing.assert_array_equal(decode(raw, FIVE), weights)


def test_weights_that_are_no_vectors_of_the_pool_are_named() -> None:
    weights = np.zeros((2, 1, 2, 12), np.int8)
    weights[...] = np.concatenate([FIVE.vectors[2], FIVE.vectors[1, :4]])
    weights[1, 0, 1, 11] += 1
    with pytest.raises(ModelError, match=r"row 1, tap 1, channels from 8: \[8, 9, 10, 12, 0.* not one of the 5"):
        encode("pool", weights, 1, side=FIVE)


def test_a_blob_without_its_pool_is_refused_and_makes_none() -> None:
    raw = encode("pool", FIVE.vectors, 1, side=FIVE)
    with pytest.raises(ModelError, match="needs a weight pool"):
        decode(raw)
    with pytest.raises(ModelError, match="needs a weight pool"):
        encode("pool", FIVE.vectors, 1)


@pytest.mark.parametrize(("shape", "row_dims"), [((40,), 1), ((5, 1, 8), 1), ((5, 8), 2), ((1, 1, 5, 8), 3)])
def test_weights_of_other_operators_are_refused(shape: tuple[int, ...], row_dims: int) -> None:
    weights = FIVE.vectors.reshape(shape)
    with pytest.raises(ModelError, match="CONV_2D and FULLY_CONNECTED"):
        encode("pool", weights, row_dims, side=FIVE)
    blob = parse(encode("dense", weights, row_dims))
    with pytest.raises(ModelError, match="CONV_2D and FULLY_CONNECTED"):
        decode(rebuild(replace(blob, codec=6), [np.zeros(2, np.uint8)], flags=3), FIVE)


@pytest.mark.parametrize("bits", [0, 9, 15, 16 | 3, 128 | 3])
def test_indices_of_no_bits_or_more_than_eight_and_unknown_flags_are_refused(bits: int) -> None:
    blob = parse(encode("pool", FIVE.vectors, 1, side=FIVE))
    with pytest.raises(ModelError, match=r"indices of|flags"):
        decode(rebuild(blob, flags=bits), FIVE)


def test_an_index_that_the_pool_lacks_is_refused() -> None:
    blob = parse(encode("pool", FIVE.vectors, 1, side=FIVE))
    assert blob.sections[0].tolist() == [0, 1, 2, 3, 4]
    for index in (5, 6, 7):
        with pytest.raises(ModelError, match=f"index {index}, but the pool has 5"):
            decode(rebuild(blob, [np.array([0, 1, index, 3, 4], np.uint8)]), FIVE)
    ignored = rebuild(blob, [blob.sections[0] | np.uint8(0xF8)])
    np.testing.assert_array_equal(decode(ignored, FIVE), FIVE.vectors)
