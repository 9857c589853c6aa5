"""The requantisation table: its bytes are those of docs/FORMAT.md, and a table that is not consistent is refused."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from wpconvert.errors import ModelError
from wpconvert.graph.arithmetic import output_multipliers
from wpconvert.graph.custom.table import RequantTable, unpack

HEADER_NBYTES, TAIL_NBYTES = 28, 4

TABLE = RequantTable(
    np.array([1, -2, 3], np.int32),
    np.array([1 << 30, 0, (1 << 31) - 1], np.int32),
    np.array([-31, 0, 30], np.int8),
    -3,
    5,
    -128,
    127,
    True,
)


def test_packed_table_is_laid_out_as_the_format_says() -> None:
    expected = struct.pack("<4sBBBBBbbbbbHIii", b"WPRQ", 2, 1, 3, 31, 6, -31, -3, 5, -128, 127, 0, 3, -2, 0)
    expected += bits((3, 3), (0, 3), (5, 3))
    expected += bits((1 << 30, 31), (0, 31), ((1 << 31) - 1, 31))
    expected += bits((0, 6), (31, 6), (61, 6)) + bytes(TAIL_NBYTES)
    assert TABLE.pack().tobytes() == expected


def bits(*fields: tuple[int, int]) -> bytes:
    """Values and their widths, the first in the lowest bits, zeros behind."""
    stream, at = 0, 0
    for value, width in fields:
        stream |= value << at
        at += width
    return stream.to_bytes((at + 7) // 8, "little")


def scales_and_table(seed: int, count: int) -> tuple[NDArray[np.float32], RequantTable]:
    """Weight scales of one order of magnitude, and the table of a layer that has them."""
    rng = np.random.default_rng(seed)
    scales = rng.uniform(0.001, 0.004, count).astype(np.float32)
    ends = rng.uniform(0.01, 1, 2).astype(np.float32)
    multiplier, shift = output_multipliers(ends[0], scales, ends[1])
    bias = rng.integers(-5000, 5000, count).astype(np.int32)
    return scales, replace(TABLE, bias=bias, multiplier=multiplier, shift=shift.astype(np.int8))


@pytest.mark.parametrize("count", [2, 7, 64, 1280])
def test_multipliers_of_scales_are_stored_as_their_mantissas(count: int) -> None:
    for seed in range(20):
        scales, table = scales_and_table(seed, count)
        packed = table.pack(scales)
        saved = (count * 30 + 7) // 8 - (count * 23 + 7) // 8
        assert table.pack().nbytes - packed.nbytes >= saved - 1 or count == 2
        assert packed[5] & 4 or count == 2
        found = unpack(packed)
        for part in ("bias", "multiplier", "shift"):
            np.testing.assert_array_equal(getattr(found, part), getattr(table, part))


@pytest.mark.parametrize("other", [1, 1 << 29, -1])
def test_multipliers_that_are_not_of_the_scales_are_stored_as_they_are(other: int) -> None:
    scales, table = scales_and_table(3, 400)
    multiplier = table.multiplier.copy()
    multiplier[200] = multiplier[200] ^ 1 if other < 0 else other
    wrong = replace(table, multiplier=multiplier)
    assert wrong.pack(scales).tobytes() == wrong.pack().tobytes()


@pytest.mark.parametrize(
    ("at", "fmt", "value", "message"),
    [(7, "<B", 22, "mantissas must have 23 bits"), (24, "<I", (1 << 31) - 1, "their factor 48")],
)
def test_inconsistent_scaled_table_is_refused(at: int, fmt: str, value: int, message: str) -> None:
    scales, table = scales_and_table(1, 64)
    raw = bytearray(table.pack(scales).tobytes())
    struct.pack_into(fmt, raw, at, value)
    with pytest.raises(ModelError, match=message):
        unpack(np.frombuffer(bytes(raw), np.uint8))


def test_scaled_multiplier_that_rounds_up_to_a_power_of_two_is_refused() -> None:
    scales, table = scales_and_table(1, 64)
    raw = bytearray(table.pack(scales).tobytes())
    start = HEADER_NBYTES + (64 * raw[6] + 7) // 8
    raw[start : start + 3] = b"\xff\xff\xff"
    # The largest mantissa and the largest factor with a product below 2^71.
    factor = ((1 << 71) - 1) // ((1 << 24) - 1)
    struct.pack_into("<H", raw, 14, factor & 0xFFFF)
    struct.pack_into("<I", raw, 24, factor >> 16)
    with pytest.raises(ModelError, match="a scaled multiplier is 2"):
        unpack(np.frombuffer(bytes(raw), np.uint8))


def test_equal_values_take_no_bits() -> None:
    same = replace(
        TABLE, bias=np.full(3, -7, np.int32), multiplier=np.full(3, 1 << 30, np.int32), shift=np.full(3, -5, np.int8)
    )
    assert same.pack().nbytes == HEADER_NBYTES + TAIL_NBYTES
    found = unpack(same.pack())
    for part in ("bias", "multiplier", "shift"):
        np.testing.assert_array_equal(getattr(found, part), getattr(same, part))


@given(
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=9),
    st.booleans(),
    st.tuples(*[st.integers(-128, 127)] * 4),
    st.booleans(),
)
def test_unpacking_gives_back_what_was_packed(
    bias: list[int], per_channel: bool, small: tuple[int, ...], has_bias: bool
) -> None:
    count = len(bias) if per_channel else 1
    low, high = sorted(small[2:])
    table = RequantTable(
        np.array(bias, np.int32),
        np.arange(count, dtype=np.int32) + (1 << 30),
        np.array([(7 * i) % 62 - 31 for i in range(count)], np.int8),
        small[0],
        small[1],
        low,
        high,
        has_bias,
    )
    found = unpack(table.pack())
    assert found.pack().tobytes() == table.pack().tobytes()
    assert (found.input_zero_point, found.output_zero_point) == small[:2]
    assert (found.activation_min, found.activation_max, found.has_bias) == (low, high, has_bias)
    for part in ("bias", "multiplier", "shift"):
        np.testing.assert_array_equal(getattr(found, part), getattr(table, part))


@pytest.mark.parametrize(
    ("at", "fmt", "value", "message"),
    [
        (0, "<I", 0, "magic"),
        (4, "<B", 1, "version 1"),
        (5, "<B", 8, "flags 0x8"),
        (5, "<B", 2, "channels need"),
        (6, "<B", 33, "fields of 33"),
        (6, "<B", 8, "channels need"),
        (7, "<B", 32, "fields of 3, 32"),
        (8, "<B", 7, "and 7 bits"),
        (9, "<b", -32, "shifts must lie in"),
        (9, "<b", -30, "shifts must lie in"),
        (12, "<b", 127, None),
        (13, "<b", -128, None),
        (14, "<H", 1, "not consistent"),
        (16, "<I", 0, "0 channels"),
        (16, "<I", 4, "4 channels need"),
        (16, "<I", 0xFFFFFFFF, "not consistent"),
        (16, "<I", (1 << 26) + 1, "not consistent"),
        (24, "<i", -1, "multipliers must lie in"),
        (24, "<i", 1, "multipliers must lie in"),
    ],
)
def test_inconsistent_table_is_refused(at: int, fmt: str, value: int, message: str | None) -> None:
    raw = bytearray(TABLE.pack().tobytes())
    struct.pack_into(fmt, raw, at, value)
    if message is None:
        assert unpack(np.frombuffer(bytes(raw), np.uint8)).channels == 3
        return
    with pytest.raises(ModelError, match=message):
        unpack(np.frombuffer(bytes(raw), np.uint8))


def test_activation_range_must_not_be_empty() -> None:
    with pytest.raises(ModelError, match="activation 1 to 0"):
        unpack(replace(TABLE, activation_min=1, activation_max=0).pack())


@pytest.mark.parametrize("size", [0, 27, 28, 47, 50])
def test_wrong_length_is_refused(size: int) -> None:
    with pytest.raises(ModelError, match="requantisation table"):
        unpack(np.resize(TABLE.pack(), size))
