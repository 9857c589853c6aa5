"""Options of the custom operators: a FlexBuffer map with the documented keys; everything else is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flatbuffers import flexbuffers
from hypothesis import given, settings
from hypothesis import strategies as st

from wpconvert.errors import ModelError, UnsupportedError
from wpconvert.formats.tflite.graph_fields import attributes_of, options_table
from wpconvert.formats.tflite.schema import ActivationFunctionType, Padding, options
from wpconvert.graph.custom.operators import (
    OperatorOptions,
    builtin_attributes,
    channel_sums,
    options_of,
    unpack_options,
)

PAIRS = st.tuples(st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1))


@settings(deadline=None)
@given(
    st.builds(
        OperatorOptions,
        st.sampled_from(["dense", "rle", "dcsr"]),
        st.lists(st.integers(1, 2**31 - 1), min_size=1, max_size=4).map(tuple),
        st.sampled_from(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"]),
        st.sampled_from(["SAME", "VALID"]),
        PAIRS,
        PAIRS,
        st.integers(1, 2**31 - 1),
        st.booleans(),
    )
)
def test_unpacking_gives_back_what_was_packed(packed: OperatorOptions) -> None:
    assert unpack_options(packed.pack().tobytes()) == packed


def test_packed_options_are_a_map_that_any_flexbuffer_reader_shows() -> None:
    packed = OperatorOptions("dcsr", (4, 3, 3, 2), "RELU", "SAME", (2, 1), (1, 3), 2)
    assert flexbuffers.Loads(packed.pack().tobytes()) == {
        "version": 1,
        "codec": "dcsr",
        "filter": [4, 3, 3, 2],
        "activation": "RELU",
        "padding": "SAME",
        "stride": [2, 1],
        "dilation": [1, 3],
        "depth_multiplier": 2,
    }


def test_defaults_are_left_out() -> None:
    assert set(flexbuffers.Loads(OperatorOptions("rle", (2, 8)).pack().tobytes())) == {"version", "codec", "filter"}
    assert set(flexbuffers.Loads(OperatorOptions().pack().tobytes())) == {"version"}


def test_unknown_keys_are_ignored() -> None:
    raw = bytes(flexbuffers.Dumps({"version": 1, "codec": "rle", "filter": [2, 8], "later": {"x": [1.5]}}))
    assert unpack_options(raw) == OperatorOptions("rle", (2, 8))


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 2},
        {"version": "1"},
        {"stride": [1, "2"]},
        {"filter": []},
        {"filter": [1] * 5},
        {"filter": 7},
        {"stride": [1]},
        {"stride": [0, 1]},
        {"dilation": [1, -1]},
        {"dilation": [1, 1 << 31]},
        {"depth_multiplier": 0},
        {"padding": "FULL"},
        {"activation": "GELU2"},
        {"codec": [1]},
    ],
    ids=str,
)
def test_wrong_entries_are_refused(fields: dict[str, Any]) -> None:
    raw = bytes(flexbuffers.Dumps({"version": 1, "codec": "rle", "filter": [2, 8], **fields}))
    with pytest.raises(ModelError, match="custom_options"):
        unpack_options(raw)


@pytest.mark.parametrize("raw", [b"", b"\0\0", bytes(5000), bytes(flexbuffers.Dumps([1, 2])), b"\xff" * 64])
def test_what_is_no_map_is_refused(raw: bytes) -> None:
    with pytest.raises(ModelError, match="custom_options"):
        unpack_options(raw)


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_damaged_options_are_read_or_refused(data: st.DataObject) -> None:
    raw = bytearray(OperatorOptions("dcsr", (4, 3, 3, 2), "RELU", "SAME", (2, 1), (1, 3), 2).pack().tobytes())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        unpack_options(bytes(raw))
    except ModelError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("name", "table", "fields"),
    [
        ("CONV_2D", "Conv2DOptions", {"strideH": 2, "strideW": 3, "dilationHFactor": 4, "dilationWFactor": 5}),
        (
            "DEPTHWISE_CONV_2D",
            "DepthwiseConv2DOptions",
            {"strideH": 2, "strideW": 3, "depthMultiplier": 4, "padding": Padding.VALID},
        ),
        ("FULLY_CONNECTED", "FullyConnectedOptions", {"keepNumDims": True}),
    ],
)
def test_builtin_options_become_ours_and_back(name: str, table: str, fields: dict[str, Any]) -> None:
    builtin = options(table, fusedActivationFunction=ActivationFunctionType.RELU6, **fields)
    back = builtin_attributes(name, options_of(attributes_of(builtin)))
    assert back.table == table
    assert vars(options_table(back)) == vars(builtin)


@pytest.mark.parametrize(
    "fields", [{"fusedActivationFunction": 99}, {"padding": 2}, {"strideW": 0}, {"dilationHFactor": -1}], ids=str
)
def test_builtin_options_out_of_range_are_unsupported(fields: dict[str, int]) -> None:
    valid = {"strideH": 1, "strideW": 1}
    with pytest.raises(UnsupportedError):
        options_of(attributes_of(options("Conv2DOptions", **(valid | fields))))


def test_channel_sums_run_over_all_but_the_channel_dimension() -> None:
    weights = np.arange(24, dtype=np.int8).reshape(1, 2, 3, 4)
    assert channel_sums("DEPTHWISE_CONV_2D", weights).tolist() == weights.sum((0, 1, 2)).tolist()
    assert channel_sums("CONV_2D", weights).tolist() == [276]
    assert channel_sums("FULLY_CONNECTED", np.full((1, 200_000), -128, np.int8)).tolist() == [-25_600_000]
