"""Huffman blobs built bit by bit: what they mean, and what has to be refused."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wpconvert.codecs import Layout, decode, encode, parse, prefix_code
from wpconvert.codecs import huffman_gaps as gaps
from wpconvert.codecs.bits import BitWriter
from wpconvert.codecs.blob import build
from wpconvert.codecs.huffman import CODEC_ID, FLAG_LIVE_COLUMNS, FLAG_RUNS, FLAG_WIDE_INDEX, ZERO
from wpconvert.errors import ModelError

Numbers = list[tuple[int, int]]

DENSITY: Numbers = [(0, 8)]


def head(first: int, groups: int, group_log2: int = 0) -> Numbers:
    return [(first, 8), (group_log2, 3), (groups - 1, 8)]


def lengths(*values: int) -> Numbers:
    """Each in the long form; 0: no code."""
    return [(0b111 | value << 3, 7) if value else (0b011, 3) for value in values]


# Weights 0, 1, 2 with the codes 0, 10, 11; gaps 0, 1, 2 and 4 to 4.99 with 0, 10, 110, 111.
VALUES = lengths(1, 2, 2)
GAPS = lengths(1, 2, 3, 0, 3)
PLAIN = [*DENSITY, *head(ZERO, 3), *VALUES]
RUNS = [*DENSITY, (2, 3), *head(ZERO, 3), *head(0, 5), *VALUES, *GAPS]


def blob_of(
    shape: tuple[int, int],
    description: Numbers,
    codes: str,
    flags: int = 0,
    *,
    index: NDArray[np.uint16] | None = None,
    block_log2: int = 4,
    tail: bytes = b"\0\0\0",
) -> NDArray[np.uint8]:
    """A blob of these bits; `codes` has spaces wherever they help."""
    writer = BitWriter()
    writer.put(*description, *((int(bit), 1) for bit in codes.replace(" ", "")))
    first = np.zeros(0, np.uint16) if index is None else index
    section: list[NDArray[Any]] = [first, writer.to_bytes(), np.frombuffer(tail, np.uint8)]
    return build(CODEC_ID, Layout(shape, 1), block_log2, flags, [section])


def refused(raw: NDArray[np.uint8], match: str) -> None:
    with pytest.raises(ModelError, match=match):
        decode(raw)


def test_plain_codes_are_the_weights_in_order() -> None:
    assert decode(blob_of((2, 3), PLAIN, "0 10 11 11 0 10")).tolist() == [[0, 1, 2], [2, 0, 1]]


def test_gaps_run_on_over_the_end_of_a_row_and_reach_the_end_of_the_block() -> None:
    # Gap 1, weight 1; gap 2, weight 2; gap 4, which is the end of nine elements.
    raw = blob_of((3, 3), RUNS, "10 10 110 11 1110", FLAG_RUNS)
    assert decode(raw).tolist() == [[0, 1, 0], [0, 2, 0], [0, 0, 0]]


def test_row_blocks_start_anew_where_the_row_index_says() -> None:
    codes = "0 10 10 0 11 0 11 0"
    raw = blob_of((2, 3), RUNS, codes, FLAG_RUNS, index=np.array([5], np.uint16), block_log2=0)
    refused(raw, "do not decode to its rows")
    codes = "0 10 10  10 11 0"
    raw = blob_of((2, 3), RUNS, codes, FLAG_RUNS, index=np.array([5], np.uint16), block_log2=0)
    refused(raw, "do not decode to its rows")
    codes = "0 10 110  10 11 10"
    raw = blob_of((2, 3), RUNS, codes, FLAG_RUNS, index=np.array([6], np.uint16), block_log2=0)
    assert decode(raw).tolist() == [[1, 0, 0], [0, 2, 0]]
    wide = blob_of((2, 3), RUNS, codes, FLAG_RUNS | FLAG_WIDE_INDEX, index=np.array([6, 0], np.uint16), block_log2=0)
    assert decode(wide).tolist() == [[1, 0, 0], [0, 2, 0]]


def test_columns_that_are_left_out_are_zero_in_every_period() -> None:
    description = [*DENSITY, *head(ZERO, 3), (1, 12), *VALUES, (0, 1), (1, 1)]
    raw = blob_of((1, 6), description, "10 0 11", FLAG_LIVE_COLUMNS)
    assert decode(raw).tolist() == [[0, 1, 0, 0, 0, 2]]


def test_a_group_of_symbols_has_codes_of_one_length() -> None:
    # Groups {−2, −1} and {0, 1}, each with a code of one bit and one for the symbol.
    description = [*DENSITY, *head(ZERO - 2, 2, group_log2=1), *lengths(1, 1)]
    assert decode(blob_of((1, 4), description, "11 00 10 01")).tolist() == [[1, -2, 0, -1]]


def test_tokens_step_from_the_length_before() -> None:
    # Nine symbols: 8, 8, 7, 6, …, 1 by "same", then seven times "one less"; the last one by its number.
    tokens = [(0, 1), (0, 1), *[(0b001, 3)] * 7]
    assert decode(blob_of((1, 2), [*DENSITY, *head(ZERO, 9), *tokens], "0 10")).tolist() == [[8, 7]]


@pytest.mark.parametrize(
    ("description", "match"),
    [
        pytest.param([*DENSITY, *head(254, 3), *VALUES], "groups", id="symbols beyond 255"),
        pytest.param([*DENSITY, *head(0, 3, group_log2=5), *VALUES], "groups", id="group size"),
        pytest.param([*DENSITY, *head(ZERO, 2), *lengths(1, 2)], "complete", id="codes that are missing"),
        pytest.param([*DENSITY, *head(ZERO, 3), *lengths(1, 1, 1)], "complete", id="too many codes"),
        pytest.param([*DENSITY, *head(ZERO, 1), *lengths(0)], "complete", id="no codes"),
        pytest.param([*DENSITY, *head(ZERO, 2), (0b111, 7), (0b111 | 1 << 3, 7)], "length of 0", id="length 0"),
        pytest.param([*DENSITY, *head(ZERO, 2), *lengths(13, 1)], "length of 13", id="length 13"),
        pytest.param([*DENSITY, *head(ZERO, 9), *[(0b001, 3)] * 8, (0, 1)], "length of 0", id="one less than 1"),
        pytest.param([*DENSITY, *head(0, 200)], "complete|length|truncated", id="lengths that are missing"),
    ],
)
def test_malformed_description_of_a_code_is_refused(description: Numbers, match: str) -> None:
    refused(blob_of((1, 4), description, "0" * 8), match)


def test_gap_description_out_of_range_is_refused() -> None:
    for direct_log2 in (0, 1, 7):
        refused(blob_of((1, 4), [*DENSITY, (direct_log2, 3), *RUNS[2:]], "0" * 8, FLAG_RUNS), "gaps below")
    known = 4 + 4 * (31 - 2)
    description = [*DENSITY, (2, 3), *head(ZERO, 3), *head(known - 1, 2), *VALUES, *lengths(1, 1)]
    refused(blob_of((1, 4), description, "0" * 8, FLAG_RUNS), "gap symbol")


def test_left_out_columns_must_repeat_in_the_row_and_leave_one() -> None:
    description = [*DENSITY, *head(ZERO, 3), (3, 12), *VALUES, (1, 4)]
    refused(blob_of((1, 6), description, "0" * 12, FLAG_LIVE_COLUMNS), "not a multiple of the period 4")
    description = [*DENSITY, *head(ZERO, 3), (1, 12), *VALUES, (0, 2)]
    refused(blob_of((1, 6), description, "0" * 12, FLAG_LIVE_COLUMNS), "all columns are omitted")


def test_codes_must_end_where_the_section_does() -> None:
    codes = "0 10 11 11 0 10"
    assert sum(nbits for _, nbits in PLAIN) % 8 == 0
    refused(blob_of((2, 3), PLAIN, codes + "000000 1"), "do not end")
    refused(blob_of((2, 3), PLAIN, codes + "0" * 8), "do not end")
    refused(blob_of((2, 8), PLAIN, codes), "do not")
    refused(blob_of((2, 3), PLAIN, codes, tail=b"\0\1\0"), "not 0")
    refused(blob_of((2, 3), PLAIN, codes, tail=b"\0\0"), "not 0|do not end")


def test_gap_over_the_end_of_its_block_or_none_to_it_is_refused() -> None:
    refused(blob_of((1, 4), RUNS, "0 10 1110", FLAG_RUNS), "do not decode")
    blocks = "0 10 0 10  0 10 0 10 0"
    refused(blob_of((2, 2), RUNS, blocks, FLAG_RUNS, index=np.array([6], np.uint16), block_log2=0), "do not")
    assert decode(blob_of((1, 4), RUNS, "0 10 0 10 0 10 0 10 0", FLAG_RUNS)).tolist() == [[1, 1, 1, 1]]


def test_stored_zeros_are_accepted() -> None:
    assert decode(blob_of((1, 4), RUNS, "0 0 10 11 0", FLAG_RUNS)).tolist() == [[0, 0, 2, 0]]


def huffman_cost(counts: list[int]) -> int:
    """Bits of an optimal code without a limit: the sum of the weights of all inner nodes."""
    heap = [count for count in counts if count]
    heapq.heapify(heap)
    total = 0
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        total += both
        heapq.heappush(heap, both)
    return total


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=60).filter(lambda c: sum(map(bool, c)) > 1))
@settings(max_examples=200, deadline=None)
def test_lengths_are_optimal_where_the_limit_does_not_bind(counts: list[int]) -> None:
    array = np.array(counts, np.int64)
    free = prefix_code.limited_lengths(array, 40)
    assert int((free * array).sum()) == huffman_cost(counts)
    limited = prefix_code.limited_lengths(array, 6)
    assert sum(2.0**-length for length in limited[limited > 0].tolist()) == 1
    assert limited.max() <= 6
    assert ((limited > 0) == (array > 0)).all()
    assert int((limited * array).sum()) >= huffman_cost(counts)


@given(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=50), st.integers(2, 6))
@settings(max_examples=200, deadline=None)
def test_every_gap_is_its_symbols_base_and_extra_bits(gap: list[int], direct_log2: int) -> None:
    array = np.array(gap, np.int64)
    symbol, nbits = gaps.symbols(array, direct_log2)
    base = gaps.bases(direct_log2)
    assert symbol.max() < len(base)
    np.testing.assert_array_equal(base[symbol] + (array & ((1 << nbits) - 1)), array)


def test_matrix_without_a_non_zero_takes_a_gap() -> None:
    raw = encode("huffman", np.zeros((64, 1000), np.int8), 1)
    assert parse(raw).flags & FLAG_RUNS
    assert raw.nbytes == 64
    assert not decode(raw).any()


def test_columns_that_are_zero_throughout_cost_about_a_bit() -> None:
    generator = np.random.default_rng(40)
    narrow = generator.integers(-20, 21, (64, 24)).astype(np.int8)
    wide = np.zeros((64, 48), np.int8)
    wide[:, ::2] = narrow
    assert encode("huffman", wide, 1).nbytes <= encode("huffman", narrow, 1).nbytes + 16
