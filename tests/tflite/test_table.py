"""The requantisation table: its bytes are those of docs/FORMAT.md, and a table that is not consistent is refused."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wpconvert.errors import ModelError
from wpconvert.tflite.table import RequantTable, unpack

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
        (5, "<B", 4, "flags 0x4"),
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
