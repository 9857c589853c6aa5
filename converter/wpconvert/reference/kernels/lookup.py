"""WP_LOOKUP: any function of one int8, as a table (docs/FORMAT.md)."""

from __future__ import annotations

import numpy as np

from wpconvert.errors import ModelError
from wpconvert.graph.custom.operators import TABLE_ORDER
from wpconvert.graph.types import INT8, Values
from wpconvert.reference.kernels.activations import Table, look_up
from wpconvert.reference.registry import OpContext, expect_shape, expect_type, register


def _table(context: OpContext) -> Table:
    context.arity(2)
    x, table, y = context.tensor(0), context.tensor(1), context.output()
    for info in (x, table, y):
        expect_type(info, INT8)
    expect_shape(y, x.shape)
    if table.size != TABLE_ORDER.size:
        raise ModelError(f"{table} has {table.size} elements, expected {TABLE_ORDER.size}")
    x.per_tensor()
    y.per_tensor()
    outputs = np.empty(TABLE_ORDER.size, np.int8)
    outputs[TABLE_ORDER.astype(np.int16) + 128] = context.constant(1, "the table").reshape(-1)
    return outputs


@register("WP_LOOKUP", check=_table)
def wp_lookup(context: OpContext) -> list[Values]:
    """The table's entry of each element."""
    return [look_up(context.cached(_table), context.value(0))]
