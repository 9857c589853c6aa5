"""The requantisation table: its bytes are those of docs/FORMAT.md, and a table that is not consistent is refused."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wpconvert.errors import ModelError
from wpconvert.tflite.table import RequantTable, nbytes_of, unpack

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
    expected = struct.pack("<4sBBHIIbbbb", b"WPRQ", 1, 1, 0, 3, 3, -3, 5, -128, 127)
    expected += struct.pack("<3i3i3b", 1, -2, 3, 1 << 30, 0, (1 << 31) - 1, -31, 0, 30)
    assert TABLE.pack().tobytes() == expected
    assert len(expected) == nbytes_of(3, 3) == 20 + 4 * 3 + 5 * 3


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
    assert np.array_equal(found.bias, table.bias)


@pytest.mark.parametrize(
    ("at", "fmt", "value", "message"),
    [
        (0, "<I", 0, "magic"),
        (4, "<B", 2, "version 2"),
        (5, "<B", 2, "flags 0x2"),
        (6, "<H", 1, "not consistent"),
        (8, "<I", 0, "0 channels"),
        (8, "<I", 4, "4 channels, 3 multipliers"),
        (8, "<I", 0xFFFFFFFF, "not consistent"),
        (12, "<I", 2, "2 multipliers"),
        (12, "<I", 1, "51 bytes|47 bytes|channels need"),
        (18, "<b", 127, None),
        (19, "<b", -128, None),
        (32, "<i", -1, "multipliers must not be negative"),
        (44, "<b", -32, "shifts lie in"),
        (46, "<b", 31, "shifts lie in"),
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


@pytest.mark.parametrize("size", [0, 19, 20, 46, 48])
def test_wrong_length_is_refused(size: int) -> None:
    with pytest.raises(ModelError, match="requantisation table"):
        unpack(np.resize(TABLE.pack(), size))
