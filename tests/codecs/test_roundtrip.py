"""What every codec promises, checked over the registry: a new codec is covered by being in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.codecs.matrices import SPECIAL, Case, cases, decode_rows, random_case, storable
from wpconvert.codecs import CODECS, Layout, codec_of, decode, encode, parse, rows
from wpconvert.errors import ModelError

every_codec = pytest.mark.parametrize("name", CODECS)
every_special_case = pytest.mark.parametrize("case", SPECIAL.values(), ids=SPECIAL.keys())


def assert_round_trip(name: str, case: Case) -> None:
    case = storable(case, name)
    result = decode(case.encode(name), case.pool)
    assert result.dtype == np.int8
    assert result.shape == case.weights.shape
    np.testing.assert_array_equal(result, case.weights)


@every_codec
@given(case=cases())
@settings(max_examples=150, deadline=None)
def test_decoding_gives_the_encoded_tensor_back(name: str, case: Case) -> None:
    assert_round_trip(name, case)


@every_codec
@every_special_case
def test_tensors_at_the_limits_come_back(name: str, case: Case) -> None:
    assert_round_trip(name, case)


@every_codec
@given(case=cases(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_range_of_rows_equals_that_slice_of_the_whole(name: str, case: Case, data: st.DataObject) -> None:
    case = storable(case, name)
    matrix = case.matrix
    first = data.draw(st.integers(0, len(matrix)))
    last = data.draw(st.integers(first, len(matrix)))
    np.testing.assert_array_equal(decode_rows(case.encode(name), first, last, case.pool), matrix[first:last])


@every_codec
def test_each_single_row_of_a_ragged_matrix_decodes_alone(name: str) -> None:
    case = storable(SPECIAL["empty rows"], name)
    blob = case.encode(name)
    for row, expected in enumerate(case.matrix):
        np.testing.assert_array_equal(decode_rows(blob, row, row + 1, case.pool), expected[None])


@every_codec
@given(case=cases())
@settings(max_examples=60, deadline=None)
def test_header_describes_the_tensor_and_size_keeps_its_bounds(name: str, case: Case) -> None:
    case = storable(case, name)
    raw = case.encode(name)
    blob = parse(raw)
    assert raw.nbytes % 16 == 0
    assert blob.nbytes == raw.nbytes
    assert blob.layout == Layout(case.weights.shape, case.row_dims)
    assert (blob.rows, blob.cols) == case.matrix.shape
    assert blob.block_log2 == case.block_log2
    assert codec_of(blob) is CODECS[name]
    assert CODECS[name].minimum_nbytes(blob.layout, int(np.count_nonzero(case.weights))) <= raw.nbytes


@every_codec
@every_special_case
def test_minimum_size_is_a_lower_bound_at_the_limits(name: str, case: Case) -> None:
    case = storable(case, name)
    layout = Layout(case.weights.shape, case.row_dims)
    nnz = int(np.count_nonzero(case.weights))
    assert CODECS[name].minimum_nbytes(layout, nnz) <= case.encode(name).nbytes


@every_codec
@given(case=cases(), chunk=st.integers(1, 500))
@settings(max_examples=60, deadline=None)
def test_where_the_rows_are_cut_into_chunks_changes_nothing(name: str, case: Case, chunk: int) -> None:
    case = storable(case, name)
    whole = case.encode(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "CHUNK_ELEMENTS", chunk)
        np.testing.assert_array_equal(case.encode(name), whole)
        assert_round_trip(name, case)


@every_codec
def test_matrix_of_several_chunks_with_an_odd_number_of_elements_and_groups_in_each(name: str) -> None:
    weights = np.zeros((5, 100_003), np.int8)
    for row in range(5):
        weights[row, : 17 * (2 * row + 1) : 1] = row + 1
        weights[row, ::9] = -row - 1
    assert_round_trip(name, Case(weights, block_log2=1))


@every_codec
def test_memory_order_of_the_argument_does_not_matter(name: str) -> None:
    case = storable(random_case((12, 30), 1, 0.5, 11), name)
    other = replace(case, weights=np.asfortranarray(case.weights))
    np.testing.assert_array_equal(other.encode(name), case.encode(name))


@every_codec
@pytest.mark.parametrize(
    ("shape", "row_dims", "block_log2"),
    [
        ((), 0, 4),
        ((2, 2, 2, 2, 2), 1, 4),
        ((3, 4), 0, 4),
        ((3, 4), 3, 4),
        ((3, 0), 1, 4),
        ((0, 3), 1, 4),
        ((1 << 31,), 1, 4),
        ((1 << 16, 1 << 15), 1, 4),
        ((3, 4), 1, 16),
        ((3, 4), 1, -1),
    ],
)
def test_tensor_that_no_blob_can_describe_is_refused(
    name: str, shape: tuple[int, ...], row_dims: int, block_log2: int
) -> None:
    with pytest.raises(ModelError, match=r"expected|holds"):
        encode(name, np.broadcast_to(np.int8(0), shape), row_dims, block_log2)


def test_codecs_have_their_own_numbers_and_are_listed_by_name() -> None:
    assert len({codec.number for codec in CODECS.values()}) == len(CODECS)
    assert all(name == codec.name for name, codec in CODECS.items())
