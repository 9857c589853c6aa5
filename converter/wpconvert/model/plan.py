"""From choices to encoded weights: try the chosen codec, keep a tensor unchanged where that is not smaller."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from wpconvert import strict_yaml
from wpconvert.codecs import CODECS, Layout, encode
from wpconvert.errors import ModelError
from wpconvert.model.changed import Values
from wpconvert.model.encoded import Encoded, Room
from wpconvert.model.layer import PLAIN, Storage
from wpconvert.model.reasons import (
    METHOD_NONE,
    SHARED_LARGER,
    below_threshold,
    cannot_hold,
    shares_with,
    would_not_shrink,
)
from wpconvert.model.rules import Choice
from wpconvert.model.weight import Fixed, Form, Rewritable, Weight, obstacle_of

Progress = Callable[[Weight], None]


@dataclass(frozen=True)
class Outcome:
    """What became of one weight: the form in which it is stored, or the reason why it stays unchanged.

    tried: the method that was chosen.
    """

    weight: Weight
    method: str
    form: Form | None = None
    reason: str | None = None
    tried: str = PLAIN

    @property
    def blob(self) -> Encoded | None:
        """The form where that is a blob of a codec."""
        return self.form if isinstance(self.form, Encoded) else None

    @property
    def nbytes(self) -> int:
        """Bytes of the weight after rewriting."""
        return self.weight.nbytes if self.form is None else self.form.nbytes

    @property
    def rewritten(self) -> bool:
        """Whether the weight is stored in another form than a dense one."""
        return self.form is not None

    @property
    def storage(self) -> Storage | None:
        """How a weight is stored that is not plain."""
        if not isinstance(self.weight, Rewritable) or self.blob is None:
            return None
        return self.blob.storage(self.method, self.weight.values, self.weight.row_dims)

    @property
    def unchanged(self) -> bool:
        """Whether the weight is stored as the input has it."""
        return self.form is (None if self.weight.stored is None else self.weight.stored.form)


def encode_all(choices: Sequence[Choice], progress: Progress | None = None) -> list[Outcome]:
    """Encode every weight as chosen. No tensor grows: one that would keeps method `none` and the reason."""
    outcomes = []
    room = Room()
    for choice in choices:
        outcomes.append(encode_choice(choice))
        room.keep([outcomes[-1].blob])
        if progress is not None:
            progress(choice.weight)
    return settle_shared(outcomes)


def left_unchanged(outcome: Outcome, reason: str) -> Outcome:
    """The same weight, left as the input has it, dense or compressed, for `reason`."""
    stored = outcome.weight.stored
    if stored is None:
        return replace(outcome, method="none", form=None, reason=reason, tried=PLAIN)
    weight = replace(outcome.weight, changed=stored.changed)
    return replace(outcome, weight=weight, method=stored.method, form=stored.form, reason=reason, tried=PLAIN)


def encode_choice(choice: Choice) -> Outcome:
    """Encode one weight by a codec, or leave it as the input has it and say why; `none` leaves it too."""
    outcome = replace(_attempt(choice), tried=choice.method)
    stored = choice.weight.stored
    if stored is None or not isinstance(choice.weight, Rewritable):
        return outcome
    if choice.method != PLAIN and _is_sparse(choice) and outcome.nbytes <= stored.form.nbytes:
        return outcome
    return left_unchanged(outcome, outcome.reason or f"would grow: {choice.method} needs {outcome.nbytes:,} bytes")


def _attempt(choice: Choice) -> Outcome:
    """The weight encoded as chosen, or dense and why, whatever form it has in the input."""
    weight = choice.weight
    if not isinstance(weight, Rewritable):
        return Outcome(weight, "none", reason=obstacle_of(weight))
    if choice.method == "none":
        return Outcome(weight, "none", reason=choice.reason or METHOD_NONE)
    if not _is_sparse(choice):
        return Outcome(weight, "none", reason=below_threshold(weight.sparsity, choice.threshold))
    layout = Layout(weight.values.shape, weight.row_dims)
    bound = CODECS[choice.method].minimum_nbytes(layout, int(np.count_nonzero(weight.values)))
    # Rewriting must pay for its table and options too. A codec whose point is fewer bytes must also shrink the weights
    # themselves; `dense` cannot, it lives on what the table saves.
    budget = weight.nbytes - weight.overhead
    if choice.method != "dense":
        budget = min(budget, weight.nbytes)
    size = f"at least {bound:,}"
    if bound < budget:
        try:
            blob = encoded(weight, choice.method)
        except ModelError as error:
            return Outcome(weight, "none", reason=cannot_hold(choice.method, error))
        if blob.nbytes < budget:
            return Outcome(weight, choice.method, blob)
        size = f"{blob.nbytes:,}"
    reason = would_not_shrink(choice.method, size, weight.overhead, "table and options")
    return Outcome(weight, "none", reason=reason)


def encoded(weight: Rewritable, method: str) -> Encoded:
    """The weight as a codec stores it. ModelError where that cannot hold it."""
    again = partial(encode, method, weight.values, weight.row_dims, side=weight.side)
    return Encoded(again(), again)


def _is_sparse(choice: Choice) -> bool:
    return (choice.weight.sparsity or 0.0) >= choice.threshold


def blobs_nbytes(outcomes: Sequence[Outcome]) -> int:
    """The blobs of weights that share their bytes; equal ones count once."""
    blobs = [outcome.blob for outcome in outcomes if outcome.blob is not None]
    if len(blobs) > 1:
        return sum(map(len, {blob.bytes.tobytes() for blob in blobs}))
    return sum(blob.nbytes for blob in blobs)


def settle_shared(outcomes: list[Outcome]) -> list[Outcome]:
    """Weights that share storage are rewritten together; otherwise the shared bytes would remain next to the blobs."""
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for index, outcome in enumerate(outcomes):
        groups[outcome.weight.storage].append(index)
    for members in groups.values():
        dense = [outcomes[i].weight for i in members if outcomes[i].blob is None]
        if len(members) == 1 or len(dense) == len(members):
            continue
        overhead = sum(outcomes[i].weight.overhead for i in members)
        grows = blobs_nbytes([outcomes[i] for i in members]) + overhead >= outcomes[members[0]].weight.nbytes
        if not dense and not grows:
            continue
        reason = shares_with(dense[0].label) if dense else SHARED_LARGER
        for i in members:
            if outcomes[i].blob is not None:
                outcomes[i] = replace(outcomes[i], method="none", form=None, reason=reason)
    return outcomes


def dump_plan(outcomes: Sequence[Outcome]) -> str:
    """The resolved plan as a rules file: one rule per weight that can be rewritten, in model order.

    With the same input, the rules have the same outcomes.
    """
    return plan_of(
        (outcome.weight.key, *_rule_of(outcome)) for outcome in outcomes if not isinstance(outcome.weight, Fixed)
    )


def _rule_of(outcome: Outcome) -> tuple[str, Values]:
    """Method and options that give this outcome again: PLAIN leaves a weight as the input has it, maybe compressed."""
    if outcome.unchanged:
        return PLAIN, {}
    if not outcome.rewritten:
        return outcome.tried, {}
    changed = outcome.weight.changed
    return (outcome.method, {}) if changed is None else (changed.transform, changed.options)


def plan_of(choices: Iterable[tuple[str, str, Values]]) -> str:
    """A rules file of weights: key, method, and options of it."""
    rules = []
    for key, method, options in choices:
        rule: dict[str, Any] = {"tensor": strict_yaml.Quoted(key), "method": method, "threshold": 0.0}
        rules.append(rule | dict(options))
    return strict_yaml.dump({"rules": rules})
