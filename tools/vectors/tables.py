"""Golden vectors of requantisation tables."""

from __future__ import annotations

import numpy as np

from wpconvert.graph.arithmetic import output_multipliers
from wpconvert.graph.custom.table import RequantTable

WEIGHT_SCALES = np.array([0.001, 0.0015, 0.0019, 0.0025, 0.0039], np.float32)
"""Of the layer whose table is `table_scaled`."""
TABLES: dict[str, RequantTable] = {
    "table": RequantTable(
        bias=np.array([0, 1, -1, 2**31 - 1, -(2**31)], np.int32),
        multiplier=np.array([0, 2**30, 2**31 - 1, 1518500250, 1073741825], np.int32),
        shift=np.array([0, -31, 30, -7, 1], np.int8),
        input_zero_point=-128,
        output_zero_point=127,
        activation_min=-128,
        activation_max=127,
        has_bias=True,
    ),
    "table_per_tensor": RequantTable(
        bias=np.array([-1234, 5678, 91011], np.int32),
        multiplier=np.array([1995000000], np.int32),
        shift=np.array([-9], np.int8),
        input_zero_point=3,
        output_zero_point=-4,
        activation_min=-4,
        activation_max=96,
        has_bias=False,
    ),
    "table_narrow": RequantTable(
        bias=np.array([2**20 + 77 * c * c for c in range(11)], np.int32),
        multiplier=np.array([1100000000 + 12345678 * c for c in range(11)], np.int32),
        shift=np.array([-8 - c % 3 for c in range(11)], np.int8),
        input_zero_point=-5,
        output_zero_point=6,
        activation_min=-128,
        activation_max=127,
        has_bias=True,
    ),
    "table_scaled": RequantTable(
        bias=np.array([3, -4, 5, -6, 7], np.int32),
        multiplier=output_multipliers(0.05, WEIGHT_SCALES, 0.07)[0],
        shift=output_multipliers(0.05, WEIGHT_SCALES, 0.07)[1].astype(np.int8),
        input_zero_point=-128,
        output_zero_point=0,
        activation_min=-128,
        activation_max=127,
        has_bias=False,
    ),
}
TABLES_COVER = {
    "table": "five channels with a multiplier each, a bias, the extremes of every field",
    "table_per_tensor": "one multiplier for three channels, no bias, a clamp",
    "table_narrow": "eleven channels with fields of 13, 27 and 2 bits",
    "table_scaled": "five channels with scaled multipliers, products of 71 and 72 bits",
}


def table_fields(table: RequantTable) -> dict[str, int | bool | list[int]]:
    """The fields of a table as JSON holds them."""
    return {
        "has_bias": table.has_bias,
        "channels": table.channels,
        "multipliers": len(table.multiplier),
        "input_zero_point": table.input_zero_point,
        "output_zero_point": table.output_zero_point,
        "activation_min": table.activation_min,
        "activation_max": table.activation_max,
        "bias": [int(v) for v in table.bias],
        "multiplier": [int(v) for v in table.multiplier],
        "shift": [int(v) for v in table.shift],
    }
