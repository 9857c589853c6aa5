"""Outcomes as a report has them."""

from __future__ import annotations

from wpconvert.codecs.codes import bits_for
from wpconvert.model.plan import Outcome
from wpconvert.model.pooling import POOL
from wpconvert.plan.costs import CostModel
from wpconvert.plan.options import cost_of, kept_plain
from wpconvert.report.result import TensorResult


def result_of(outcome: Outcome, costs: CostModel | None) -> TensorResult:
    """What became of a weight; costs: what predicts the cycles of its operators."""
    weight = outcome.weight
    cost, dense = (None if costs is None else cost_of(o, costs) for o in (outcome, kept_plain(outcome)))
    return TensorResult(
        weight.key,
        weight.name,
        weight.operators,
        weight.shape,
        weight.dtype,
        weight.sparsity,
        outcome.method,
        weight.stored_nbytes,
        outcome.nbytes,
        outcome.reason,
        None if cost is None else round(cost.cycles),
        None if dense is None else round(dense.cycles),
        *_pooling(outcome),
    )


def _pooling(outcome: Outcome) -> tuple[float | None, int | None, int | None, int | None]:
    """Of a pooled weight: signal-to-noise ratio, vectors of its pool, bits of an index and of an activation."""
    weight = outcome.weight
    if outcome.method != POOL:
        return None, None, None, None
    if weight.pool is not None:
        return weight.snr_db, weight.pool.size, bits_for(weight.pool.size), weight.act_bits
    size = getattr(outcome.form, "pool_size", None)
    return weight.snr_db, size, None if size is None else bits_for(size), None
