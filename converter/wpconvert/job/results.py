"""Outcomes as a report has them."""

from __future__ import annotations

from wpconvert.job.transform import changed_in
from wpconvert.model.plan import Outcome
from wpconvert.plan.costs import CostModel
from wpconvert.plan.options import cost_of, dense_outcome
from wpconvert.report.result import TensorResult


def result_of(outcome: Outcome, costs: CostModel | None) -> TensorResult:
    """What became of a weight; costs: what predicts the cycles of its operators."""
    weight, changed = outcome.weight, changed_in(outcome)
    cost, dense = (None if costs is None else cost_of(o, costs) for o in (outcome, dense_outcome(outcome)))
    return TensorResult(
        weight.key,
        weight.name,
        weight.operators,
        weight.shape,
        weight.dtype,
        weight.sparsity,
        outcome.method if changed is None else changed.transform,
        weight.stored_nbytes,
        outcome.nbytes,
        outcome.reason,
        None if cost is None else round(cost.cycles),
        None if dense is None else round(dense.cycles),
        None if changed is None else changed.snr_db,
        {} if changed is None else changed.details,
    )
